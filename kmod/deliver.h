/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets for the host's sockets whose address the host does not have.
 */
#ifndef MCP_DELIVER_H
#define MCP_DELIVER_H

#include <linux/types.h>

struct mcp_endpoint;
struct net;
struct sk_buff;

unsigned int mcp_address_type(struct net *net, const struct mcp_endpoint *ep);
unsigned int mcp_route_type(struct net *net, const struct mcp_endpoint *ep);
bool mcp_deliver(struct sk_buff *skb, u16 family);
bool mcp_deliver_out(struct net *net, struct sk_buff *skb, u16 family);
bool mcp_deliver_back(struct net *net, struct sk_buff *skb, u16 family);

#endif /* MCP_DELIVER_H */
