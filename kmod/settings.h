/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an operator can set, and its defaults. The netlink names and ranges are
 * in netlink.c.
 */
#ifndef MCP_SETTINGS_H
#define MCP_SETTINGS_H

#include <linux/mptcpproxy.h>
#include <linux/types.h>

/**
 * struct mcp_settings - settings of one namespace's MCP
 *
 * Written under mcp_net.lock with WRITE_ONCE, read anywhere with READ_ONCE:
 * each field is complete in itself, none depends on another. Times in
 * milliseconds but for cookie_lifetime (seconds).
 */
struct mcp_settings {
	__be16 port;
	u8 handshake;			/* enum mcp_handshake */
	u8 hold_expiry;			/* enum mcp_hold_expiry */
	u8 echo;
	u8 require_mptcp;
	u8 late_request;
	u8 cookie;			/* enum mcp_cookie_mode */
	u8 refusal;			/* enum mcp_refusal */
	u8 relay_mp_capable;
	u8 mptcp;			/* enum mcp_mptcp_mode */
	u8 server_leg;			/* enum mcp_server_leg */
	u8 source;			/* enum mcp_source */
	u8 filtering;			/* enum mcp_filtering */
	u8 refresh;			/* enum mcp_refresh */
	u8 fallback;			/* enum mcp_fallback */
	u8 implicit;			/* enum mcp_implicit */
	u32 hold_timeout;
	u32 request_timeout;
	u32 syn_timeout;
	u32 peer_timeout;
	u32 peer_retry;
	u32 capability_ttl;
	u32 cookie_lifetime;
	u32 est_idle;
	u32 trans_idle;
	u32 max_sessions;
	u32 max_half_open;
	u32 max_half_open_client;
	u32 max_ports_client;
	u32 max_subflows;
	u32 port_block;
	u32 session_rate;
	u32 session_burst;
	u32 error_rate;
};

extern const struct mcp_settings mcp_settings_default;

#endif /* MCP_SETTINGS_H */
