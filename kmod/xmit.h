/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP segments of ours that no socket sends: built, routed, sent.
 */
#ifndef MCP_XMIT_H
#define MCP_XMIT_H

#include <linux/types.h>

#include "endpoint.h"

struct dst_entry;
struct net;

/**
 * struct mcp_segment - a segment without payload, or nearly
 * @src:	its source
 * @dst:	its destination, of the same family
 * @seq:	sequence number
 * @ack:	acknowledgment number, if @flags has ACK
 * @flags:	MCP_SEG_...
 * @window:	as it is in the header
 * @tos:	TOS or traffic class
 * @options_len: octets of @options, a multiple of 4
 * @options:	TCP options
 * @payload_len: octets of @payload
 * @payload:	of a SYN/ACK: the echo
 */
struct mcp_segment {
	struct mcp_endpoint src;
	struct mcp_endpoint dst;
	u32 seq;
	u32 ack;
	u32 mark;
	u8 flags;
	u8 tos;
	u16 window;
	u8 options_len;
	u8 options[40];
	u8 payload_len;
	const u8 *payload;
};

enum {
	MCP_SEG_SYN = 0x02,
	MCP_SEG_RST = 0x04,
	MCP_SEG_ACK = 0x10,
};

struct dst_entry *mcp_xmit_route(struct net *net, struct mcp_segment *seg);
int mcp_xmit(struct net *net, const struct mcp_segment *seg,
	     struct dst_entry *dst);

#endif /* MCP_XMIT_H */
