// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "result.h"

#include <string>

namespace mcp {

// Takes the calling thread into a network namespace: a name that 'ip netns add'
// made, or a path such as /proc/PID/ns/net.
Status enter_netns(const std::string& name);

} // namespace mcp
