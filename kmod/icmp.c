// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/icmp.h>
#include <net/ipv6.h>

#include "icmp.h"

/**
 * mcp_icmp_subject() - the TCP packet that an ICMP error is about
 * @skb: the ICMP packet
 * @off: offset of that packet in it
 * @family: AF_INET or AF_INET6
 * @src: its source
 * @dst: its destination
 * @seq: its sequence number
 *
 * Context: any.
 * Return: false if it is none, or cannot be told.
 */
bool mcp_icmp_subject(const struct sk_buff *skb, unsigned int off, u16 family,
		      struct mcp_endpoint *src, struct mcp_endpoint *dst,
		      u32 *seq)
{
	struct tcphdr_head { __be16 source, dest; __be32 seq; } _th, *th;

	memset(src, 0, sizeof(*src));
	memset(dst, 0, sizeof(*dst));
	src->family = family;
	dst->family = family;
	if (family == AF_INET) {
		struct iphdr _iph, *iph;

		iph = skb_header_pointer(skb, off, sizeof(_iph), &_iph);
		if (!iph || iph->version != 4 || iph->ihl < 5 ||
		    iph->protocol != IPPROTO_TCP ||
		    iph->frag_off & htons(IP_OFFSET))
			return false;
		src->addr.ip = iph->saddr;
		dst->addr.ip = iph->daddr;
		off += iph->ihl * 4;
	} else {
		struct ipv6hdr _ip6h, *ip6h;

		/* Our SYNs have no extension headers. */
		ip6h = skb_header_pointer(skb, off, sizeof(_ip6h), &_ip6h);
		if (!ip6h || ip6h->version != 6 || ip6h->nexthdr != IPPROTO_TCP)
			return false;
		memcpy(src->addr.ip6, &ip6h->saddr, sizeof(src->addr.ip6));
		memcpy(dst->addr.ip6, &ip6h->daddr, sizeof(dst->addr.ip6));
		off += sizeof(*ip6h);
	}
	th = skb_header_pointer(skb, off, sizeof(_th), &_th);
	if (!th)
		return false;
	src->port = th->source;
	dst->port = th->dest;
	*seq = ntohl(th->seq);
	return true;
}

/* The kernel's tables have what is not here. */
static enum mcp_icmp_kind mcp_icmp_kind4(u8 type, u8 code)
{
	if (type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB)
		return MCP_ICMP_SOFT;
	if (type != ICMP_DEST_UNREACH || code > NR_ICMP_UNREACH)
		return MCP_ICMP_NONE;
	if (code == ICMP_FRAG_NEEDED)
		return MCP_ICMP_SIZE;
	return icmp_err_convert[code].fatal ? MCP_ICMP_HARD : MCP_ICMP_SOFT;
}

static enum mcp_icmp_kind mcp_icmp_kind6(u8 type, u8 code)
{
	int err;

	switch (type) {
	case ICMPV6_TIME_EXCEED:
	case ICMPV6_PARAMPROB:
		return MCP_ICMP_SOFT;
	case ICMPV6_PKT_TOOBIG:
		return MCP_ICMP_SIZE;
#if IS_ENABLED(CONFIG_IPV6)
	case ICMPV6_DEST_UNREACH:
		return icmpv6_err_convert(type, code, &err) ? MCP_ICMP_HARD :
			MCP_ICMP_SOFT;
#endif
	}
	return MCP_ICMP_NONE;
}

/**
 * mcp_icmp_kind() - what an ICMP packet tells
 * @family: AF_INET or AF_INET6
 * @type: its type
 * @code: its code
 *
 * RFC 1122 section 4.2.3.9 and RFC 5461.
 *
 * Context: any.
 */
enum mcp_icmp_kind mcp_icmp_kind(u16 family, u8 type, u8 code)
{
	return family == AF_INET ? mcp_icmp_kind4(type, code) :
		mcp_icmp_kind6(type, code);
}
