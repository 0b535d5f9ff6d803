// SPDX-License-Identifier: GPL-2.0-only
#include "stats.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>

using namespace mcp;

namespace {

const std::vector<Counter> counters = {{"dial", 3}, {"dial-refused", 0}, {"session-new", 7}};

std::string names(const std::vector<std::string>& patterns, bool nonzero = false)
{
    const auto selected = select_counters(counters, patterns, nonzero);
    std::string text;

    if (!selected)
        return selected.error().message;
    for (const Counter& counter : *selected)
        text += counter.name + " ";
    return text;
}

} // namespace

TEST_CASE("counters are chosen by name, pattern and value")
{
    CHECK(names({}) == "dial dial-refused session-new ");
    CHECK(names({}, true) == "dial session-new ");
    CHECK(names({"dial"}) == "dial ");
    CHECK(names({"dial*"}) == "dial dial-refused ");
    CHECK(names({"session-new", "dial-*"}) == "dial-refused session-new ");
    CHECK(names({"dial-refused"}, true).empty());
    CHECK(names({"dail"}).find("did you mean 'dial'?") != std::string::npos);
    CHECK_FALSE(select_counters(counters, {"x*"}, false));
}

TEST_CASE("counters from the kernel")
{
    Message message(0x20, MCP_CMD_STATS_GET, MCP_GENL_VERSION);
    {
        const Message::Nest nest(message, MCP_A_STAT);
        message.put_string(MCP_STAT_A_NAME, "dial");
        message.put_u64(MCP_STAT_A_VALUE, UINT64_MAX);
    }
    const auto counter = decode_counter(message.header());
    REQUIRE(counter);
    CHECK(counter->name == "dial");
    CHECK(counter->value == UINT64_MAX);

    Message endless(0x20, MCP_CMD_STATS_GET, MCP_GENL_VERSION);
    {
        const Message::Nest nest(endless, MCP_A_STAT);
        const uint8_t letters[] = {'d', 'i', 'a', 'l'};
        endless.put_bytes(MCP_STAT_A_NAME, letters);
        endless.put_u64(MCP_STAT_A_VALUE, 1);
    }
    CHECK_FALSE(decode_counter(endless.header()));

    const Message empty(0x20, MCP_CMD_STATS_GET, MCP_GENL_VERSION);
    CHECK_FALSE(decode_counter(empty.header()));
}
