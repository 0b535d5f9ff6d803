// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "cli.h"
#include "port_mapping.h"
#include "session.h"

#include <cstdint>
#include <string>
#include <variant>

namespace mcp {

// mptcpproxyctl monitor: events as they happen.
extern const Object monitor_object;

struct Event {
    uint8_t kind = 0;    // enum mcp_event
    int64_t time_ms = 0; // since 1970, by the kernel's clock
    std::variant<Session, PortMapping> about;
};

// Of a session or of a mapping.
Result<Event> decode_event(const nlmsghdr* header);

// "new", "bound", "end".
std::string event_name(uint8_t kind);

std::string format_event(const Event& event);
Json event_json(const Event& event);

} // namespace mcp
