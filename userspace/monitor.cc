// SPDX-License-Identifier: GPL-2.0-only
#include "monitor.h"

#include "module.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>
#include <poll.h>

namespace mcp {

namespace {

constexpr std::array<std::string_view, MCP_EVENT_END + 1> events = {"new", "bound", "end"};

volatile sig_atomic_t stopped = 0;

void stop(int)
{
    stopped = 1;
}

// SIGINT and SIGTERM are blocked but for the time inside wait(), so that none
// gets lost between the look at "stopped" and the poll.
class Interruptible {
public:
    Interruptible()
    {
        struct sigaction action = {};
        sigset_t ours;

        action.sa_handler = stop;
        sigaction(SIGINT, &action, nullptr);
        sigaction(SIGTERM, &action, nullptr);
        sigemptyset(&ours);
        sigaddset(&ours, SIGINT);
        sigaddset(&ours, SIGTERM);
        sigprocmask(SIG_BLOCK, &ours, &before_);
    }
    ~Interruptible() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;

    // Until fd can be read or a signal came.
    Status wait(int fd) const
    {
        pollfd poll = {.fd = fd, .events = POLLIN, .revents = 0};

        if (ppoll(&poll, 1, nullptr, &before_) < 0 && errno != EINTR)
            return failure(fmt::format("cannot wait for events: {}", strerror(errno)));
        return {};
    }

private:
    sigset_t before_;
};

int64_t now_ms()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();

    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void report_loss(Output& output)
{
    if (output.json())
        output.row({{"time_ms", now_ms()}, {"event", "lost"}});
    complain("events were lost: they came faster than they could be read");
}

Status monitor(const char* group, Words& words, Output& output)
{
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();
    if (Status status = module->join(group); !status)
        return status;

    const Interruptible signals;
    output.stream();
    while (!stopped) {
        if (Status status = signals.wait(module->socket().fd()); !status)
            return status;

        const Result<bool> complete =
            module->socket().receive([&output](const nlmsghdr* header) -> Status {
                const Result<Event> event = decode_event(header);

                if (!event)
                    complain(event.error().message);
                else if (output.json())
                    output.row(event_json(*event));
                else
                    output.line(format_event(*event));
                return {};
            });
        if (!complete)
            return complete.error();
        if (!*complete)
            report_loss(output);
    }
    return {};
}

Status monitor_sessions(Words& words, Output& output)
{
    return monitor(MCP_GENL_MCGRP_SESSION, words, output);
}

Status monitor_mappings(Words& words, Output& output)
{
    return monitor(MCP_GENL_MCGRP_MAPPING, words, output);
}

constexpr Command commands[] = {
    {"session", "", "print a line for each session that begins, is bound or ends",
     monitor_sessions},
    {"mapping", "",
     "print a line for each external port, or block, that a client gets or gives back",
     monitor_mappings},
};

std::string details()
{
    return "Runs until it is interrupted (Ctrl-C).\n";
}

} // namespace

const Object monitor_object = {"monitor", "events as they happen", commands, details};

std::string event_name(uint8_t kind)
{
    if (kind < events.size())
        return std::string(events[kind]);
    return fmt::format("unknown({})", kind);
}

Result<Event> decode_event(const nlmsghdr* header)
{
    Attributes<MCP_A_MAX>::Kinds kinds = {};
    kinds[MCP_A_EVENT] = Kind::u8;
    kinds[MCP_A_TIME] = Kind::u64;
    const auto top = Attributes<MCP_A_MAX>::parse(header, kinds);
    if (!top)
        return top.error();
    const auto kind = top->u8(MCP_A_EVENT);
    const auto time = top->u64(MCP_A_TIME);
    if (!kind || !time)
        return failure("the kernel sent an event without its kind or time");

    Event event{.kind = *kind, .time_ms = static_cast<int64_t>(*time / 1'000'000), .about = {}};
    if (top->has(MCP_A_MAPPING)) {
        const Result<PortMapping> mapping = decode_port_mapping(header);

        if (!mapping)
            return mapping.error();
        event.about = *mapping;
        return event;
    }
    const Result<Session> session = decode_session(header);

    if (!session)
        return session.error();
    event.about = *session;
    return event;
}

std::string format_event(const Event& event)
{
    const time_t seconds = event.time_ms / 1'000;
    struct tm utc = {};
    char date[32] = "";

    gmtime_r(&seconds, &utc);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    const auto* mapping = std::get_if<PortMapping>(&event.about);
    return fmt::format("{}.{:03}Z {} {}", date, event.time_ms % 1'000, event_name(event.kind),
                       mapping ? format_port_mapping(*mapping)
                               : format_session(std::get<Session>(event.about)));
}

Json event_json(const Event& event)
{
    Json json = {{"time_ms", event.time_ms}, {"event", event_name(event.kind)}};
    const auto* mapping = std::get_if<PortMapping>(&event.about);

    json.update(mapping ? port_mapping_json(*mapping)
                        : session_json(std::get<Session>(event.about)));
    return json;
}

} // namespace mcp
