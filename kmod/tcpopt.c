// SPDX-License-Identifier: GPL-2.0
/*
 * TCP options of a SYN or SYN/ACK. An option whose length is not what its RFC
 * says is passed over, as the kernel's own parser does.
 */
#include "tcpopt.h"

/* RFC 8684 section 3: subtypes in a SYN or SYN/ACK and their lengths. */
#define SUBTYPE_MP_CAPABLE	0
#define SUBTYPE_MP_JOIN		1
#define MP_CAPABLE_SYN		4
#define MP_CAPABLE_SYNACK	12
#define MP_JOIN_SYN		12
#define MP_JOIN_SYNACK		16
#define MP_PREFER_PROXY		4
#define MPTCP_VERSION		1

#define WSCALE_MAX		14	/* RFC 7323 section 2.3 */

static void parse_mptcp(const __u8 *option, __u8 len, struct mcp_tcpopt *opt)
{
	bool first = !opt->mptcp;

	opt->mptcp = true;
	if (len < 4)
		return;

	switch (option[2] >> 4) {
	case SUBTYPE_MP_CAPABLE:
		if ((option[2] & 0xf) != MPTCP_VERSION)
			return;
		if (len != MP_CAPABLE_SYN && len != MP_CAPABLE_SYNACK)
			return;
		opt->mp_capable = true;
		opt->mp_flags = option[3];
		opt->has_key = len == MP_CAPABLE_SYNACK;
		opt->key = 0;
		if (opt->has_key)
			memcpy(&opt->key, option + 4, sizeof(opt->key));
		return;
	case SUBTYPE_MP_JOIN:
		if (len != MP_JOIN_SYN && len != MP_JOIN_SYNACK)
			return;
		opt->mp_join = true;
		if (len != MP_JOIN_SYN)
			return;
		memcpy(&opt->token, option + 4, sizeof(opt->token));
		opt->join_syn = first;
		return;
	case MCP_SUBTYPE_PREFER_PROXY:
		opt->mp_prefer_proxy |= len == MP_PREFER_PROXY;
		return;
	}
}

static void parse_option(const __u8 *option, __u8 len, struct mcp_tcpopt *opt)
{
	switch (option[0]) {
	case MCP_TCPOPT_MSS:
		if (len == 4)
			opt->mss = get_unaligned_be16(option + 2);
		return;
	case MCP_TCPOPT_WSCALE:
		if (len != 3)
			return;
		opt->has_wscale = true;
		opt->wscale = option[2] < WSCALE_MAX ? option[2] : WSCALE_MAX;
		return;
	case MCP_TCPOPT_SACK_PERM:
		opt->sack_perm |= len == 2;
		return;
	case MCP_TCPOPT_TIMESTAMP:
		if (len != 10)
			return;
		opt->has_ts = true;
		opt->tsval = get_unaligned_be32(option + 2);
		opt->tsecr = get_unaligned_be32(option + 6);
		return;
	case MCP_TCPOPT_MPTCP:
		parse_mptcp(option, len, opt);
		return;
	case MCP_TCPOPT_TFO:
		opt->has_tfo = true;
		return;
	}
}

/**
 * mcp_tcpopt_parse - read the options of a SYN or SYN/ACK
 * @options:	the options, right behind the fixed TCP header
 * @len:	how many octets, by the data offset; at most MCP_TCPOPT_MAX in a
 *		TCP header, any number is safe
 * @opt:	what they say; always filled in
 *
 * Of an option that appears twice the last one counts. MP_CAPABLE counts only in
 * version 1 and without or with one key (RFC 8684 section 3.1), MP_JOIN only in
 * the two forms of section 3.2 that carry SYN. MP_PREFER_PROXY without
 * MP_CAPABLE is ignored (plain mode section 4.2).
 *
 * Context: any; does not allocate.
 */
void mcp_tcpopt_parse(const __u8 *options, size_t len, struct mcp_tcpopt *opt)
{
	size_t off = 0;

	memset(opt, 0, sizeof(*opt));

	while (off < len && options[off] != MCP_TCPOPT_EOL) {
		if (options[off] == MCP_TCPOPT_NOP) {
			off++;
			continue;
		}
		if (len - off < 2 || options[off + 1] < 2 ||
		    options[off + 1] > len - off) {
			opt->malformed = true;
			break;
		}
		parse_option(options + off, options[off + 1], opt);
		off += options[off + 1];
	}

	if (!opt->mp_capable)
		opt->mp_prefer_proxy = false;
}

/**
 * mcp_tcpopt_put_mp_capable - write the MP_CAPABLE of a SYN
 * @option:	where to; 4 octets
 * @flags:	its flags, see &struct mcp_tcpopt.mp_flags
 *
 * Version 1, without a key (RFC 8684 section 3.1).
 *
 * Context: any.
 * Return: its length.
 */
__u8 mcp_tcpopt_put_mp_capable(__u8 *option, __u8 flags)
{
	option[0] = MCP_TCPOPT_MPTCP;
	option[1] = MP_CAPABLE_SYN;
	option[2] = SUBTYPE_MP_CAPABLE << 4 | MPTCP_VERSION;
	option[3] = flags;
	return MP_CAPABLE_SYN;
}

/**
 * mcp_tcpopt_mp_capable - where MP_CAPABLE is
 * @options:	the options of a SYN or SYN/ACK, right behind the fixed TCP header
 * @len:	how many octets
 *
 * Context: any; does not allocate.
 * Return: the option, of 4 octets at least; NULL if it is not there.
 */
__u8 *mcp_tcpopt_mp_capable(__u8 *options, size_t len)
{
	size_t off = 0;

	while (off < len && options[off] != MCP_TCPOPT_EOL) {
		__u8 *option = options + off;

		if (option[0] == MCP_TCPOPT_NOP) {
			off++;
			continue;
		}
		if (len - off < 2 || option[1] < 2 || option[1] > len - off)
			return NULL;
		if (option[0] == MCP_TCPOPT_MPTCP && option[1] >= MP_CAPABLE_SYN &&
		    option[2] >> 4 == SUBTYPE_MP_CAPABLE)
			return option;
		off += option[1];
	}
	return NULL;
}
