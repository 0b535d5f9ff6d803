// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "address.h"
#include "message.h"
#include "output.h"

#include <cstdint>
#include <optional>
#include <string>

namespace mcp {

// External ports of a client as the kernel tells them: one port of one of its
// endpoints, or a block that all of them share.
struct PortMapping {
    Address client;
    std::optional<uint16_t> port = {}; // the endpoint's; none: a block
    Endpoint external = {};            // the first port
    uint16_t last = 0;                 // the last port
};

// Reads the message that holds a nest MCP_A_MAPPING.
Result<PortMapping> decode_port_mapping(const nlmsghdr* header);

// "client 192.0.2.1:40000 external 203.0.113.5:61001", of a block
// "client 192.0.2.1 external 203.0.113.5:20032-20095".
std::string format_port_mapping(const PortMapping& mapping);
Json port_mapping_json(const PortMapping& mapping);

} // namespace mcp
