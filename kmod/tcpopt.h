/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP options of a SYN or SYN/ACK, MPTCP's included (RFC 8684). Pure: compiles
 * in user space too.
 */
#ifndef MCP_TCPOPT_H
#define MCP_TCPOPT_H

#include "endpoint.h"

#define MCP_TCPOPT_MAX		40	/* octets of options in a TCP header */
/* RFC 9293 section 3.7.1: of a SYN without the option. */
#define MCP_DEFAULT_MSS4	536
#define MCP_DEFAULT_MSS6	1220
/* Subtype of MP_PREFER_PROXY: private use in RFC 8684. */
#define MCP_SUBTYPE_PREFER_PROXY 0xF

/* RFC 8684 section 3.1: flag H of MP_CAPABLE, HMAC-SHA256; always set. */
#define MCP_MP_HMAC_SHA256	0x01
/* Flag C: no further subflow to the address and port that the first one went to. */
#define MCP_MP_NOT_HERE		0x20

enum mcp_tcpopt_kind {
	MCP_TCPOPT_EOL = 0,
	MCP_TCPOPT_NOP = 1,
	MCP_TCPOPT_MSS = 2,
	MCP_TCPOPT_WSCALE = 3,
	MCP_TCPOPT_SACK_PERM = 4,
	MCP_TCPOPT_SACK = 5,
	MCP_TCPOPT_TIMESTAMP = 8,
	MCP_TCPOPT_AO = 29,
	MCP_TCPOPT_MPTCP = 30,
	MCP_TCPOPT_TFO = 34,
};

/**
 * struct mcp_tcpopt - what a SYN's or SYN/ACK's options say
 * @mss:	Maximum Segment Size, 0 if absent
 * @wscale:	window scale, valid if @has_wscale; at most 14 (RFC 7323)
 * @has_wscale:	the window scale option is there
 * @sack_perm:	SACK is permitted
 * @has_ts:	the timestamps option is there
 * @tsval:	timestamp value, valid if @has_ts
 * @tsecr:	timestamp echo reply, valid if @has_ts
 * @mp_capable:	MP_CAPABLE of version 1 is there
 * @mp_join:	MP_JOIN of a SYN or SYN/ACK is there
 * @mptcp:	an MPTCP option of any subtype is there
 * @join_syn:	the first of these is the MP_JOIN of a SYN: so does the kernel's
 *		parser take it, and nothing else
 * @mp_prefer_proxy: MP_PREFER_PROXY is there, and MP_CAPABLE
 * @mp_flags:	flags octet of MP_CAPABLE (A, B, C, ... H)
 * @has_key:	MP_CAPABLE carries the sender's key
 * @key:	that key, network order
 * @token:	receiver's token of an MP_JOIN SYN, network order; 0 in a SYN/ACK
 * @has_tfo:	a Fast Open option is there (kind 34)
 * @malformed:	a length that runs out of the header or below 2: what came
 *		before it holds
 */
struct mcp_tcpopt {
	__u16 mss;
	__u8 wscale;
	__u8 mp_flags;
	bool has_wscale;
	bool sack_perm;
	bool has_ts;
	bool mp_capable;
	bool mp_join;
	bool mptcp;
	bool join_syn;
	bool mp_prefer_proxy;
	bool has_key;
	bool has_tfo;
	bool malformed;
	__u32 tsval;
	__u32 tsecr;
	__be32 token;
	__be64 key;
};

void mcp_tcpopt_parse(const __u8 *options, size_t len, struct mcp_tcpopt *opt);
__u8 *mcp_tcpopt_mp_capable(__u8 *options, size_t len);
__u8 mcp_tcpopt_put_mp_capable(__u8 *option, __u8 flags);

#endif /* MCP_TCPOPT_H */
