// SPDX-License-Identifier: GPL-2.0-only
#include "intercept.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

using namespace mcp;

namespace {

Result<Rule> parse(std::vector<std::string> list)
{
    Words words(list);

    return parse_rule(words);
}

} // namespace

TEST_CASE("rules survive the way to the kernel and back")
{
    const std::pair<std::vector<std::string>, const char*> good[] = {
        {{"pass"}, "pass"},
        {{"via", "direct"}, "via direct"},
        {{"dev", "lan0", "via", "net"}, "dev lan0 via net"},
        {{"via", "net", "local"}, "local via net"},
        {{"dev", "lo", "via", "net"}, "local via net"},
        {{"from", "192.0.2.0/24", "to", "0.0.0.0/0", "dport", "80", "pass"},
         "from 192.0.2.0/24 to 0.0.0.0/0 dport 80-80 pass"},
        {{"to", "2001:db8::/32", "dport", "1024-2047", "via", "net"},
         "to 2001:db8::/32 dport 1024-2047 via net"},
    };
    for (const auto& [list, text] : good) {
        INFO(text);
        const auto rule = parse(list);
        REQUIRE(rule);

        Message message(0x20, MCP_CMD_INTERCEPT_ADD, MCP_GENL_VERSION);
        put_rule(message, *rule);
        const auto back = decode_rule(message.header());
        REQUIRE(back);
        CHECK(*back == *rule);
        CHECK(format_rule(*back) == text);
    }
}

TEST_CASE("what is no rule is wrong usage")
{
    const std::vector<std::vector<std::string>> bad = {
        {},
        {"via"},
        {"via", "net", "pass"},
        {"dev", "lan0"},
        {"dev", std::string(16, 'x'), "pass"},
        {"dev", "lan0", "local", "pass"},
        {"from", "192.0.2.1/24", "pass"},
        {"from", "192.0.2.0/24", "to", "2001:db8::/32", "pass"},
        {"dport", "0", "pass"},
        {"dport", "2-1", "pass"},
        {"via", std::string(32, 'x')},
        {"pass", "pass"},
        {"surplus", "pass"},
    };
    for (const auto& list : bad) {
        const auto rule = parse(list);
        REQUIRE_FALSE(rule);
        CHECK(rule.error().status == Exit::usage);
    }
}

TEST_CASE("a rule from the kernel, with what it took")
{
    Message message(0x20, MCP_CMD_INTERCEPT_GET, MCP_GENL_VERSION);
    {
        const Message::Nest nest(message, MCP_A_INTERCEPT);

        message.put_u32(MCP_INTERCEPT_A_INDEX, 3);
        message.put_u8(MCP_INTERCEPT_A_ACTION, MCP_INTERCEPT_PEER);
        message.put_string(MCP_INTERCEPT_A_PEER, "net");
        message.put_string(MCP_INTERCEPT_A_IFNAME, "lan0");
        message.put_u16(MCP_INTERCEPT_A_FIRST, 1);
        message.put_u16(MCP_INTERCEPT_A_LAST, 65'535);
        message.put_u64(MCP_INTERCEPT_A_HITS, 7);
        message.put_u64(MCP_INTERCEPT_A_PASSED, 2);
    }
    const auto rule = decode_rule(message.header());
    REQUIRE(rule);
    CHECK(format_rule(*rule) == "3: dev lan0 via net hits 7 passed 2");
    CHECK(rule_json(*rule) ==
          Json{{"index", 3}, {"dev", "lan0"}, {"via", "net"}, {"hits", 7}, {"passed", 2}});

    Message empty(0x20, MCP_CMD_INTERCEPT_GET, MCP_GENL_VERSION);
    CHECK_FALSE(decode_rule(empty.header()));
}
