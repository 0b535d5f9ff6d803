// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "address.h"
#include "cli.h"
#include "message.h"
#include "module.h"
#include "pool.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mcp {

// mptcpproxyctl intercept: connections taken off the path.
extern const Object intercept_object;

// A rule: which connections, and who dials their server.
struct Rule {
    std::optional<uint32_t> index = {}; // from 1 on; only from the kernel, and to delete
    uint8_t action = 0;                 // enum mcp_intercept_action
    std::optional<std::string> peer = {};
    std::optional<std::string> interface = {};
    bool local = false; // the host's own connections
    std::optional<Prefix> from = {};
    std::optional<Prefix> to = {};
    std::optional<PortRange> ports = {};
    std::optional<uint64_t> hits = {};   // only from the kernel, like the next
    std::optional<uint64_t> passed = {}; // connections that went on untouched

    bool operator==(const Rule&) const = default;
};

// Reads "[dev IFACE|local] [from PREFIX] [to PREFIX] [dport A-B] via PEER|direct" or
// "... pass" to the end of the words.
Result<Rule> parse_rule(Words& words);

// Puts and reads the nest MCP_A_INTERCEPT.
void put_rule(Message& message, const Rule& rule);
Result<Rule> decode_rule(const nlmsghdr* header);

std::string format_rule(const Rule& rule);
Json rule_json(const Rule& rule);

Result<std::vector<Rule>> list_rules(Module& module);

} // namespace mcp
