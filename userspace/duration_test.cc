// SPDX-License-Identifier: GPL-2.0-only
#include "duration.h"

#include <catch2/catch.hpp>

using namespace mcp;

TEST_CASE("times with and without units")
{
    const std::pair<const char*, uint64_t> good[] = {
        {"2500", 2'500},     {"2500ms", 2'500}, {"2s", 2'000},
        {"124m", 7'440'000}, {"2h", 7'200'000}, {"1d", 86'400'000},
        {"1.5s", 1'500},     {"0.25m", 15'000}, {"2h4m", 7'440'000},
        {"1m30.5s", 90'500}, {"0", 0},          {"0s", 0},
        {"007s", 7'000},     {"0.001s", 1},     {"18446744073709551615", UINT64_MAX},
    };
    for (const auto& [text, ms] : good) {
        INFO(text);
        const auto value = parse_duration(text);
        REQUIRE(value);
        CHECK(*value == ms);
    }
    CHECK(*parse_duration("90", 1'000) == 90'000);
    CHECK(*parse_duration("90ms", 1'000) == 90);
}

TEST_CASE("what is no time is refused")
{
    for (const char* text : {"",
                             "s",
                             "-1s",
                             "+1",
                             "1x",
                             "1 s",
                             " 1",
                             "1s ",
                             "1.s",
                             ".5s",
                             "1.0000001h",
                             "0.5ms",
                             "1..5s",
                             "2h4",
                             "1e3",
                             "0x10",
                             "ms",
                             "18446744073709551616",
                             "18446744073709551615s",
                             "18446744073709551615ms1ms",
                             "99999999999999999999999h",
                             "2S",
                             "1.5"}) {
        INFO(text);
        const auto value = parse_duration(text);
        REQUIRE_FALSE(value);
        CHECK(value.error().status == Exit::usage);
        CHECK(value.error().message.find("2500ms") != std::string::npos);
    }
}

TEST_CASE("formatted times are read back")
{
    for (const uint64_t ms :
         {0ULL, 1ULL, 999ULL, 1'000ULL, 2'500ULL, 60'000ULL, 90'000ULL, 240'000ULL, 7'440'000ULL,
          3'600'000ULL, 604'800'000ULL, 4'294'967'295ULL}) {
        INFO(format_duration(ms));
        CHECK(*parse_duration(format_duration(ms)) == ms);
    }
    CHECK(format_duration(2'500) == "2500ms");
    CHECK(format_duration(7'440'000) == "124m");
    CHECK(format_duration(3'600'000) == "1h");
}

TEST_CASE("ages have two units at most")
{
    CHECK(format_age(0) == "0ms");
    CHECK(format_age(999) == "999ms");
    CHECK(format_age(12'345) == "12.3s");
    CHECK(format_age(59'999) == "59.9s");
    CHECK(format_age(125'000) == "2m5s");
    CHECK(format_age(7'440'000) == "2h4m");
    CHECK(format_age(90'000'000) == "1d1h");
}
