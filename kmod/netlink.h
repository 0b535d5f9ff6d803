/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control plane: include/uapi/linux/mptcpproxy.h says what is spoken there.
 */
#ifndef MCP_NETLINK_H
#define MCP_NETLINK_H

#include <linux/mptcpproxy.h>

struct genl_family;
struct mcp_endpoint;
struct mcp_session;
struct sk_buff;

extern struct genl_family mcp_genl_family;

int mcp_netlink_init(void);
void mcp_netlink_exit(void);

int mcp_put_endpoint(struct sk_buff *skb, int attr, const struct mcp_endpoint *ep);
int mcp_put_session(struct sk_buff *skb, struct mcp_session *s, enum mcp_end why);

#endif /* MCP_NETLINK_H */
