/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control plane: include/uapi/linux/mptcpproxy.h says what is spoken there.
 */
#ifndef MCP_NETLINK_H
#define MCP_NETLINK_H

#include <linux/mptcpproxy.h>
#include <net/netlink.h>

struct genl_family;
struct genl_info;
struct mcp_endpoint;
struct mcp_net;
struct mcp_session;
struct netlink_callback;
struct sk_buff;

extern struct genl_family mcp_genl_family;
extern const struct nla_policy mcp_prefix_policy[MCP_PREFIX_A_MAX + 1];

int mcp_netlink_init(void);
void mcp_netlink_exit(void);

struct mcp_net *mcp_info_net(struct genl_info *info);
int mcp_need_peer(struct mcp_net *mnet, struct genl_info *info, const char *name);
int mcp_get_prefix(struct genl_info *info, struct nlattr *family,
		   struct nlattr *octets, struct nlattr *len,
		   struct mcp_endpoint *addr, u8 *prefixlen);
void *mcp_dump_put(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd);
int mcp_put_prefix(struct sk_buff *skb, int attr, const struct mcp_endpoint *addr,
		   u8 prefixlen);
int mcp_put_endpoint(struct sk_buff *skb, int attr, const struct mcp_endpoint *ep);
int mcp_put_session(struct sk_buff *skb, struct mcp_session *s, enum mcp_end why);

#endif /* MCP_NETLINK_H */
