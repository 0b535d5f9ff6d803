// SPDX-License-Identifier: GPL-2.0
//
// MP_CONVERT: whatever the input, behind the magic number.
#include "fuzz.hpp"

static void check_round_trip(const mcp_request& req)
{
    std::array<__u8, MCP_MP_CONVERT_MAX> buf;
    int len = mcp_mp_convert_encode(buf.data(), buf.size(), &req.server, &req.origin);
    HOLDS(len > 0 && len % 4 == 0);

    mcp_request again;
    HOLDS(decode(buf.data(), static_cast<size_t>(len), again) == MCP_DECODE_OK);
    HOLDS(again.len == len);
    HOLDS(mcp_endpoint_equal(&again.server, &req.server));
    HOLDS(mcp_endpoint_equal(&again.origin, &req.origin));
}

extern "C" int LLVMFuzzerTestOneInput(const __u8* data, size_t size)
{
    static const __u8 magic[4] = {0xfa, 0xa8, 0xfa, 0xa8};
    std::array<__u8, 256> input;
    size_t len = std::min(size, input.size());
    std::copy(data, data + len, input.begin());
    std::copy(magic, magic + std::min(len, sizeof(magic)), input.begin());

    mcp_request req;
    mcp_decode verdict = decode(input.data(), len, req);
    check_outcome(verdict, req, len);
    check_prefixes(input.data(), len, verdict, req);
    HOLDS(verdict == MCP_DECODE_OK || verdict == MCP_DECODE_MORE || verdict == MCP_DECODE_RESET);
    if (verdict == MCP_DECODE_OK)
        check_round_trip(req);
    return 0;
}
