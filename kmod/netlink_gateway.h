/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Peers, rules of interception and static mappings, as netlink requests.
 */
#ifndef MCP_NETLINK_GATEWAY_H
#define MCP_NETLINK_GATEWAY_H

#include <net/genetlink.h>

extern const struct nla_policy mcp_peer_cmd_policy[MCP_A_PEER + 1];
extern const struct nla_policy mcp_intercept_cmd_policy[MCP_A_INTERCEPT + 1];
extern const struct nla_policy mcp_forward_cmd_policy[MCP_A_FORWARD + 1];

int mcp_cmd_peer_add(struct sk_buff *skb, struct genl_info *info);
int mcp_cmd_peer_del(struct sk_buff *skb, struct genl_info *info);
int mcp_cmd_peer_flush(struct sk_buff *skb, struct genl_info *info);
int mcp_dump_peer(struct sk_buff *skb, struct netlink_callback *cb);

int mcp_cmd_intercept_add(struct sk_buff *skb, struct genl_info *info);
int mcp_cmd_intercept_del(struct sk_buff *skb, struct genl_info *info);
int mcp_cmd_intercept_flush(struct sk_buff *skb, struct genl_info *info);
int mcp_dump_intercept(struct sk_buff *skb, struct netlink_callback *cb);

int mcp_cmd_forward_add(struct sk_buff *skb, struct genl_info *info);
int mcp_cmd_forward_del(struct sk_buff *skb, struct genl_info *info);
int mcp_cmd_forward_flush(struct sk_buff *skb, struct genl_info *info);
int mcp_dump_forward(struct sk_buff *skb, struct netlink_callback *cb);

#endif /* MCP_NETLINK_GATEWAY_H */
