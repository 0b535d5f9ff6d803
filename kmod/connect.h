/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dial by a socket: server-leg mptcp, and that of a peer.
 */
#ifndef MCP_CONNECT_H
#define MCP_CONNECT_H

#include "downstream.h"

struct mcp_net;
struct mcp_session;
struct mcp_tuple;
struct sk_buff;

int mcp_connect(struct mcp_session *s);
int mcp_connect_from(struct mcp_session *s, const struct mcp_endpoint *source,
		     const struct mcp_endpoint *to);
enum mcp_outcome mcp_connect_failure(int err);
enum mcp_outcome mcp_connect_outcome(struct mcp_session *s);
bool mcp_connect_syn(struct mcp_net *mnet, struct sk_buff *skb,
		     unsigned int thoff, const struct mcp_tuple *tuple, u32 seq,
		     bool mptcp);

#endif /* MCP_CONNECT_H */
