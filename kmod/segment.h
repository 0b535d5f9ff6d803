/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Octets taken out of a SYN and put into a SYN/ACK. Both ends go on with the
 * same sequence numbers, so nothing after that needs to be changed.
 */
#ifndef MCP_SEGMENT_H
#define MCP_SEGMENT_H

#include <linux/types.h>

struct sk_buff;

int mcp_segment_consume(struct sk_buff *skb, unsigned int thoff, u32 shift);
struct sk_buff *mcp_segment_copy(struct sk_buff *skb, unsigned int thoff,
				 unsigned int payload_len);
int mcp_segment_add_option(struct sk_buff *skb, unsigned int thoff,
			   const u8 *option, unsigned int len);
void mcp_segment_mp_flags(struct sk_buff *skb, unsigned int thoff, u8 flags);
int mcp_segment_insert(struct sk_buff *skb, unsigned int thoff, const u8 *data,
		       unsigned int len);

#endif /* MCP_SEGMENT_H */
