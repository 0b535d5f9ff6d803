// SPDX-License-Identifier: GPL-2.0
//
// TCP options: whatever a header may hold, and more.
#include "fuzz.hpp"

static mcp_tcpopt parse(const __u8* data, size_t size)
{
    Block block(data, size);
    mcp_tcpopt opt;
    memset(&opt, 0xa5, sizeof(opt));
    mcp_tcpopt_parse(block.data(), block.size(), &opt);
    return opt;
}

extern "C" int LLVMFuzzerTestOneInput(const __u8* data, size_t size)
{
    mcp_tcpopt opt = parse(data, size);
    HOLDS(opt.wscale <= 14 && (opt.has_wscale || !opt.wscale));
    HOLDS(opt.has_ts || !(opt.tsval || opt.tsecr));
    HOLDS(opt.mp_capable || !(opt.mp_prefer_proxy || opt.has_key || opt.mp_flags));
    HOLDS(opt.has_key || !opt.key);
    HOLDS(opt.mp_join || !opt.token);

    // Padding with zeros, as a header is padded, changes nothing of what is
    // well formed.
    if (!opt.malformed) {
        auto padded = std::make_unique<__u8[]>(size + 3);
        std::copy(data, data + size, padded.get());
        mcp_tcpopt again = parse(padded.get(), size + 3);
        HOLDS(!memcmp(&again, &opt, offsetof(mcp_tcpopt, malformed) + 1));
        HOLDS(again.tsval == opt.tsval && again.token == opt.token && again.key == opt.key);
    }
    return 0;
}
