// SPDX-License-Identifier: GPL-2.0
//
// What the fuzz targets share.
#pragma once

#include "pure.h" // libc's headers, outside of extern "C"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

extern "C" {
#include "convert.h"
#include "tcpopt.h"

#include <linux/mptcpproxy.h>
}

/// A property that does not hold is a crash, which libFuzzer keeps.
#define HOLDS(_property)                                                                           \
    do {                                                                                           \
        if (!(_property)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #_property);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/// The same octets in a block of exactly their size: what is read beyond is
/// AddressSanitizer's to see.
class Block {
public:
    Block(const __u8* data, size_t size) : data_(new __u8[size]), size_(size)
    {
        std::copy(data, data + size, data_.get());
    }

    const __u8* data() const { return data_.get(); }
    size_t size() const { return size_; }

private:
    std::unique_ptr<__u8[]> data_;
    size_t size_;
};

constexpr __u16 syn_port = 5124;

inline mcp_decode decode(const __u8* data, size_t size, mcp_request& req)
{
    Block block(data, size);
    memset(&req, 0xa5, sizeof(req));
    return mcp_request_decode(block.data(), block.size(), htons(syn_port), &req);
}

/// What a decoder may say of any octets at all.
inline void check_outcome(mcp_decode verdict, const mcp_request& req, size_t size)
{
    switch (verdict) {
    case MCP_DECODE_OK:
        HOLDS(req.len > 0 && req.len <= size && req.len <= MCP_REQUEST_MAX);
        HOLDS(req.server.family || (req.codec == MCP_CODEC_CONVERT && req.info));
        HOLDS(!req.server.family || req.server.port);
        HOLDS(req.codec == MCP_CODEC_CONVERT || req.len <= MCP_MP_CONVERT_MAX);
        HOLDS(req.codec == MCP_CODEC_CONVERT || !(req.info || req.has_cookie || req.wanted));
        HOLDS(req.codec == MCP_CODEC_MP_CONVERT || !req.origin.family);
        HOLDS(!req.bad_options_len);
        break;
    case MCP_DECODE_MORE:
        HOLDS(req.need > size && req.need <= MCP_REQUEST_MAX);
        break;
    case MCP_DECODE_NONE:
        HOLDS(req.codec == MCP_CODEC_NONE);
        break;
    case MCP_DECODE_RESET:
        HOLDS(req.codec != MCP_CODEC_NONE);
        break;
    case MCP_DECODE_ERROR:
        HOLDS(req.codec == MCP_CODEC_CONVERT);
        HOLDS(req.len >= 4 && req.len <= size && req.len <= MCP_CONVERT_MAX);
        HOLDS(req.error <= MCP_ERR_UNSUPPORTED_MESSAGE || req.error == MCP_ERR_UNSUPPORTED_OPTION);
        HOLDS((req.error == MCP_ERR_UNSUPPORTED_OPTION) <= (req.bad_options_len > 0));
        break;
    }
    if (verdict == MCP_DECODE_OK ||
        (verdict == MCP_DECODE_ERROR && req.error == MCP_ERR_UNSUPPORTED_OPTION)) {
        HOLDS(req.bad_options_len <= MCP_BAD_OPTIONS_MAX);
        HOLDS(req.cookie_off + req.cookie_len <= req.len);
        HOLDS(req.options_off + req.options_len <= req.len);
        if (req.wanted & MCP_WANTED_TFO) {
            HOLDS(req.tfo_len >= 2 && req.tfo_len <= 18);
            HOLDS(req.tfo_off >= req.options_off);
            HOLDS(req.tfo_off + req.tfo_len <= req.options_off + req.options_len);
        }
        for (const mcp_endpoint* ep : {&req.server, &req.origin}) {
            HOLDS(!ep->family || ep->family == AF_INET || ep->family == AF_INET6);
            // Comparable as memory: no octet left over, no IPv4-mapped one.
            for (unsigned i = ep->family ? mcp_addr_len(ep->family) : 0; i < 16; i++)
                HOLDS(!ep->addr.octets[i]);
            static const __u8 mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
            HOLDS(ep->family != AF_INET6 || memcmp(ep->addr.octets, mapped, 12) != 0);
        }
    }
}

/// What must hold between a request and its beginnings, and what follows it.
inline void check_prefixes(const __u8* data, size_t size, mcp_decode verdict,
                           const mcp_request& req)
{
    if (verdict != MCP_DECODE_OK)
        return;

    mcp_request part;
    for (size_t len = 0; len < req.len; len += len < 64 ? 1 : 61) {
        HOLDS(decode(data, len, part) == MCP_DECODE_MORE);
        HOLDS(part.need > len && part.need <= req.len);
    }
    HOLDS(decode(data, req.len, part) == MCP_DECODE_OK);
    HOLDS(!memcmp(&part, &req, sizeof(req)));

    // A reader that trusts need stops where the request ends.
    size_t have = 4;
    int calls = 1;
    while (decode(data, have, part) == MCP_DECODE_MORE) {
        have = part.need;
        HOLDS(have <= size);
        HOLDS(++calls <= 6);
    }
    HOLDS(have == req.len);
}
