/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Steering: connections that are MPTCP already are led to a peer that is asked by
 * MP_CONVERT. Nothing of them ends here: the request is put into the SYN, and packets
 * are translated, as if the peer were the server.
 */
#ifndef MCP_STEER_H
#define MCP_STEER_H

#include <linux/types.h>

struct mcp_endpoint;
struct mcp_net;
struct mcp_pair;
struct mcp_session;
struct sk_buff;

bool mcp_steer_wants(struct mcp_net *mnet, const char *peer,
		     const struct mcp_endpoint *server);
bool mcp_steered(const struct mcp_session *s);
int mcp_steer_dial(struct mcp_session *s, const struct mcp_endpoint *peer);
bool mcp_steer_source(struct mcp_session *s, const struct mcp_endpoint *client,
		      int ifindex, struct mcp_endpoint *addr);

void mcp_steer_admit(struct mcp_session *s);
bool mcp_steer_syn(struct mcp_session *s, struct sk_buff *skb,
		   unsigned int thoff);
bool mcp_steer_synack(struct mcp_session *s, struct sk_buff *skb,
		      unsigned int thoff, unsigned int payload_len);

#endif /* MCP_STEER_H */
