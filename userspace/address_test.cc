// SPDX-License-Identifier: GPL-2.0-only
#include "address.h"

#include <catch2/catch.hpp>
#include <sys/socket.h>

using namespace mcp;

TEST_CASE("prefixes are read and written")
{
    const std::pair<const char*, const char*> good[] = {
        {"192.0.2.0/24", "192.0.2.0/24"},
        {"192.0.2.1", "192.0.2.1/32"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"10.0.0.0/8", "10.0.0.0/8"},
        {"192.0.2.128/25", "192.0.2.128/25"},
        {"192.0.2.254/31", "192.0.2.254/31"},
        {"2001:db8::/32", "2001:db8::/32"},
        {"2001:DB8:0::1", "2001:db8::1/128"},
        {"::/0", "::/0"},
        {"2001:db8::8000/113", "2001:db8::8000/113"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1/128"},
    };
    for (const auto& [text, written] : good) {
        INFO(text);
        const auto prefix = parse_prefix(text);
        REQUIRE(prefix);
        CHECK(format_prefix(*prefix) == written);
    }
}

TEST_CASE("host bits are refused with the right prefix")
{
    const std::pair<const char*, const char*> bad[] = {
        {"192.0.2.1/24", "192.0.2.0/24"},
        {"192.0.2.255/31", "192.0.2.254/31"},
        {"1.0.0.0/0", "0.0.0.0/0"},
        {"2001:db8::1/64", "2001:db8::/64"},
        {"2001:db8::1/127", "2001:db8::/127"},
    };
    for (const auto& [text, right] : bad) {
        INFO(text);
        const auto prefix = parse_prefix(text);
        REQUIRE_FALSE(prefix);
        CHECK(prefix.error().status == Exit::usage);
        CHECK(prefix.error().message.ends_with(right));
    }
}

TEST_CASE("what is no prefix is refused")
{
    for (const char* text :
         {"", "/", "/24", "192.0.2", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/ 24",
          "192.0.2.0/24x", "192.0.2.0/24/24", "192.0.2.0/255.255.255.0", "2001:db8::/129",
          "2001:db8", "fe80::1%eth0", "example.org", "192.0.2.0/4294967320", "192.0.2.256"}) {
        INFO(text);
        const auto prefix = parse_prefix(text);
        REQUIRE_FALSE(prefix);
        CHECK(prefix.error().status == Exit::usage);
    }
    CHECK(parse_prefix("fe80::1%eth0").error().message.find("dev") != std::string::npos);
}

TEST_CASE("prefixes may have to be long")
{
    for (const char* text :
         {"192.0.0.0/16", "192.0.2.1", "2001:db8::/112", "2001:db8::1:0/112", "2001:db8::1"}) {
        INFO(text);
        CHECK(parse_prefix(text, 16));
    }
    CHECK(parse_prefix("192.0.0.0/15", 16).error().message ==
          "'192.0.0.0/15': the prefix length must be a number from 16 to 32");
    CHECK(parse_prefix("0.0.0.0/0", 16).error().message.ends_with("from 16 to 32"));
    CHECK(parse_prefix("192.0.2.0/33", 16).error().message.ends_with("from 16 to 32"));
    CHECK(parse_prefix("2001:db8::/111", 16).error().message.ends_with("from 112 to 128"));
    CHECK(parse_prefix("192.0.2.1/24", 16).error().message.ends_with("192.0.2.0/24"));
}

TEST_CASE("a prefix contains its addresses only")
{
    CHECK(parse_prefix("192.0.2.0/25")->contains(*parse_address("192.0.2.127")));
    CHECK_FALSE(parse_prefix("192.0.2.0/25")->contains(*parse_address("192.0.2.128")));
    CHECK(parse_prefix("0.0.0.0/0")->contains(*parse_address("203.0.113.9")));
    CHECK_FALSE(parse_prefix("0.0.0.0/0")->contains(*parse_address("::")));
    CHECK(parse_prefix("2001:db8::/33")->contains(*parse_address("2001:db8:7fff::1")));
    CHECK_FALSE(parse_prefix("2001:db8::/33")->contains(*parse_address("2001:db8:8000::1")));
}

TEST_CASE("endpoints as they are written")
{
    for (const auto& [text, address, port] :
         {std::tuple("192.0.2.1:443", "192.0.2.1", 443), std::tuple("192.0.2.1", "192.0.2.1", 0),
          std::tuple("[2001:db8::1]:1", "2001:db8::1", 1),
          std::tuple("[2001:db8::1]", "2001:db8::1", 0),
          std::tuple("2001:db8::1", "2001:db8::1", 0), std::tuple("::", "::", 0)}) {
        INFO(text);
        const auto endpoint = parse_endpoint(text);
        REQUIRE(endpoint);
        CHECK(endpoint->address == *parse_address(address));
        CHECK(endpoint->port == port);
    }
    for (const char* text :
         {"", ":", ":80", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x",
          "192.0.2.1:80:80", "[192.0.2.1", "[2001:db8::1", "[2001:db8::1]80",
          "[2001:db8::1]:", "[]:80", "]:80", "[", "host:80"}) {
        INFO(text);
        const auto endpoint = parse_endpoint(text);
        REQUIRE_FALSE(endpoint);
        CHECK(endpoint.error().status == Exit::usage);
    }
}

TEST_CASE("endpoints")
{
    CHECK(format_endpoint({*parse_address("192.0.2.1"), 443}) == "192.0.2.1:443");
    CHECK(format_endpoint({*parse_address("2001:db8::1"), 65535}) == "[2001:db8::1]:65535");
}

TEST_CASE("octets must fit the family")
{
    const uint8_t octets[16] = {192, 0, 2, 1};

    CHECK(format_address(*Address::from_bytes(AF_INET, std::span(octets, 4))) == "192.0.2.1");
    CHECK_FALSE(Address::from_bytes(AF_INET, std::span(octets, 16)));
    CHECK_FALSE(Address::from_bytes(AF_INET6, std::span(octets, 4)));
    CHECK_FALSE(Address::from_bytes(AF_UNIX, std::span(octets, 4)));
    CHECK_FALSE(Address::from_bytes(AF_INET, {}));
}
