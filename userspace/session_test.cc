// SPDX-License-Identifier: GPL-2.0-only
#include "monitor.h"
#include "session.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

using namespace mcp;

namespace {

void put_endpoint(Message& message, int type, const char* address, uint16_t port)
{
    const Message::Nest nest(message, type);
    const Address parsed = *parse_address(address);

    message.put_u16(MCP_ENDPOINT_A_FAMILY, parsed.family);
    message.put_bytes(MCP_ENDPOINT_A_ADDR, parsed.bytes());
    message.put_be16(MCP_ENDPOINT_A_PORT, port);
}

// A message with whatever fill puts into the session's nest.
template <class Fill>
Message message_with(const Fill& fill)
{
    Message message(0x20, MCP_CMD_SESSION_GET, MCP_GENL_VERSION);
    {
        const Message::Nest nest(message, MCP_A_SESSION);
        fill(message);
    }
    return message;
}

template <class Fill>
Result<Session> decoded(const Fill& fill)
{
    return decode_session(message_with(fill).header());
}

void fill_whole(Message& message)
{
    message.put_u64(MCP_SESSION_A_ID, 17);
    put_endpoint(message, MCP_SESSION_A_CLIENT, "192.0.2.1", 40'000);
    put_endpoint(message, MCP_SESSION_A_MCP, "198.51.100.1", 5'124);
    put_endpoint(message, MCP_SESSION_A_SERVER, "2001:db8::9", 443);
    put_endpoint(message, MCP_SESSION_A_EXTERNAL, "2001:db8::1", 33'333);
    message.put_u8(MCP_SESSION_A_STATE, MCP_STATE_ESTABLISHED);
    message.put_u8(MCP_SESSION_A_CODEC, MCP_CODEC_CONVERT);
    message.put_u8(MCP_SESSION_A_UPSTREAM, MCP_UPSTREAM_MPTCP);
    message.put_u8(MCP_SESSION_A_SUBFLOWS, 2);
    message.put_u8(MCP_SESSION_A_DOWNSTREAM, MCP_UPSTREAM_FALLBACK);
    message.put_u64(MCP_SESSION_A_AGE, 125'000);
    message.put_u64(MCP_SESSION_A_BYTES_UP, 1'234);
    message.put_u64(MCP_SESSION_A_BYTES_DOWN, 1ULL << 40);
}

std::string address_of(const Json& endpoint)
{
    return endpoint["address"];
}

} // namespace

TEST_CASE("a session as text and as JSON")
{
    const auto session = decoded(fill_whole);
    REQUIRE(session);
    CHECK(format_session(*session) ==
          "id 17 client 192.0.2.1:40000 mcp 198.51.100.1:5124 server [2001:db8::9]:443 "
          "external [2001:db8::1]:33333 state established age 2m5s up 1234 down 1099511627776 "
          "codec convert upstream mptcp subflows 2 downstream fallback");

    const Json json = session_json(*session);
    CHECK(json["id"] == 17);
    CHECK(address_of(json["server"]) == "2001:db8::9");
    CHECK(json["server"]["port"] == 443);
    CHECK(json["state"] == "established");
    CHECK(json["age_ms"] == 125'000);
    CHECK(json["bytes_up"] == 1'234);
    CHECK(json["bytes_down"] == 1ULL << 40);
    CHECK(json["subflows"] == 2);
    CHECK(json["downstream"] == "fallback");
    CHECK_FALSE(json.contains("end"));
}

TEST_CASE("what the kernel leaves out is left out")
{
    const auto session = decoded([](Message& message) {
        message.put_u64(MCP_SESSION_A_ID, 1);
        put_endpoint(message, MCP_SESSION_A_CLIENT, "192.0.2.1", 1);
        message.put_u8(MCP_SESSION_A_UPSTREAM, MCP_UPSTREAM_PENDING);
    });
    REQUIRE(session);
    CHECK(format_session(*session) == "id 1 client 192.0.2.1:1 upstream pending");
    CHECK_FALSE(session_json(*session).contains("server"));
}

TEST_CASE("a session needs an id")
{
    CHECK_FALSE(decoded([](Message&) {}));
    CHECK_FALSE(decoded([](Message& message) { message.put_u8(MCP_SESSION_A_STATE, 1); }));

    const Message other(0x20, MCP_CMD_SESSION_GET, MCP_GENL_VERSION);
    CHECK_FALSE(decode_session(other.header()));
}

TEST_CASE("values and attributes newer than this program")
{
    const auto session = decoded([](Message& message) {
        message.put_u64(MCP_SESSION_A_ID, 1);
        message.put_u8(MCP_SESSION_A_STATE, 99);
        message.put_u8(MCP_SESSION_A_CODEC, 98);
        message.put_u8(MCP_SESSION_A_UPSTREAM, 97);
        message.put_u8(MCP_SESSION_A_END, 96);
        message.put_string(MCP_SESSION_A_MAX + 1, "news");
        message.put_string(500, "news");
    });
    REQUIRE(session);
    CHECK(format_session(*session) ==
          "id 1 state unknown(99) codec unknown(98) upstream unknown(97) end unknown(96)");
}

TEST_CASE("attributes of the wrong size are refused")
{
    const auto bad = [](auto fill) {
        return !decoded([&](Message& message) {
            message.put_u64(MCP_SESSION_A_ID, 1);
            fill(message);
        });
    };
    const auto endpoint = [](Message& message, uint16_t family, std::vector<uint8_t> octets) {
        const Message::Nest nest(message, MCP_SESSION_A_CLIENT);
        message.put_u16(MCP_ENDPOINT_A_FAMILY, family);
        message.put_bytes(MCP_ENDPOINT_A_ADDR, octets);
    };

    CHECK_FALSE(decoded([](Message& message) { message.put_u32(MCP_SESSION_A_ID, 1); }));
    CHECK(bad([](Message& message) { message.put_u32(MCP_SESSION_A_AGE, 1); }));
    CHECK(bad([](Message& message) { message.put_flag(MCP_SESSION_A_STATE); }));
    CHECK(bad([](Message& message) { message.put_u64(MCP_SESSION_A_STATE, 1); }));
    CHECK(bad([](Message& message) { message.put_flag(MCP_SESSION_A_CLIENT); }));
    CHECK(bad([&](Message& message) { endpoint(message, AF_INET, {1, 2, 3}); }));
    CHECK(bad([&](Message& message) { endpoint(message, AF_INET6, {1, 2, 3, 4}); }));
    CHECK(bad([&](Message& message) { endpoint(message, AF_UNIX, {1, 2, 3, 4}); }));
    CHECK(bad([&](Message& message) { endpoint(message, AF_INET, {}); }));
    CHECK_FALSE(bad([&](Message& message) { endpoint(message, AF_INET, {1, 2, 3, 4}); }));
}

TEST_CASE("a message cut short anywhere is read or refused, never overrun")
{
    const Message whole = message_with(fill_whole);
    const auto* octets = reinterpret_cast<const uint8_t*>(whole.header());

    for (size_t length = NLMSG_HDRLEN; length < whole.header()->nlmsg_len; length++) {
        // Exactly as large, so that a sanitizer sees every octet beyond.
        const std::unique_ptr<uint8_t[]> cut(new uint8_t[length]);
        std::copy(octets, octets + length, cut.get());
        auto* header = reinterpret_cast<nlmsghdr*>(cut.get());
        header->nlmsg_len = static_cast<uint32_t>(length);
        INFO(length);
        CHECK_FALSE(decode_session(header));
    }
}

TEST_CASE("lengths that lie are refused")
{
    const Message whole = message_with(fill_whole);
    auto* octets = reinterpret_cast<uint8_t*>(const_cast<nlmsghdr*>(whole.header()));
    const uint32_t nest = NLMSG_HDRLEN + GENL_HDRLEN;

    for (const uint16_t length : {0, 1, 3, 0xffff}) {
        auto* first = reinterpret_cast<nlattr*>(octets + nest + NLA_HDRLEN);
        const uint16_t before = first->nla_len;

        first->nla_len = length;
        CHECK_FALSE(decode_session(whole.header()));
        first->nla_len = before;
    }
    CHECK(decode_session(whole.header()));
}

TEST_CASE("names exist for every value of the contract")
{
    for (int i = 0; i < __MCP_STATE_COUNT; i++)
        CHECK(state_name(i).find("unknown") == std::string::npos);
    for (int i = 0; i < __MCP_END_COUNT; i++)
        CHECK(end_name(i).find("unknown") == std::string::npos);
    CHECK(state_name(MCP_STATE_TRANS) == "trans");
    CHECK(codec_name(MCP_CODEC_MP_CONVERT) == "mp-convert");
    CHECK(upstream_name(MCP_UPSTREAM_FALLBACK) == "fallback");
    CHECK(end_name(MCP_END_HOLD_EXPIRED) == "hold-expired");
    CHECK(end_name(MCP_END_NO_RESOURCES) == "no-resources");
    CHECK(end_name(MCP_END_EVICTED) == "evicted");
}

TEST_CASE("filters")
{
    const Session session = *decoded(fill_whole);
    const auto passes = [&](std::vector<std::string> list) {
        Words words(list);
        const auto filter = parse_filter(words);

        REQUIRE(filter);
        return filter->passes(session);
    };
    const auto wrong = [](std::vector<std::string> list) {
        Words words(list);
        const auto filter = parse_filter(words);

        return !filter && filter.error().status == Exit::usage;
    };

    CHECK(passes({}));
    CHECK(passes({"client", "192.0.2.1"}));
    CHECK(passes({"c", "192.0.2.0/24", "state", "est"}));
    CHECK_FALSE(passes({"client", "192.0.2.2"}));
    CHECK_FALSE(passes({"client", "2001:db8::9"}));
    CHECK(passes({"server", "2001:db8::/32"}));
    CHECK(passes({"state", "ESTABLISHED"}));
    CHECK_FALSE(passes({"state", "internal_init"}));
    CHECK(wrong({"client"}));
    CHECK(wrong({"client", "host"}));
    CHECK(wrong({"state", "open"}));
    CHECK(wrong({"s", "open"}));
    CHECK(wrong({"port", "1"}));

    // A session without a server is no match for any server.
    std::vector<std::string> list = {"server", "::/0"};
    Words words(list);
    CHECK_FALSE(parse_filter(words)->passes(Session{.id = 1}));
}

TEST_CASE("events of sessions")
{
    Message message(0x20, MCP_CMD_SESSION_EVENT, MCP_GENL_VERSION);
    message.put_u8(MCP_A_EVENT, MCP_EVENT_END);
    message.put_u64(MCP_A_TIME, 1'700'000'000'042'999'999);
    {
        const Message::Nest nest(message, MCP_A_SESSION);
        message.put_u64(MCP_SESSION_A_ID, 3);
        message.put_u8(MCP_SESSION_A_END, MCP_END_SYN_TIMEOUT);
    }
    const auto event = decode_event(message.header());
    REQUIRE(event);
    CHECK(format_event(*event) == "2023-11-14T22:13:20.042Z end id 3 end syn-timeout");
    CHECK(
        event_json(*event) ==
        Json{{"time_ms", 1'700'000'000'042}, {"event", "end"}, {"id", 3}, {"end", "syn-timeout"}});
    CHECK(event_name(MCP_EVENT_NEW) == "new");
    CHECK(event_name(MCP_EVENT_BOUND) == "bound");
    CHECK(event_name(77) == "unknown(77)");

    const Message empty(0x20, MCP_CMD_SESSION_EVENT, MCP_GENL_VERSION);
    CHECK_FALSE(decode_event(empty.header()));
}
