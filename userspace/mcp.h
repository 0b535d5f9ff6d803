// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "cli.h"
#include "settings.h"

#include <string>

namespace mcp {

// mptcpproxyctl mcp: start, change, show and stop the MCP.
extern const Object mcp_object;

// The reply to MCP_CMD_SHOW.
struct McpState {
    bool up = false;
    std::string module_version = {};
    SettingValues settings = {};
};

Result<McpState> decode_mcp(const nlmsghdr* header);

} // namespace mcp
