// SPDX-License-Identifier: GPL-2.0-only
#include "session.h"

#include "duration.h"
#include "module.h"

#include <array>
#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

constexpr std::array<std::string_view, __MCP_STATE_COUNT> states = {
    "closed",       "internal-init", "external-init", "established",
    "internal-fin", "external-fin",  "both-fin",      "trans",
};
constexpr std::array<std::string_view, MCP_CODEC_IMPLICIT + 1> codecs = {
    "none",
    "mp-convert",
    "convert",
    "implicit",
};
constexpr std::array<std::string_view, MCP_UPSTREAM_TRANSLATED + 1> upstreams = {
    "pending", "mptcp", "fallback", "tcp", "translated",
};
constexpr std::array<std::string_view, __MCP_END_COUNT> ends = {
    "none",        "closed",       "client-reset", "server-reset", "refused",    "unreachable",
    "syn-timeout", "hold-expired", "client-gone",  "bad-request",  "error-sent", "idle",
    "flushed",     "down",         "no-resources", "evicted",      "passed",
};
constexpr std::array<std::string_view, MCP_INGRESS_MAPPING + 1> ingresses = {
    "explicit",
    "intercept",
    "mapping",
};
static_assert(!states.back().empty() && !ends.back().empty(), "the lists follow the enums");

std::string name(std::span<const std::string_view> names, uint8_t value)
{
    if (value < names.size())
        return std::string(names[value]);
    return fmt::format("unknown({})", value);
}

Status show(Words& words, Output& output)
{
    const Result<SessionFilter> filter = parse_filter(words);
    if (!filter)
        return filter.error();
    Result<Module> module = Module::open();
    if (!module)
        return module.error();
    const Result<std::vector<Session>> sessions = module->dump<Session>(
        MCP_CMD_SESSION_GET, [](const nlmsghdr* header) { return decode_session(header); });
    if (!sessions)
        return sessions.error();

    for (const Session& session : *sessions) {
        if (!filter->passes(session))
            continue;
        if (output.json())
            output.row(session_json(session));
        else
            output.line(format_session(session));
    }
    return {};
}

Status count(Words& words, Output& output)
{
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_SESSION_COUNT);
    uint32_t total = 0;
    uint32_t half_open = 0;
    uint32_t clients = 0;
    Status status = module->request(message, [&](const nlmsghdr* header) -> Status {
        const auto top = Attributes<MCP_A_MAX>::parse(header, {});
        if (!top)
            return top.error();
        if (!top->has(MCP_A_COUNT))
            return failure("the kernel sent no count");

        Attributes<MCP_COUNT_A_MAX>::Kinds kinds = {};
        kinds.fill(Kind::u32);
        const auto counts = Attributes<MCP_COUNT_A_MAX>::parse((*top)[MCP_A_COUNT], kinds);
        if (!counts)
            return counts.error();
        total = counts->u32(MCP_COUNT_A_TOTAL).value_or(0);
        half_open = counts->u32(MCP_COUNT_A_HALF_OPEN).value_or(0);
        clients = counts->u32(MCP_COUNT_A_CLIENTS).value_or(0);
        return {};
    });
    if (!status)
        return status;

    if (output.json())
        output.row({{"total", total}, {"half_open", half_open}, {"clients", clients}});
    else
        output.line(fmt::format("total {} half-open {} clients {}", total, half_open, clients));
    return {};
}

Status flush(Words& words, Output&)
{
    const auto text = words.finish_with("id", "the number of a session");
    std::optional<uint64_t> id;

    if (!text)
        return text.error();
    if (*text) {
        const Result<uint64_t> number = parse_number(**text);

        if (!number)
            return usage_error(fmt::format("'{}' is not the number of a session", **text));
        id = *number;
    }
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_SESSION_FLUSH);
    if (id)
        message.put_u64(MCP_A_SESSION_ID, *id);
    Status status = module->request(message);
    if (!status && id && status.error().kernel_errno == ENOENT)
        status.error().message =
            fmt::format("no session with id {}: see 'mptcpproxyctl session show'", *id);
    return status;
}

constexpr Command commands[] = {
    {"show", "[client PREFIX] [server PREFIX] [state STATE]", "list sessions", show},
    {"count", "", "how many there are", count},
    {"flush", "[id N]", "reset all sessions, or one", flush},
};

std::string details()
{
    return fmt::format("STATE is {}.\n", either(states));
}

} // namespace

const Object session_object = {"session", "what is converted for whom", commands, details};

std::string state_name(uint8_t state)
{
    return name(states, state);
}

std::string codec_name(uint8_t codec)
{
    return name(codecs, codec);
}

std::string upstream_name(uint8_t upstream)
{
    return name(upstreams, upstream);
}

std::string ingress_name(uint8_t ingress)
{
    return name(ingresses, ingress);
}

std::string end_name(uint8_t end)
{
    return name(ends, end);
}

Result<std::optional<Endpoint>> decode_endpoint(const nlattr* nest)
{
    if (!nest)
        return std::optional<Endpoint>();

    Attributes<MCP_ENDPOINT_A_MAX>::Kinds kinds = {};
    kinds[MCP_ENDPOINT_A_FAMILY] = Kind::u16;
    kinds[MCP_ENDPOINT_A_PORT] = Kind::u16;
    const auto attributes = Attributes<MCP_ENDPOINT_A_MAX>::parse(nest, kinds);
    if (!attributes)
        return attributes.error();

    const auto family = attributes->u16(MCP_ENDPOINT_A_FAMILY);
    const auto octets = attributes->bytes(MCP_ENDPOINT_A_ADDR);
    if (!family || !octets)
        return failure("the kernel sent an endpoint without an address");
    const auto address = Address::from_bytes(*family, *octets);
    if (!address)
        return failure("the kernel sent an endpoint whose address does not fit its family");
    return std::optional(Endpoint{*address, attributes->be16(MCP_ENDPOINT_A_PORT).value_or(0)});
}

Result<Session> decode_session(const nlattr* nest)
{
    Attributes<MCP_SESSION_A_MAX>::Kinds kinds = {};
    kinds[MCP_SESSION_A_ID] = Kind::u64;
    kinds[MCP_SESSION_A_STATE] = Kind::u8;
    kinds[MCP_SESSION_A_CODEC] = Kind::u8;
    kinds[MCP_SESSION_A_UPSTREAM] = Kind::u8;
    kinds[MCP_SESSION_A_SUBFLOWS] = Kind::u8;
    kinds[MCP_SESSION_A_DOWNSTREAM] = Kind::u8;
    kinds[MCP_SESSION_A_AGE] = Kind::u64;
    kinds[MCP_SESSION_A_BYTES_UP] = Kind::u64;
    kinds[MCP_SESSION_A_BYTES_DOWN] = Kind::u64;
    kinds[MCP_SESSION_A_INGRESS] = Kind::u8;
    kinds[MCP_SESSION_A_END] = Kind::u8;
    const auto attributes = Attributes<MCP_SESSION_A_MAX>::parse(nest, kinds);
    if (!attributes)
        return attributes.error();

    const auto id = attributes->u64(MCP_SESSION_A_ID);
    if (!id)
        return failure("the kernel sent a session without an id");

    Session session{.id = *id,
                    .state = attributes->u8(MCP_SESSION_A_STATE),
                    .codec = attributes->u8(MCP_SESSION_A_CODEC),
                    .upstream = attributes->u8(MCP_SESSION_A_UPSTREAM),
                    .subflows = attributes->u8(MCP_SESSION_A_SUBFLOWS),
                    .downstream = attributes->u8(MCP_SESSION_A_DOWNSTREAM),
                    .age_ms = attributes->u64(MCP_SESSION_A_AGE),
                    .bytes_up = attributes->u64(MCP_SESSION_A_BYTES_UP),
                    .bytes_down = attributes->u64(MCP_SESSION_A_BYTES_DOWN),
                    .ingress = attributes->u8(MCP_SESSION_A_INGRESS),
                    .end = attributes->u8(MCP_SESSION_A_END)};
    const std::array<std::pair<int, std::optional<Endpoint>*>, 5> endpoints = {{
        {MCP_SESSION_A_CLIENT, &session.client},
        {MCP_SESSION_A_MCP, &session.mcp},
        {MCP_SESSION_A_SERVER, &session.server},
        {MCP_SESSION_A_EXTERNAL, &session.external},
        {MCP_SESSION_A_PEER, &session.peer},
    }};
    for (const auto& [type, endpoint] : endpoints) {
        const auto decoded = decode_endpoint((*attributes)[type]);

        if (!decoded)
            return decoded.error();
        *endpoint = *decoded;
    }
    return session;
}

Result<Session> decode_session(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_SESSION, "session");

    if (!nest)
        return nest.error();
    return decode_session(*nest);
}

bool SessionFilter::passes(const Session& session) const
{
    const auto within = [](const std::optional<Prefix>& prefix,
                           const std::optional<Endpoint>& who) {
        return !prefix || (who && prefix->contains(who->address));
    };

    return within(client, session.client) && within(server, session.server) &&
           (!state || state == session.state);
}

Result<SessionFilter> parse_filter(Words& words)
{
    constexpr std::string_view keywords[] = {"client", "server", "state"};
    SessionFilter filter;

    while (!words.empty()) {
        const Result<size_t> keyword = match_word(words.next(), keywords, "filter");
        if (!keyword)
            return keyword.error();

        if (*keyword == 2) {
            const Result<std::string> word = words.value("state", "a state");
            if (!word)
                return word.error();
            const Result<size_t> state = match_word(*word, states, "state");
            if (!state)
                return state.error();
            filter.state = static_cast<uint8_t>(*state);
            continue;
        }

        const Result<std::string> word = words.value(keywords[*keyword], "an address or prefix");
        if (!word)
            return word.error();
        const Result<Prefix> prefix = parse_prefix(*word);
        if (!prefix)
            return prefix.error();
        (*keyword == 0 ? filter.client : filter.server) = *prefix;
    }
    return filter;
}

std::string format_session(const Session& session)
{
    std::string text = fmt::format("id {}", session.id);
    const auto put = [&text](std::string_view key, const auto& value, const auto& format) {
        if (value)
            text += fmt::format(" {} {}", key, format(*value));
    };
    const auto plain = [](auto value) { return static_cast<uint64_t>(value); };

    put("client", session.client, format_endpoint);
    put("mcp", session.mcp, format_endpoint);
    put("server", session.server, format_endpoint);
    put("external", session.external, format_endpoint);
    put("state", session.state, state_name);
    put("age", session.age_ms, format_age);
    put("up", session.bytes_up, plain);
    put("down", session.bytes_down, plain);
    put("codec", session.codec, codec_name);
    put("upstream", session.upstream, upstream_name);
    put("subflows", session.subflows, plain);
    put("downstream", session.downstream, upstream_name);
    put("ingress", session.ingress, ingress_name);
    put("peer", session.peer, format_endpoint);
    put("end", session.end, end_name);
    return text;
}

Json session_json(const Session& session)
{
    Json json = {{"id", session.id}};
    const auto put = [&json](const char* key, const auto& value, const auto& format) {
        if (value)
            json[key] = format(*value);
    };
    const auto plain = [](auto value) { return value; };
    const auto endpoint = [](const Endpoint& value) {
        return Json{{"address", format_address(value.address)}, {"port", value.port}};
    };

    put("client", session.client, endpoint);
    put("mcp", session.mcp, endpoint);
    put("server", session.server, endpoint);
    put("external", session.external, endpoint);
    put("state", session.state, state_name);
    put("age_ms", session.age_ms, plain);
    put("bytes_up", session.bytes_up, plain);
    put("bytes_down", session.bytes_down, plain);
    put("codec", session.codec, codec_name);
    put("upstream", session.upstream, upstream_name);
    put("subflows", session.subflows, plain);
    put("downstream", session.downstream, upstream_name);
    put("ingress", session.ingress, ingress_name);
    put("peer", session.peer, endpoint);
    put("end", session.end, end_name);
    return json;
}

} // namespace mcp
