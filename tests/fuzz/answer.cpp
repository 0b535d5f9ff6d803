// SPDX-License-Identifier: GPL-2.0
//
// Any octets at all, as the beginning of an MCP's stream.
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const __u8* data, size_t size)
{
    Block block(data, size);
    mcp_answer answer;

    memset(&answer, 0xa5, sizeof(answer));
    switch (mcp_answer_decode(block.data(), block.size(), &answer)) {
    case MCP_DECODE_OK:
        HOLDS(answer.len > 4 && answer.len <= size && answer.len <= MCP_CONVERT_MAX);
        HOLDS(answer.connected || answer.failed);
        HOLDS(answer.cookie_off + answer.cookie_len <= answer.len);
        break;
    case MCP_DECODE_MORE:
        HOLDS(answer.need > size && answer.need <= MCP_CONVERT_MAX);
        break;
    default:
        break;
    }
    return 0;
}
