// SPDX-License-Identifier: GPL-2.0
//
// The module's pure files, as C++ sees them, and what every test of them needs.
#pragma once

#include "pure.h" // libc's headers, outside of extern "C"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "tests/vectors.h"
}

using Octets = std::vector<__u8>;

inline Octets octets(const __u8* data, size_t len)
{
    return Octets(data, data + len);
}

inline Octets operator+(Octets left, const Octets& right)
{
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

/// Decodes from a block of exactly that size, so that AddressSanitizer sees
/// every octet that is read beyond.
inline mcp_decode decode(const Octets& data, mcp_request& req, __u16 syn_port = MCP_VECTOR_SYN_PORT)
{
    auto block = std::make_unique<__u8[]>(data.size());
    std::copy(data.begin(), data.end(), block.get());
    memset(&req, 0xa5, sizeof(req));
    return mcp_request_decode(block.get(), data.size(), htons(syn_port), &req);
}

inline mcp_endpoint v4(const char* addr, __u16 port)
{
    mcp_endpoint_vector vector = {AF_INET, addr, port};
    return mcp_vector_endpoint(&vector);
}

inline mcp_endpoint v6(const char* addr, __u16 port)
{
    mcp_endpoint_vector vector = {AF_INET6, addr, port};
    return mcp_vector_endpoint(&vector);
}
