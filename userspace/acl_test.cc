// SPDX-License-Identifier: GPL-2.0-only
#include "acl.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

using namespace mcp;

namespace {

Result<std::vector<AclEntry>> parse(std::vector<std::string> list, bool with_origin = true)
{
    Words words(list);

    return parse_acl(words, with_origin);
}

} // namespace

TEST_CASE("ACL entries survive the way to the kernel and back")
{
    const std::pair<std::vector<std::string>, const char*> good[] = {
        {{"192.0.2.0/24"}, "192.0.2.0/24"},
        {{"192.0.2.1"}, "192.0.2.1/32"},
        {{"2001:db8::/32", "dev", "eth0"}, "2001:db8::/32 dev eth0"},
        {{"10.0.0.0/8", "d", "fifteen-letters"}, "10.0.0.0/8 dev fifteen-letters"},
        {{"192.0.2.1", "origin", "10.0.0.0/8"}, "192.0.2.1/32 origin 10.0.0.0/8"},
        {{"2001:db8::/32", "o", "10.0.0.1"}, "2001:db8::/32 origin 10.0.0.1/32"},
        {{"192.0.2.1", "origin", "::/0", "dev", "lan0"}, "192.0.2.1/32 dev lan0 origin ::/0"},
    };
    for (const auto& [list, text] : good) {
        INFO(text);
        const auto entries = parse(list);
        REQUIRE(entries);
        REQUIRE(entries->size() == 1);

        Message message(0x20, MCP_CMD_ACL_ADD, MCP_GENL_VERSION);
        put_acl(message, entries->front());
        const auto back = decode_acl(message.header());
        REQUIRE(back);
        CHECK(*back == entries->front());
        CHECK(format_acl(*back) == text);
    }
}

TEST_CASE("all is both families")
{
    for (const char* word : {"all", "any", "default"}) {
        const auto entries = parse({word, "dev", "lan0"});
        REQUIRE(entries);
        REQUIRE(entries->size() == 2);
        CHECK(format_acl((*entries)[0]) == "0.0.0.0/0 dev lan0");
        CHECK(format_acl((*entries)[1]) == "::/0 dev lan0");
    }
    const auto entries = parse({"all", "origin", "10.0.0.0/8"});
    REQUIRE(entries);
    REQUIRE(entries->size() == 2);
    CHECK(format_acl((*entries)[0]) == "0.0.0.0/0 origin 10.0.0.0/8");
    CHECK(format_acl((*entries)[1]) == "::/0 origin 10.0.0.0/8");
}

TEST_CASE("ACL words that are wrong")
{
    const std::vector<std::vector<std::string>> bad = {
        {},
        {"dev", "eth0"},
        {"192.0.2.1/24"},
        {"192.0.2.0/24", "dev"},
        {"192.0.2.0/24", "dev", ""},
        {"192.0.2.0/24", "dev", "sixteen-letters-"},
        {"192.0.2.0/24", "eth0"},
        {"192.0.2.0/24", "dev", "eth0", "eth1"},
        {"192.0.2.0/24", "dev", "eth0", "dev", "eth1"},
        {"origin", "10.0.0.0/8"},
        {"192.0.2.0/24", "origin"},
        {"192.0.2.0/24", "origin", "10.0.0.1/8"},
        {"192.0.2.0/24", "origin", "all"},
        {"192.0.2.0/24", "origin", "10.0.0.0/8", "origin", "10.0.0.0/8"},
    };
    for (const auto& list : bad) {
        const auto entries = parse(list);
        REQUIRE_FALSE(entries);
        CHECK(entries.error().status == Exit::usage);
    }
    CHECK(parse({"192.0.2.0/24", "dev", "eth0"}, false));
    CHECK_FALSE(parse({"192.0.2.0/24", "origin", "10.0.0.0/8"}, false));
}

TEST_CASE("ACL entries from the kernel")
{
    const auto decoded = [](auto fill) {
        Message message(0x20, MCP_CMD_ACL_GET, MCP_GENL_VERSION);
        {
            const Message::Nest nest(message, MCP_A_ACL);
            fill(message);
        }
        return decode_acl(message.header());
    };
    const uint8_t octets[4] = {192, 0, 2, 0};

    const auto entry = decoded([&](Message& message) {
        message.put_u16(MCP_ACL_A_FAMILY, AF_INET);
        message.put_bytes(MCP_ACL_A_ADDR, octets);
        message.put_u8(MCP_ACL_A_PREFIXLEN, 24);
        message.put_u64(MCP_ACL_A_HITS, 12);
    });
    REQUIRE(entry);
    CHECK(format_acl(*entry) == "192.0.2.0/24 hits 12");
    CHECK(acl_json(*entry) == Json{{"prefix", "192.0.2.0/24"}, {"hits", 12}});

    const auto origin = [&](uint8_t length) {
        return decoded([&](Message& message) {
            message.put_u16(MCP_ACL_A_FAMILY, AF_INET);
            message.put_bytes(MCP_ACL_A_ADDR, octets);
            message.put_u8(MCP_ACL_A_PREFIXLEN, 24);
            const Message::Nest nest(message, MCP_ACL_A_ORIGIN);
            message.put_u16(MCP_PREFIX_A_FAMILY, AF_INET);
            message.put_bytes(MCP_PREFIX_A_ADDR, octets);
            message.put_u8(MCP_PREFIX_A_PREFIXLEN, length);
        });
    };
    const auto carried = decoded([&](Message& message) {
        message.put_u16(MCP_ACL_A_FAMILY, AF_INET);
        message.put_bytes(MCP_ACL_A_ADDR, octets);
        message.put_u8(MCP_ACL_A_PREFIXLEN, 24);
        message.put_string(MCP_ACL_A_VIA, "net");
    });
    REQUIRE(carried);
    CHECK(format_acl(*carried) == "192.0.2.0/24 via net");
    CHECK(acl_json(*carried) == Json{{"prefix", "192.0.2.0/24"}, {"via", "net"}});
    CHECK((*parse({"192.0.2.0/24", "via", "net"}))[0] == *carried);
    CHECK_FALSE(parse({"192.0.2.0/24", "via", "net"}, false));

    REQUIRE(origin(25));
    CHECK(acl_json(*origin(25)) == Json{{"prefix", "192.0.2.0/24"}, {"origin", "192.0.2.0/25"}});
    CHECK_FALSE(origin(33));

    CHECK_FALSE(decoded([](Message&) {}));
    CHECK_FALSE(decoded([&](Message& message) {
        message.put_u16(MCP_ACL_A_FAMILY, AF_INET6);
        message.put_bytes(MCP_ACL_A_ADDR, octets);
        message.put_u8(MCP_ACL_A_PREFIXLEN, 24);
    }));
    CHECK_FALSE(decoded([&](Message& message) {
        message.put_u16(MCP_ACL_A_FAMILY, AF_INET);
        message.put_bytes(MCP_ACL_A_ADDR, octets);
        message.put_u8(MCP_ACL_A_PREFIXLEN, 33);
    }));
}
