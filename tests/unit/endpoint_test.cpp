// SPDX-License-Identifier: GPL-2.0
#include "pure.hpp"

#include <catch2/catch.hpp>

TEST_CASE("endpoint: no octet is undefined", "[endpoint]")
{
    STATIC_REQUIRE(sizeof(mcp_endpoint) == 20);
    mcp_endpoint a = v4(SERVER4, 80);
    mcp_endpoint b = v4(SERVER4, 80);
    CHECK(mcp_endpoint_equal(&a, &b));
    b.port = htons(81);
    CHECK_FALSE(mcp_endpoint_equal(&a, &b));
    CHECK(mcp_addr_len(AF_INET) == 4);
    CHECK(mcp_addr_len(AF_INET6) == 16);
}

TEST_CASE("endpoint: forbidden addresses", "[endpoint]")
{
    for (const auto& vector : mcp_forbidden_vectors) {
        INFO(vector.name);
        mcp_endpoint ep = mcp_vector_endpoint(&vector.ep);
        CHECK(mcp_endpoint_forbidden(&ep) == vector.forbidden);
    }
}

TEST_CASE("endpoint: all of IPv4's first octets", "[endpoint]")
{
    for (unsigned first = 0; first < 256; first++) {
        mcp_endpoint ep{};
        ep.family = AF_INET;
        ep.addr.octets[0] = static_cast<__u8>(first);
        ep.addr.octets[3] = 1;
        INFO(first);
        CHECK(mcp_endpoint_forbidden(&ep) == (first == 0 || first == 127 || first >= 224));
    }
}
