// SPDX-License-Identifier: GPL-2.0-only
#include "peer.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

using namespace mcp;

namespace {

Result<Peer> parse(std::vector<std::string> list, bool whole = true)
{
    Words words(list);

    return parse_peer(words, whole);
}

} // namespace

TEST_CASE("peers survive the way to the kernel and back")
{
    const std::pair<std::vector<std::string>, const char*> good[] = {
        {{"net", "192.0.2.1"}, "net 192.0.2.1"},
        {{"net", "2001:db8::1", "port", "443", "codec", "convert"},
         "net 2001:db8::1 port 443 codec convert"},
        {{"net", "192.0.2.1", "codec", "mp", "prio", "7", "origin"},
         "net 192.0.2.1 codec mp-convert prio 7 origin"},
        {{"net", "192.0.2.1", "cookie", "00fF7A", "codec", "c"},
         "net 192.0.2.1 codec convert cookie 00ff7a"},
        {{"A.z_0-9", "192.0.2.1"}, "A.z_0-9 192.0.2.1"},
    };
    for (const auto& [list, text] : good) {
        INFO(text);
        const auto peer = parse(list);
        REQUIRE(peer);

        Message message(0x20, MCP_CMD_PEER_ADD, MCP_GENL_VERSION);
        put_peer(message, *peer);
        const auto back = decode_peer(message.header());
        REQUIRE(back);
        CHECK(*back == *peer);
        CHECK(format_peer(*back) == text);
    }
    CHECK(parse({"net"}, false)->address == std::nullopt);
    CHECK(parse({"net", "192.0.2.1", "port", "1"}, false)->port == 1);
}

TEST_CASE("what is no peer is wrong usage")
{
    const std::vector<std::vector<std::string>> bad = {
        {},
        {"net"},
        {""},
        {std::string(32, 'x'), "192.0.2.1"},
        {"direct", "192.0.2.1"},
        {"a b", "192.0.2.1"},
        {"a/b", "192.0.2.1"},
        {"\xc3\xa4", "192.0.2.1"},
        {"net", "host"},
        {"net", "192.0.2.1", "port"},
        {"net", "192.0.2.1", "port", "65536"},
        {"net", "192.0.2.1", "prio", "4294967296"},
        {"net", "192.0.2.1", "prio", "1", "prio", "1"},
        {"net", "192.0.2.1", "cookie", ""},
        {"net", "192.0.2.1", "cookie", "0"},
        {"net", "192.0.2.1", "cookie", "0G"},
        {"net", "192.0.2.1", "cookie", std::string(130, 'a')},
        {"net", "192.0.2.1", "surplus"},
    };
    for (const auto& list : bad) {
        const auto peer = parse(list);
        REQUIRE_FALSE(peer);
        CHECK(peer.error().status == Exit::usage);
    }
    CHECK_FALSE(parse({"net", "192.0.2.1", "codec", "convert"}, false));
    CHECK(parse_peer_name(std::string(31, 'x')));
}

TEST_CASE("a peer from the kernel, with how it does")
{
    Message message(0x20, MCP_CMD_PEER_GET, MCP_GENL_VERSION);
    const uint8_t octets[4] = {192, 0, 2, 1};
    {
        const Message::Nest nest(message, MCP_A_PEER);

        message.put_string(MCP_PEER_A_NAME, "net");
        message.put_u16(MCP_PEER_A_FAMILY, AF_INET);
        message.put_bytes(MCP_PEER_A_ADDR, octets);
        message.put_be16(MCP_PEER_A_PORT, 5124);
        message.put_u8(MCP_PEER_A_STATE, MCP_PEER_DOWN);
        message.put_u32(MCP_PEER_A_LEFT, 1'500);
        message.put_u64(MCP_PEER_A_DIALS, 9);
        message.put_u64(MCP_PEER_A_FAILED, 1);
    }
    const auto peer = decode_peer(message.header());
    REQUIRE(peer);
    CHECK(format_peer(*peer) == "net 192.0.2.1 port 5124 state down for 1.5s dials 9 failed 1");
    CHECK(peer_json(*peer) == Json{{"name", "net"},
                                   {"address", "192.0.2.1"},
                                   {"port", 5'124},
                                   {"state", "down"},
                                   {"left_ms", 1'500},
                                   {"dials", 9},
                                   {"failed", 1}});
    CHECK(peer_state_name(MCP_PEER_PLAIN) == "not-converting");
    CHECK(peer_state_name(200) == "unknown(200)");

    Message empty(0x20, MCP_CMD_PEER_GET, MCP_GENL_VERSION);
    CHECK_FALSE(decode_peer(empty.header()));
}
