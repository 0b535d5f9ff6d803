// SPDX-License-Identifier: GPL-2.0
#include "pure.hpp"

#include <set>

#include <catch2/catch.hpp>

namespace {

enum Side { Internal, External };
enum Segment { Syn, Fin, Rst, Other };

struct Event {
    mcp_event_kind kind;
    Side side;
    Segment segment;
};

constexpr Event events[] = {
    {MCP_EV_INTERNAL_SYN, Internal, Syn}, {MCP_EV_INTERNAL_FIN, Internal, Fin},
    {MCP_EV_INTERNAL_RST, Internal, Rst}, {MCP_EV_INTERNAL_OTHER, Internal, Other},
    {MCP_EV_EXTERNAL_SYN, External, Syn}, {MCP_EV_EXTERNAL_FIN, External, Fin},
    {MCP_EV_EXTERNAL_RST, External, Rst}, {MCP_EV_EXTERNAL_OTHER, External, Other},
};

struct Want {
    int state;
    int timer;
    int action;
};

/// The prose of RFC 6146 section 3.5.2.2, RFC 5382 REQ-4 and REQ-5 and RFC 7857
/// section 2.2, rule by rule and not row by row.
Want packet_rule(mcp_state state, Side side, Segment segment)
{
    // "For any other packet ... silently discarded."
    if (state == MCP_STATE_CLOSED && segment != Syn)
        return {state, MCP_TIMER_KEEP, MCP_ACTION_DROP};
    if (state == MCP_STATE_CLOSED && side == Internal)
        return {MCP_STATE_INTERNAL_INIT, MCP_TIMER_TRANSITORY, MCP_ACTION_FORWARD};
    if (state == MCP_STATE_CLOSED)
        return {MCP_STATE_EXTERNAL_INIT, MCP_TIMER_INCOMING_SYN, MCP_ACTION_HOLD};

    // "a SYN from the other side": both sides' SYNs were seen.
    if ((state == MCP_STATE_INTERNAL_INIT && side == External && segment == Syn) ||
        (state == MCP_STATE_EXTERNAL_INIT && side == Internal && segment == Syn))
        return {MCP_STATE_ESTABLISHED, MCP_TIMER_ESTABLISHED, MCP_ACTION_FORWARD};
    // The client asks again; the server asking again is still held.
    if (state == MCP_STATE_INTERNAL_INIT && segment == Syn)
        return {state, MCP_TIMER_TRANSITORY, MCP_ACTION_FORWARD};
    if (state == MCP_STATE_EXTERNAL_INIT && segment == Syn)
        return {state, MCP_TIMER_KEEP, MCP_ACTION_HOLD};
    if (state == MCP_STATE_INTERNAL_INIT || state == MCP_STATE_EXTERNAL_INIT)
        return {state, MCP_TIMER_KEEP, MCP_ACTION_FORWARD};

    // "All packets are translated and forwarded."
    if (state == MCP_STATE_BOTH_FIN)
        return {state, segment == Rst ? MCP_TIMER_KEEP : MCP_TIMER_TRANSITORY, MCP_ACTION_FORWARD};

    // An RST waits four minutes, and another one does not wait longer.
    if (segment == Rst)
        return {MCP_STATE_TRANS, state == MCP_STATE_TRANS ? MCP_TIMER_KEEP : MCP_TIMER_TRANSITORY,
                MCP_ACTION_FORWARD};
    // "a packet other than a RST": the connection is alive.
    if (state == MCP_STATE_TRANS)
        return {MCP_STATE_ESTABLISHED, MCP_TIMER_ESTABLISHED, MCP_ACTION_FORWARD};

    if (segment == Fin) {
        bool internal = state == MCP_STATE_INTERNAL_FIN || side == Internal;
        bool external = state == MCP_STATE_EXTERNAL_FIN || side == External;
        if (internal && external)
            return {MCP_STATE_BOTH_FIN, MCP_TIMER_TRANSITORY, MCP_ACTION_FORWARD};
        return {internal ? MCP_STATE_INTERNAL_FIN : MCP_STATE_EXTERNAL_FIN, MCP_TIMER_ESTABLISHED,
                MCP_ACTION_FORWARD};
    }
    return {state, MCP_TIMER_ESTABLISHED, MCP_ACTION_FORWARD};
}

Want expiry_rule(mcp_state state)
{
    switch (state) {
    case MCP_STATE_CLOSED:
        return {state, MCP_TIMER_STOP, MCP_ACTION_NONE};
    case MCP_STATE_EXTERNAL_INIT:
        return {MCP_STATE_CLOSED, MCP_TIMER_STOP, MCP_ACTION_UNREACHABLE};
    case MCP_STATE_ESTABLISHED:
        return {MCP_STATE_TRANS, MCP_TIMER_TRANSITORY, MCP_ACTION_PROBE};
    default:
        return {MCP_STATE_CLOSED, MCP_TIMER_STOP, MCP_ACTION_DELETE};
    }
}

void check(mcp_state state, mcp_event_kind event, bool outbound_only, Want want)
{
    mcp_transition got = mcp_behave(state, event, outbound_only);
    INFO(mcp_state_name(state) << ", event " << event << (outbound_only ? ", outbound only" : ""));
    CHECK(got.state == want.state);
    CHECK(got.timer == want.timer);
    CHECK(got.action == want.action);
}

template <typename F>
void for_each_state(F f)
{
    for (int state = 0; state < __MCP_STATE_COUNT; state++)
        f(static_cast<mcp_state>(state));
}

} // namespace

TEST_CASE("behave: every state and event by the prose", "[behave]")
{
    STATIC_REQUIRE(std::size(events) + 1 == __MCP_EV_COUNT);
    for_each_state([](mcp_state state) {
        for (const Event& event : events)
            check(state, event.kind, false, packet_rule(state, event.side, event.segment));
        check(state, MCP_EV_EXPIRY, false, expiry_rule(state));
    });
}

TEST_CASE("behave: outbound refresh only", "[behave]")
{
    for_each_state([](mcp_state state) {
        check(state, MCP_EV_EXPIRY, true, expiry_rule(state));
        for (const Event& event : events) {
            Want want = packet_rule(state, event.side, event.segment);
            bool opening = state == MCP_STATE_CLOSED || state == MCP_STATE_INTERNAL_INIT;
            if (event.side == External && !opening) {
                // No inbound packet gives the session more time; only the
                // move to a shorter timer remains.
                bool closing = want.timer == MCP_TIMER_TRANSITORY && want.state != state;
                if (!closing)
                    want.timer = MCP_TIMER_KEEP;
                if (state == MCP_STATE_TRANS)
                    want.state = state;
            }
            check(state, event.kind, true, want);
        }
    });
}

TEST_CASE("behave: walks", "[behave]")
{
    for (const auto& walk : mcp_walk_vectors) {
        INFO(walk.name);
        mcp_state state = MCP_STATE_CLOSED;
        for (unsigned i = 0; i < walk.count; i++) {
            const mcp_walk_step& step = walk.steps[i];
            INFO("step " << i);
            check(state, static_cast<mcp_event_kind>(step.event), walk.outbound_refresh_only,
                  {step.state, step.timer, step.action});
            state = static_cast<mcp_state>(step.state);
        }
    }
}

TEST_CASE("behave: invariants", "[behave]")
{
    for (bool outbound_only : {false, true}) {
        for_each_state([&](mcp_state state) {
            for (int event = 0; event < __MCP_EV_COUNT; event++) {
                mcp_transition next =
                    mcp_behave(state, static_cast<mcp_event_kind>(event), outbound_only);
                INFO(mcp_state_name(state) << ", event " << event);
                bool ends =
                    next.action == MCP_ACTION_DELETE || next.action == MCP_ACTION_UNREACHABLE;
                bool expiry = event == MCP_EV_EXPIRY;

                REQUIRE(next.state < __MCP_STATE_COUNT);
                // A session ends by DELETE or UNREACHABLE alone, on expiry alone.
                CHECK(ends == (state != MCP_STATE_CLOSED && next.state == MCP_STATE_CLOSED));
                if (ends) {
                    CHECK(expiry);
                    CHECK(next.timer == MCP_TIMER_STOP);
                }
                // Timers: one runs in every state but CLOSED.
                CHECK((next.timer == MCP_TIMER_STOP) == (expiry && next.state == MCP_STATE_CLOSED));
                if (expiry)
                    CHECK(next.timer != MCP_TIMER_KEEP);
                if (next.timer == MCP_TIMER_ESTABLISHED)
                    CHECK((next.state == MCP_STATE_ESTABLISHED ||
                           next.state == MCP_STATE_INTERNAL_FIN ||
                           next.state == MCP_STATE_EXTERNAL_FIN));
                if (next.timer == MCP_TIMER_INCOMING_SYN)
                    CHECK(next.action == MCP_ACTION_HOLD);
                // No session goes back to an opening state.
                if (state != MCP_STATE_CLOSED && next.state != state) {
                    CHECK(next.state != MCP_STATE_INTERNAL_INIT);
                    CHECK(next.state != MCP_STATE_EXTERNAL_INIT);
                }
                // RFC 7857 section 2.2: a session's RST is passed on.
                if (event == MCP_EV_INTERNAL_RST || event == MCP_EV_EXTERNAL_RST)
                    CHECK((next.action == MCP_ACTION_FORWARD) == (state != MCP_STATE_CLOSED));
                CHECK((next.action == MCP_ACTION_PROBE) ==
                      (expiry && state == MCP_STATE_ESTABLISHED));
            }
        });
    }
}

TEST_CASE("behave: every state can be reached, and left by time alone", "[behave]")
{
    std::set<int> seen = {MCP_STATE_CLOSED};
    for (size_t before = 0; before != seen.size();) {
        before = seen.size();
        for (int state : std::set<int>(seen))
            for (int event = 0; event < __MCP_EV_COUNT; event++)
                seen.insert(mcp_behave(static_cast<mcp_state>(state),
                                       static_cast<mcp_event_kind>(event), false)
                                .state);
    }
    CHECK(seen.size() == __MCP_STATE_COUNT);

    for_each_state([](mcp_state state) {
        int left = 2;
        for (; state != MCP_STATE_CLOSED && left > 0; left--)
            state = static_cast<mcp_state>(mcp_behave(state, MCP_EV_EXPIRY, false).state);
        CHECK(state == MCP_STATE_CLOSED);
    });
}

TEST_CASE("behave: both sides are treated alike once established", "[behave]")
{
    auto mirror = [](int state) {
        return state == MCP_STATE_INTERNAL_FIN   ? MCP_STATE_EXTERNAL_FIN
               : state == MCP_STATE_EXTERNAL_FIN ? MCP_STATE_INTERNAL_FIN
                                                 : static_cast<mcp_state>(state);
    };
    for (int state = MCP_STATE_ESTABLISHED; state < __MCP_STATE_COUNT; state++) {
        for (int i = 0; i < 4; i++) {
            mcp_transition internal =
                mcp_behave(static_cast<mcp_state>(state), events[i].kind, false);
            mcp_transition external = mcp_behave(mirror(state), events[i + 4].kind, false);
            INFO(state << " " << i);
            CHECK(mirror(internal.state) == external.state);
            CHECK(internal.timer == external.timer);
            CHECK(internal.action == external.action);
        }
    }
}

TEST_CASE("behave: what does not exist", "[behave]")
{
    mcp_transition next =
        mcp_behave(static_cast<mcp_state>(__MCP_STATE_COUNT), MCP_EV_EXPIRY, false);
    CHECK(next.action == MCP_ACTION_DROP);
    CHECK(next.timer == MCP_TIMER_KEEP);
    next = mcp_behave(MCP_STATE_TRANS, __MCP_EV_COUNT, false);
    CHECK(next.action == MCP_ACTION_DROP);
    CHECK(next.state == MCP_STATE_TRANS);
    CHECK(mcp_state_name(static_cast<mcp_state>(__MCP_STATE_COUNT)) == std::string("?"));

    std::set<std::string> names;
    for_each_state([&](mcp_state state) { names.insert(mcp_state_name(state)); });
    CHECK(names.size() == __MCP_STATE_COUNT);
    CHECK(names.count("INTERNAL_INIT") == 1);
}

TEST_CASE("behave: timers are those of RFC 5382", "[behave]")
{
    CHECK(MCP_ESTABLISHED_IDLE_MS == (2 * 60 + 4) * 60 * 1000);
    CHECK(MCP_TRANSITORY_IDLE_MS == 4 * 60 * 1000);
    CHECK(MCP_INCOMING_SYN_MS == 6 * 1000);
}
