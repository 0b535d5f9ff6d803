/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control plane: include/uapi/linux/mptcpproxy.h says what is spoken there.
 */
#ifndef MCP_NETLINK_H
#define MCP_NETLINK_H

#include <linux/mptcpproxy.h>

struct mcp_session;

int mcp_netlink_init(void);
void mcp_netlink_exit(void);
void mcp_netlink_notify(struct mcp_session *s, enum mcp_event event,
			enum mcp_end why);

#endif /* MCP_NETLINK_H */
