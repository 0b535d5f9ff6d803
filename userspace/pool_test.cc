// SPDX-License-Identifier: GPL-2.0-only
#include "pool.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

using namespace mcp;

namespace {

Result<PoolRange> parse(std::vector<std::string> list, bool with_ports = true)
{
    Words words(list);

    return parse_pool(words, with_ports);
}

std::string complaint(std::vector<std::string> list, bool with_ports = true)
{
    const auto range = parse(std::move(list), with_ports);

    REQUIRE_FALSE(range);
    CHECK(range.error().status == Exit::usage);
    return range.error().message;
}

} // namespace

TEST_CASE("ranges of the pool survive the way to the kernel and back")
{
    const std::pair<std::vector<std::string>, const char*> good[] = {
        {{"192.0.2.0/28"}, "192.0.2.0/28"},
        {{"192.0.2.1"}, "192.0.2.1/32"},
        {{"192.0.0.0/16", "ports", "1-65535"}, "192.0.0.0/16 ports 1-65535"},
        {{"2001:db8::/112", "ports", "1024-2047"}, "2001:db8::/112 ports 1024-2047"},
        {{"2001:db8::1", "p", "443"}, "2001:db8::1/128 ports 443-443"},
    };
    for (const auto& [list, text] : good) {
        INFO(text);
        const auto range = parse(list);
        REQUIRE(range);

        Message message(0x20, MCP_CMD_POOL_ADD, MCP_GENL_VERSION);
        put_pool(message, *range);
        const auto back = decode_pool(message.header());
        REQUIRE(back);
        CHECK(*back == *range);
        CHECK(format_pool(*back) == text);
    }
    CHECK(*parse({"192.0.2.0/28"}, false) == *parse({"192.0.2.0/28"}));
}

TEST_CASE("the octets of a range are those of the contract")
{
    Message message(0x20, MCP_CMD_POOL_ADD, MCP_GENL_VERSION);
    put_pool(message, *parse({"192.0.2.0/28", "ports", "1024-2047"}));

    const auto* octets = reinterpret_cast<const uint8_t*>(message.header()) + NLMSG_HDRLEN;
    const std::vector<uint8_t> sent(octets, octets + message.header()->nlmsg_len - NLMSG_HDRLEN);
    // clang-format off
    CHECK(sent == std::vector<uint8_t>{
        MCP_CMD_POOL_ADD, 1, 0, 0,                    // genlmsghdr
        44, 0, MCP_A_POOL, 0x80,                      // NLA_F_NESTED
        6, 0, MCP_POOL_A_FAMILY, 0, AF_INET, 0, 0, 0,
        8, 0, MCP_POOL_A_ADDR, 0, 192, 0, 2, 0,
        5, 0, MCP_POOL_A_PREFIXLEN, 0, 28, 0, 0, 0,
        6, 0, MCP_POOL_A_FIRST, 0, 0x00, 0x04, 0, 0,  // little endian
        6, 0, MCP_POOL_A_LAST, 0, 0xff, 0x07, 0, 0,
    });
    // clang-format on
}

TEST_CASE("pool words that are wrong")
{
    CHECK(complaint({}).find("a PREFIX is missing") != std::string::npos);
    CHECK(complaint({"ports", "1-2"}).find("a PREFIX is missing") != std::string::npos);
    CHECK(complaint({"all"}).find("not an IPv4 or IPv6 address") != std::string::npos);
    CHECK(complaint({"192.0.2.1/28"}).ends_with("host bits set: the prefix is 192.0.2.0/28"));
    CHECK(complaint({"192.0.0.0/15"}).ends_with("from 16 to 32"));
    CHECK(complaint({"2001:db8::/111"}).ends_with("from 112 to 128"));
    CHECK(complaint({"192.0.2.0/28", "1-2"}).find("use ports") != std::string::npos);
    CHECK(complaint({"192.0.2.0/28", "ports"}).find("needs a port") != std::string::npos);
    CHECK(complaint({"192.0.2.0/28", "ports", "1-2", "3"}).find("too many") != std::string::npos);
    CHECK(complaint({"192.0.2.0/28", "ports", "1-2"}, false).find("too many") != std::string::npos);
}

TEST_CASE("ports that are wrong")
{
    const std::pair<const char*, const char*> bad[] = {
        {"", "neither a port nor a range"},
        {"-", "neither a port nor a range"},
        {"1-", "neither a port nor a range"},
        {"-1", "neither a port nor a range"},
        {"1-2-3", "neither a port nor a range"},
        {"1,2", "neither a port nor a range"},
        {"http", "neither a port nor a range"},
        {"99999999999999999999", "neither a port nor a range"},
        {"0", "out of range: 1 to 65535"},
        {"0-1", "out of range: 1 to 65535"},
        {"1-65536", "out of range: 1 to 65535"},
        {"4294967297", "out of range: 1 to 65535"},
        {"2047-1024", "write 1024-2047"},
    };
    for (const auto& [text, why] : bad) {
        INFO(text);
        CHECK(complaint({"192.0.2.0/28", "ports", text}).find(why) != std::string::npos);
    }
}

TEST_CASE("ranges from the kernel")
{
    const auto decoded = [](auto fill) {
        Message message(0x20, MCP_CMD_POOL_GET, MCP_GENL_VERSION);
        {
            const Message::Nest nest(message, MCP_A_POOL);
            fill(message);
        }
        return decode_pool(message.header());
    };
    const uint8_t octets[4] = {192, 0, 2, 0};

    const auto range = decoded([&](Message& message) {
        message.put_u16(MCP_POOL_A_FAMILY, AF_INET);
        message.put_bytes(MCP_POOL_A_ADDR, octets);
        message.put_u8(MCP_POOL_A_PREFIXLEN, 28);
        message.put_u16(MCP_POOL_A_FIRST, 1024);
        message.put_u16(MCP_POOL_A_LAST, 65535);
        message.put_u64(MCP_POOL_A_USED, 12);
    });
    REQUIRE(range);
    CHECK(format_pool(*range) == "192.0.2.0/28 ports 1024-65535 used 12");
    CHECK(pool_json(*range) ==
          Json{{"prefix", "192.0.2.0/28"}, {"first", 1024}, {"last", 65535}, {"used", 12}});

    CHECK_FALSE(decoded([](Message&) {}));
    CHECK_FALSE(decoded([&](Message& message) {
        message.put_u16(MCP_POOL_A_FAMILY, AF_INET6);
        message.put_bytes(MCP_POOL_A_ADDR, octets);
        message.put_u8(MCP_POOL_A_PREFIXLEN, 28);
    }));
    CHECK_FALSE(decode_pool(Message(0x20, MCP_CMD_POOL_GET, MCP_GENL_VERSION).header()));
}
