// SPDX-License-Identifier: GPL-2.0
//
// Any octets at all: which format it is, and everything else.
#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const __u8* data, size_t size)
{
    mcp_request req;
    mcp_decode verdict = decode(data, size, req);
    check_outcome(verdict, req, size);
    check_prefixes(data, size, verdict, req);

    // What is none of ours, or refused, stays so whatever follows. An error
    // that is found at the end of a message is none of its beginning.
    if (verdict == MCP_DECODE_NONE || verdict == MCP_DECODE_RESET) {
        auto longer = std::make_unique<__u8[]>(size + 64);
        std::copy(data, data + size, longer.get());
        mcp_request again;
        HOLDS(decode(longer.get(), size + 64, again) == verdict);
    }
    return 0;
}
