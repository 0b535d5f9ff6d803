// SPDX-License-Identifier: GPL-2.0
//
// Any octets at all, as the beginning of an MCP's stream.
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const __u8* data, size_t size)
{
    Block block(data, size);
    mcp_answer ans;

    memset(&ans, 0xa5, sizeof(ans));
    switch (mcp_answer_decode(block.data(), block.size(), &ans)) {
    case MCP_DECODE_OK:
        HOLDS(ans.len > 4 && ans.len <= size && ans.len <= MCP_CONVERT_MAX);
        HOLDS(ans.connected || ans.failed);
        HOLDS(ans.cookie_off + ans.cookie_len <= ans.len);
        break;
    case MCP_DECODE_MORE:
        HOLDS(ans.need > size && ans.need <= MCP_CONVERT_MAX);
        break;
    default:
        break;
    }
    return 0;
}
