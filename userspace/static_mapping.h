// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "address.h"
#include "cli.h"
#include "message.h"
#include "module.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mcp {

// mptcpproxyctl mapping: external endpoints whose connections go to a client.
extern const Object mapping_object;

// A static mapping. Port 0: of `external` all ports that nobody else has, of `client` the one
// the connection came to.
struct StaticMapping {
    Endpoint external;
    Endpoint client = {};
    std::optional<std::string> peer = {};  // who dials the client; none: this MCP
    std::optional<uint32_t> lifetime = {}; // in seconds; none: for ever
    std::optional<uint64_t> hits = {};     // only from the kernel

    bool operator==(const StaticMapping&) const = default;
};

// Reads "EXTERNAL to CLIENT [via PEER|direct] [lifetime TIME]" to the end of the words.
Result<StaticMapping> parse_static_mapping(Words& words);

// Puts and reads the nest MCP_A_FORWARD. A client without an address is not put.
void put_static_mapping(Message& message, const StaticMapping& mapping);
Result<StaticMapping> decode_static_mapping(const nlmsghdr* header);

std::string format_static_mapping(const StaticMapping& mapping);
Json static_mapping_json(const StaticMapping& mapping);

Result<std::vector<StaticMapping>> list_static_mappings(Module& module);

} // namespace mcp
