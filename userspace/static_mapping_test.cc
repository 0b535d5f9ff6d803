// SPDX-License-Identifier: GPL-2.0-only
#include "static_mapping.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

using namespace mcp;

namespace {

Result<StaticMapping> parse(std::vector<std::string> list)
{
    Words words(list);

    return parse_static_mapping(words);
}

} // namespace

TEST_CASE("static mappings survive the way to the kernel and back")
{
    const std::pair<std::vector<std::string>, const char*> good[] = {
        {{"192.0.2.1:443", "to", "10.0.0.2"}, "192.0.2.1:443 to 10.0.0.2"},
        {{"192.0.2.1", "to", "10.0.0.2"}, "192.0.2.1 to 10.0.0.2"},
        {{"[2001:db8::1]:80", "to", "10.0.0.2:8080", "via", "home"},
         "[2001:db8::1]:80 to 10.0.0.2:8080 via home"},
        {{"192.0.2.1:443", "to", "10.0.0.2", "lifetime", "2h", "via", "direct"},
         "192.0.2.1:443 to 10.0.0.2 lifetime 2h0m"},
    };
    for (const auto& [list, text] : good) {
        INFO(text);
        const auto mapping = parse(list);
        REQUIRE(mapping);

        Message message(0x20, MCP_CMD_FORWARD_ADD, MCP_GENL_VERSION);
        put_static_mapping(message, *mapping);
        const auto back = decode_static_mapping(message.header());
        REQUIRE(back);
        CHECK(*back == *mapping);
        CHECK(format_static_mapping(*back) == text);
    }
    CHECK(parse({"192.0.2.1", "to", "10.0.0.2", "lifetime", "90"})->lifetime == 90U);
    CHECK(static_mapping_json(*parse({"192.0.2.1:443", "to", "10.0.0.2", "lifetime", "90s"})) ==
          Json{{"external", {{"address", "192.0.2.1"}, {"port", 443}}},
               {"client", {{"address", "10.0.0.2"}}},
               {"lifetime_ms", 90'000}});
}

TEST_CASE("what is no static mapping is wrong usage")
{
    const std::vector<std::vector<std::string>> bad = {
        {},
        {"to", "10.0.0.2"},
        {"192.0.2.1:443"},
        {"192.0.2.1:443", "to"},
        {"192.0.2.1:443", "10.0.0.2"},
        {"192.0.2.1", "to", "10.0.0.2:80"},
        {"192.0.2.1:443", "to", "10.0.0.2", "lifetime", "0"},
        {"192.0.2.1:443", "to", "10.0.0.2", "lifetime", "1500ms"},
        {"192.0.2.1:443", "to", "10.0.0.2", "lifetime", "8761h"},
        {"192.0.2.1:443", "to", "10.0.0.2", "via", std::string(32, 'x')},
        {"192.0.2.1:443", "to", "10.0.0.2", "surplus"},
    };
    for (const auto& list : bad) {
        const auto mapping = parse(list);
        REQUIRE_FALSE(mapping);
        CHECK(mapping.error().status == Exit::usage);
    }
}
