// SPDX-License-Identifier: GPL-2.0-only
#include "monitor.h"
#include "port_mapping.h"

#include <functional>
#include <memory>

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

using namespace mcp;

namespace {

using Fill = std::function<void(Message&)>;

void put_endpoint(Message& message, int type, const char* address, uint16_t port)
{
    const Message::Nest nest(message, type);
    const Address parsed = *parse_address(address);

    message.put_u16(MCP_ENDPOINT_A_FAMILY, parsed.family);
    message.put_bytes(MCP_ENDPOINT_A_ADDR, parsed.bytes());
    if (port != 0)
        message.put_be16(MCP_ENDPOINT_A_PORT, port);
}

Fill mapping(const char* client, uint16_t port, const char* external, uint16_t first, uint16_t last)
{
    return [=](Message& message) {
        const Message::Nest nest(message, MCP_A_MAPPING);

        put_endpoint(message, MCP_MAPPING_A_CLIENT, client, port);
        put_endpoint(message, MCP_MAPPING_A_EXTERNAL, external, first);
        message.put_u16(MCP_MAPPING_A_LAST, last);
    };
}

Message event_with(uint8_t kind, const Fill& fill)
{
    Message message(0x20, MCP_CMD_MAPPING_EVENT, MCP_GENL_VERSION);

    message.put_u8(MCP_A_EVENT, kind);
    message.put_u64(MCP_A_TIME, 1'700'000'000'042'000'000);
    fill(message);
    return message;
}

std::string text(uint8_t kind, const Fill& fill)
{
    const auto event = decode_event(event_with(kind, fill).header());

    REQUIRE(event);
    return format_event(*event);
}

} // namespace

TEST_CASE("events of mappings as text")
{
    CHECK(text(MCP_EVENT_NEW, mapping("192.0.2.1", 40'000, "203.0.113.5", 61'001, 61'001)) ==
          "2023-11-14T22:13:20.042Z new client 192.0.2.1:40000 external 203.0.113.5:61001");
    CHECK(text(MCP_EVENT_END, mapping("2001:db8::7", 40'000, "203.0.113.5", 61'001, 61'001)) ==
          "2023-11-14T22:13:20.042Z end client [2001:db8::7]:40000 external 203.0.113.5:61001");
    CHECK(text(MCP_EVENT_NEW, mapping("192.0.2.1", 0, "203.0.113.5", 20'032, 20'095)) ==
          "2023-11-14T22:13:20.042Z new client 192.0.2.1 external 203.0.113.5:20032-20095");
    CHECK(text(MCP_EVENT_NEW, mapping("2001:db8:0:1::", 0, "2001:db8:f::1", 1'024, 1'087)) ==
          "2023-11-14T22:13:20.042Z new client 2001:db8:0:1::/64 "
          "external [2001:db8:f::1]:1024-1087");
    // A block that has one port is still a block.
    CHECK(text(MCP_EVENT_NEW, mapping("192.0.2.1", 0, "203.0.113.5", 65'535, 65'535)) ==
          "2023-11-14T22:13:20.042Z new client 192.0.2.1 external 203.0.113.5:65535");
}

TEST_CASE("events of mappings as JSON")
{
    const auto json = [](const Fill& fill) {
        return event_json(*decode_event(event_with(MCP_EVENT_NEW, fill).header()));
    };
    const auto external = [](uint16_t first, uint16_t last) {
        return Json{{"address", "203.0.113.5"}, {"port", first}, {"last_port", last}};
    };

    CHECK(json(mapping("192.0.2.1", 40'000, "203.0.113.5", 61'001, 61'001)) ==
          Json{{"time_ms", 1'700'000'000'042},
               {"event", "new"},
               {"client", {{"address", "192.0.2.1"}, {"port", 40'000}}},
               {"external", external(61'001, 61'001)}});
    CHECK(json(mapping("192.0.2.1", 0, "203.0.113.5", 20'032, 20'095)) ==
          Json{{"time_ms", 1'700'000'000'042},
               {"event", "new"},
               {"client", {{"address", "192.0.2.1"}, {"prefixlen", 32}}},
               {"external", external(20'032, 20'095)}});
    const Json six = json(mapping("2001:db8:0:1::", 0, "203.0.113.5", 20'032, 20'095))["client"];
    CHECK(six == Json{{"address", "2001:db8:0:1::"}, {"prefixlen", 64}});
}

TEST_CASE("a mapping that is not whole is refused")
{
    const auto refused = [](const Fill& fill) {
        return !decode_event(event_with(MCP_EVENT_NEW, [&](Message& message) {
                                 const Message::Nest nest(message, MCP_A_MAPPING);
                                 fill(message);
                             }).header());
    };
    const auto client = [](Message& message) {
        put_endpoint(message, MCP_MAPPING_A_CLIENT, "192.0.2.1", 1);
    };
    const auto external = [](Message& message) {
        put_endpoint(message, MCP_MAPPING_A_EXTERNAL, "203.0.113.5", 2);
    };

    CHECK(refused([](Message&) {}));
    CHECK(refused([&](Message& message) {
        client(message);
        external(message);
    }));
    CHECK(refused([&](Message& message) {
        client(message);
        message.put_u16(MCP_MAPPING_A_LAST, 2);
    }));
    CHECK(refused([&](Message& message) {
        external(message);
        message.put_u16(MCP_MAPPING_A_LAST, 2);
    }));
    CHECK(refused([&](Message& message) {
        client(message);
        external(message);
        message.put_u8(MCP_MAPPING_A_LAST, 2);
    }));
    CHECK_FALSE(refused([&](Message& message) {
        client(message);
        external(message);
        message.put_u16(MCP_MAPPING_A_LAST, 2);
    }));
}

TEST_CASE("an event without its time is refused")
{
    Message message(0x20, MCP_CMD_MAPPING_EVENT, MCP_GENL_VERSION);

    message.put_u8(MCP_A_EVENT, MCP_EVENT_NEW);
    mapping("192.0.2.1", 1, "203.0.113.5", 2, 2)(message);
    CHECK_FALSE(decode_event(message.header()));
    message.put_u64(MCP_A_TIME, 1);
    CHECK(decode_event(message.header()));
}

TEST_CASE("an event of a mapping cut short anywhere is refused, never overrun")
{
    const Message whole =
        event_with(MCP_EVENT_NEW, mapping("2001:db8::7", 1, "2001:db8:f::1", 1'024, 1'087));
    const auto* octets = reinterpret_cast<const uint8_t*>(whole.header());

    for (size_t length = NLMSG_HDRLEN; length < whole.header()->nlmsg_len; length++) {
        // Exactly as large, so that a sanitizer sees every octet beyond.
        const std::unique_ptr<uint8_t[]> cut(new uint8_t[length]);
        std::copy(octets, octets + length, cut.get());
        auto* header = reinterpret_cast<nlmsghdr*>(cut.get());
        header->nlmsg_len = static_cast<uint32_t>(length);
        INFO(length);
        CHECK_FALSE(decode_event(header));
    }
}
