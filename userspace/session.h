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

// mptcpproxyctl session: what the MCP is doing for whom.
extern const Object session_object;

// A session as the kernel describes it. What the kernel left out is empty.
struct Session {
    uint64_t id = 0;
    std::optional<Endpoint> client = {};
    std::optional<Endpoint> mcp = {};      // the MCP's end of the upstream connection
    std::optional<Endpoint> server = {};   // not known before a late request is there
    std::optional<Endpoint> external = {}; // the MCP's end of the downstream connection
    std::optional<uint8_t> state = {};     // enum mcp_state
    std::optional<uint8_t> codec = {};     // enum mcp_codec
    std::optional<uint8_t> upstream = {};  // enum mcp_upstream_kind
    std::optional<uint8_t> subflows = {};
    std::optional<uint8_t> downstream = {}; // enum mcp_upstream_kind, of the server's side
    std::optional<uint64_t> age_ms = {};
    std::optional<uint64_t> bytes_up = {};
    std::optional<uint64_t> bytes_down = {};
    std::optional<uint8_t> ingress = {}; // enum mcp_ingress
    std::optional<Endpoint> peer = {};   // the MCP that has dialled
    std::optional<uint8_t> end = {};     // enum mcp_end
};

// Reads a nest of enum mcp_endpoint_attr; nothing if there is no nest. A port
// that is not there is 0.
Result<std::optional<Endpoint>> decode_endpoint(const nlattr* nest);

// Reads a nest MCP_A_SESSION, or the message that holds one.
Result<Session> decode_session(const nlattr* nest);
Result<Session> decode_session(const nlmsghdr* header);

// Which sessions 'session show' lists.
struct SessionFilter {
    std::optional<Prefix> client;
    std::optional<Prefix> server;
    std::optional<uint8_t> state;

    bool passes(const Session& session) const;
};

// Reads "[client PREFIX] [server PREFIX] [state STATE]" to the end of the words.
Result<SessionFilter> parse_filter(Words& words);

std::string format_session(const Session& session);
Json session_json(const Session& session);

// Words for the values of enum mcp_state, mcp_codec, mcp_upstream_kind and
// mcp_end; "unknown(N)" for one that is newer than this program.
std::string state_name(uint8_t state);
std::string codec_name(uint8_t codec);
std::string upstream_name(uint8_t upstream);
std::string ingress_name(uint8_t ingress);
std::string end_name(uint8_t end);

} // namespace mcp
