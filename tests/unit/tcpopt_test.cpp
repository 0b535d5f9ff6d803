// SPDX-License-Identifier: GPL-2.0
#include "pure.hpp"

#include <catch2/catch.hpp>

namespace {

mcp_tcpopt parse(const Octets& options)
{
    auto block = std::make_unique<__u8[]>(options.size());
    std::copy(options.begin(), options.end(), block.get());
    mcp_tcpopt opt;
    memset(&opt, 0xa5, sizeof(opt));
    mcp_tcpopt_parse(block.get(), options.size(), &opt);
    return opt;
}

void check_equal(const mcp_tcpopt& got, const mcp_tcpopt& want)
{
    CHECK(got.mss == want.mss);
    CHECK(got.wscale == want.wscale);
    CHECK(got.mp_flags == want.mp_flags);
    CHECK(got.has_wscale == want.has_wscale);
    CHECK(got.sack_perm == want.sack_perm);
    CHECK(got.has_ts == want.has_ts);
    CHECK(got.mp_capable == want.mp_capable);
    CHECK(got.mp_join == want.mp_join);
    CHECK(got.join_syn == want.join_syn);
    CHECK(got.mp_prefer_proxy == want.mp_prefer_proxy);
    CHECK(got.has_key == want.has_key);
    CHECK(got.has_tfo == want.has_tfo);
    CHECK(got.malformed == want.malformed);
    CHECK(got.tsval == want.tsval);
    CHECK(got.tsecr == want.tsecr);
    CHECK(got.token == want.token);
    CHECK(got.key == want.key);
}

} // namespace

TEST_CASE("tcpopt: vectors", "[tcpopt]")
{
    for (const auto& vector : mcp_tcpopt_vectors) {
        INFO(vector.name);
        mcp_tcpopt want = vector.opt;
        if (vector.key)
            memcpy(&want.key, vector.key, sizeof(want.key));
        if (vector.token)
            memcpy(&want.token, vector.token, sizeof(want.token));
        check_equal(parse(octets(vector.octets, vector.octets_len)), want);
    }
}

TEST_CASE("tcpopt: cut short anywhere", "[tcpopt]")
{
    for (const auto& vector : mcp_tcpopt_vectors) {
        INFO(vector.name);
        for (size_t len = 0; len < vector.octets_len; len++) {
            INFO(len);
            mcp_tcpopt opt = parse(octets(vector.octets, len));
            // What is not cut off is found, and nothing else is made up.
            if (!vector.opt.mp_capable)
                CHECK_FALSE(opt.mp_capable);
            if (opt.has_key)
                CHECK(opt.mp_capable);
            if (opt.mp_prefer_proxy)
                CHECK(opt.mp_capable);
            CHECK(opt.wscale <= 14);
        }
    }
}

TEST_CASE("tcpopt: every kind with every length", "[tcpopt]")
{
    for (unsigned kind = 2; kind < 256; kind++) {
        for (unsigned length = 0; length < 256; length++) {
            Octets options(MCP_TCPOPT_MAX, MCP_TCPOPT_NOP);
            options[0] = static_cast<__u8>(kind);
            options[1] = static_cast<__u8>(length);
            mcp_tcpopt opt = parse(options);
            INFO(kind << ", length " << length);
            CHECK(opt.malformed == (length < 2 || length > MCP_TCPOPT_MAX));
            CHECK((opt.mss != 0) == (kind == MCP_TCPOPT_MSS && length == 4));
            CHECK(opt.has_wscale == (kind == MCP_TCPOPT_WSCALE && length == 3));
            CHECK(opt.sack_perm == (kind == MCP_TCPOPT_SACK_PERM && length == 2));
            CHECK(opt.has_ts == (kind == MCP_TCPOPT_TIMESTAMP && length == 10));
            CHECK(opt.has_tfo ==
                  (kind == MCP_TCPOPT_TFO && length >= 2 && length <= MCP_TCPOPT_MAX));
            // NOPs for content: subtype 0, version 1.
            CHECK(opt.mp_capable == (kind == MCP_TCPOPT_MPTCP && (length == 4 || length == 12)));
        }
    }
}

TEST_CASE("tcpopt: every MPTCP subtype and version with every length", "[tcpopt]")
{
    for (unsigned subtype = 0; subtype < 256; subtype++) {
        for (unsigned length = 2; length <= MCP_TCPOPT_MAX; length++) {
            Octets options(MCP_TCPOPT_MAX, MCP_TCPOPT_NOP);
            options[0] = MCP_TCPOPT_MPTCP;
            options[1] = static_cast<__u8>(length);
            options[2] = static_cast<__u8>(subtype);
            mcp_tcpopt opt = parse(options);
            INFO(subtype << ", length " << length);
            // With length 2 the octet is an option of its own.
            if (length == 2)
                continue;
            CHECK(opt.mp_capable == (subtype == 0x01 && (length == 4 || length == 12)));
            CHECK(opt.mp_join == (subtype >> 4 == 1 && (length == 12 || length == 16)));
            CHECK(opt.join_syn == (subtype >> 4 == 1 && length == 12));
            CHECK((opt.token != 0) == (subtype >> 4 == 1 && length == 12));
            CHECK(opt.has_key == (subtype == 0x01 && length == 12));
            CHECK_FALSE(opt.mp_prefer_proxy);
        }
    }
}
