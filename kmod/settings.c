// SPDX-License-Identifier: GPL-2.0
#include <linux/mptcpproxy.h>

#include "behave.h"
#include "settings.h"

const struct mcp_settings mcp_settings_default = {
	.port = htons(MCP_DEFAULT_PORT),
	.handshake = MCP_HANDSHAKE_HELD,
	.hold_expiry = MCP_HOLD_EXPIRY_EARLY,
	.echo = 1,
	.require_mptcp = 1,
	.late_request = 1,
	.cookie = MCP_COOKIE_OFF,
	.refusal = MCP_REFUSAL_RESET,
	.relay_mp_capable = 1,
	.mptcp = MCP_MPTCP_MAINTAIN,
	.server_leg = MCP_SERVER_LEG_TCP,
	.source = MCP_SOURCE_SHARE,
	.filtering = MCP_FILTERING_INDEPENDENT,
	.refresh = MCP_REFRESH_ANY,
	.fallback = MCP_FALLBACK_PASS,
	.implicit = MCP_IMPLICIT_MARKED,
	/* A Linux client drops MP_CAPABLE from the SYN it sends at 3 s. */
	.hold_timeout = 2500,
	.request_timeout = 5000,
	.syn_timeout = 30000,
	/* A peer answers when its own hold-timeout is over at the latest. */
	.peer_timeout = 4000,
	.peer_retry = 30000,
	.capability_ttl = 3600000,
	.cookie_lifetime = 3600,
	.est_idle = MCP_ESTABLISHED_IDLE_MS,
	.trans_idle = MCP_TRANSITORY_IDLE_MS,
	.max_sessions = 1 << 20,
	.max_half_open = 16384,
	.max_half_open_client = 1024,
	.max_ports_client = 2048,
	.max_subflows = 8,
	.session_rate = 1000,
	.session_burst = 2000,
	.error_rate = 10,
};
