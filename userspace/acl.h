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

// mptcpproxyctl acl: which clients are served.
extern const Object acl_object;

// Clients of a network, through any interface or a certain one.
struct AclEntry {
    Prefix prefix;
    std::optional<std::string> interface = {};
    std::optional<Prefix> origin = {};   // whom they may name as originator
    std::optional<std::string> via = {}; // name of the peers that dial for them
    std::optional<uint64_t> hits = {};   // SYNs it let in; only from the kernel

    bool operator==(const AclEntry&) const = default;
};

// Reads "PREFIX [dev IFACE] [origin PREFIX] [via PEER]" (whole) or "PREFIX [dev IFACE]" to
// the end of the words: two entries for "all".
Result<std::vector<AclEntry>> parse_acl(Words& words, bool whole);

// Puts and reads the nest MCP_A_ACL.
void put_acl(Message& message, const AclEntry& entry);
Result<AclEntry> decode_acl(const nlmsghdr* header);

std::string format_acl(const AclEntry& entry);
Json acl_json(const AclEntry& entry);

Result<std::vector<AclEntry>> list_acl(Module& module);

} // namespace mcp
