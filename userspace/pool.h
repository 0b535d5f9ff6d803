// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "address.h"
#include "cli.h"
#include "message.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mcp {

// mptcpproxyctl pool: from which addresses and ports servers are dialled.
extern const Object pool_object;

struct PortRange {
    uint16_t first = 0;
    uint16_t last = 0;

    bool operator==(const PortRange&) const = default;
};

// External addresses, and the ports that each of them has.
struct PoolRange {
    Prefix prefix;
    std::optional<PortRange> ports = {}; // without them, those of the kernel's choice
    std::optional<uint64_t> used = {};   // ports in use; only from the kernel

    bool operator==(const PoolRange&) const = default;
};

// "1024-65535", or one port. what names it in the message of the error.
Result<PortRange> parse_ports(std::string_view what, std::string_view text);

// Reads "PREFIX [ports A-B]" to the end of the words. with_ports says whether
// 'ports' may be there.
Result<PoolRange> parse_pool(Words& words, bool with_ports);

// Puts and reads the nest MCP_A_POOL.
void put_pool(Message& message, const PoolRange& range);
Result<PoolRange> decode_pool(const nlmsghdr* header);

std::string format_pool(const PoolRange& range);
Json pool_json(const PoolRange& range);

} // namespace mcp
