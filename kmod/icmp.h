/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors: what they tell, and of which connection.
 */
#ifndef MCP_ICMP_H
#define MCP_ICMP_H

#include <linux/types.h>

#include "endpoint.h"

struct sk_buff;

enum mcp_icmp_kind {
	MCP_ICMP_NONE,			/* no error */
	MCP_ICMP_SIZE,			/* the packet was too large */
	MCP_ICMP_SOFT,
	MCP_ICMP_HARD,
};

bool mcp_icmp_subject(const struct sk_buff *skb, unsigned int off, u16 family,
		      struct mcp_endpoint *src, struct mcp_endpoint *dst,
		      u32 *seq);
enum mcp_icmp_kind mcp_icmp_kind(u16 family, u8 type, u8 code);

#endif /* MCP_ICMP_H */
