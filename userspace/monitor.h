// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "cli.h"
#include "session.h"

#include <cstdint>
#include <string>

namespace mcp {

// mptcpproxyctl monitor: session events as they happen.
extern const Object monitor_object;

struct Event {
    uint8_t kind = 0; // enum mcp_event
    Session session;
};

Result<Event> decode_event(const nlmsghdr* header);

// "new", "bound", "end".
std::string event_name(uint8_t kind);

// time_ms: milliseconds since 1970.
std::string format_event(const Event& event, int64_t time_ms);
Json event_json(const Event& event, int64_t time_ms);

} // namespace mcp
