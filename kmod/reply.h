/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Refusals that go out as a packet of their own.
 */
#ifndef MCP_REPLY_H
#define MCP_REPLY_H

#include <linux/types.h>

struct mcp_endpoint;
struct mcp_net;
struct sk_buff;

void mcp_reply_reset(struct mcp_net *mnet, struct sk_buff *syn,
		     const struct mcp_endpoint *client);

void mcp_reply_unreachable(struct mcp_net *mnet, struct sk_buff *syn,
			   const struct mcp_endpoint *client, u8 code);

#endif /* MCP_REPLY_H */
