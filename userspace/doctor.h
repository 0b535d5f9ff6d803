// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "acl.h"
#include "cli.h"
#include "intercept.h"
#include "mcp.h"
#include "peer.h"
#include "static_mapping.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mcp {

// mptcpproxyctl doctor: what would keep this MCP from working.
extern const Object doctor_object;

// What a diagnosis is made of. What could not be found out is absent, and nothing is
// said of it.
struct Facts {
    std::string tool_version = {};
    McpState mcp = {};
    bool has_pool = false;
    std::vector<AclEntry> acl = {};
    std::vector<StaticMapping> mappings = {};
    std::vector<Peer> peers = {};
    std::vector<Rule> rules = {};

    std::optional<bool> mptcp_enabled = {};
    std::optional<uint64_t> blackholes = {};        // connections that lost MPTCP by it
    std::optional<uint64_t> blackhole_timeout = {}; // seconds; 0: it is off
    std::optional<uint32_t> subflow_limit = {};
    std::optional<uint32_t> add_addr_limit = {};
    std::optional<size_t> subflow_endpoints = {};
    std::optional<size_t> signal_endpoints = {};
    std::optional<bool> forwards4 = {};
    std::optional<bool> forwards6 = {};
    std::vector<std::string> strict_rp_filter = {}; // interfaces
    std::optional<bool> port_taken = {};            // only while the MCP is down
    std::vector<Peer> unreachable = {};             // peers to whom there is no route
};

// Something amiss, and the command that mends it.
struct Finding {
    std::string id; // a word for programs
    std::string text;
    std::string mend;

    bool operator==(const Finding&) const = default;
};

std::vector<Finding> diagnose(const Facts& facts);

} // namespace mcp
