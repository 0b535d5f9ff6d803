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

// mptcpproxyctl peer: other MCPs that dial for this one.
extern const Object peer_object;

// Another MCP. What is optional and below "only from the kernel" is not sent.
struct Peer {
    std::string name;
    std::optional<Address> address = {};
    std::optional<uint16_t> port = {};
    std::optional<uint8_t> codec = {}; // enum mcp_codec
    std::optional<uint32_t> prio = {};
    std::vector<uint8_t> cookie = {};
    bool origin = false;

    // only from the kernel
    std::optional<uint8_t> state = {};    // enum mcp_peer_state
    std::optional<uint32_t> left_ms = {}; // how long it stays in that state
    std::optional<uint64_t> dials = {};
    std::optional<uint64_t> accepted = {};
    std::optional<uint64_t> refused = {};
    std::optional<uint64_t> failed = {};
    std::optional<uint64_t> late = {};

    bool operator==(const Peer&) const = default;
};

// A name of peers, as 'via' and 'peer' take it.
Result<std::string> parse_peer_name(const std::string& text);

// Reads "NAME ADDRESS [port N] [codec C] [prio N] [cookie HEX] [origin]" (whole) or
// "NAME [ADDRESS [port N]]" to the end of the words.
Result<Peer> parse_peer(Words& words, bool whole);

// Puts and reads the nest MCP_A_PEER.
void put_peer(Message& message, const Peer& peer);
Result<Peer> decode_peer(const nlmsghdr* header);

std::string format_peer(const Peer& peer);
Json peer_json(const Peer& peer);

Result<std::vector<Peer>> list_peers(Module& module);

// "up", "down", ...
std::string peer_state_name(uint8_t state);

} // namespace mcp
