// SPDX-License-Identifier: GPL-2.0-only
#pragma once

namespace mcp {

// Of this program, from the file VERSION.
inline constexpr const char* version = MCP_TOOL_VERSION;

} // namespace mcp
