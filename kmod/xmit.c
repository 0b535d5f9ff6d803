// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/route.h>
#include <net/tcp.h>

#include "xmit.h"

static struct dst_entry *mcp_xmit_route4(struct net *net,
					 struct mcp_segment *seg)
{
	struct flowi4 fl4;
	struct rtable *rt;

	/* Any source: an address of the pool need not be the host's. */
	flowi4_init_output(&fl4, 0, seg->mark, seg->tos & ~INET_ECN_MASK,
			   RT_SCOPE_UNIVERSE, IPPROTO_TCP, FLOWI_FLAG_ANYSRC,
			   seg->dst.addr.ip, seg->src.addr.ip, seg->dst.port,
			   seg->src.port, GLOBAL_ROOT_UID);
	rt = ip_route_output_flow(net, &fl4, NULL);
	if (IS_ERR(rt))
		return ERR_CAST(rt);
	if (rt->rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) {
		ip_rt_put(rt);
		return ERR_PTR(-ENETUNREACH);
	}
	seg->src.addr.ip = fl4.saddr;
	return &rt->dst;
}

static struct dst_entry *mcp_xmit_route6(struct net *net,
					 struct mcp_segment *seg)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct flowi6 fl6 = {
		.flowi6_proto = IPPROTO_TCP,
		.flowi6_mark = seg->mark,
		.flowi6_flags = FLOWI_FLAG_ANYSRC,
		.flowi6_uid = GLOBAL_ROOT_UID,
		.flowlabel = ip6_make_flowinfo(seg->tos & ~INET_ECN_MASK, 0),
		.fl6_sport = seg->src.port,
		.fl6_dport = seg->dst.port,
	};
	struct dst_entry *dst;

	memcpy(&fl6.daddr, seg->dst.addr.ip6, sizeof(fl6.daddr));
	memcpy(&fl6.saddr, seg->src.addr.ip6, sizeof(fl6.saddr));
	dst = ip6_dst_lookup_flow(net, NULL, &fl6, NULL);
	if (!IS_ERR(dst))
		memcpy(seg->src.addr.ip6, &fl6.saddr, sizeof(fl6.saddr));
	return dst;
#else
	return ERR_PTR(-EAFNOSUPPORT);
#endif
}

/**
 * mcp_xmit_route() - the way a segment goes
 * @net: the namespace
 * @seg: the segment; if its source has no address, it gets that of the host on
 *	 this way
 *
 * Context: any but hard interrupt.
 * Return: the route, with a reference, or an error pointer.
 */
struct dst_entry *mcp_xmit_route(struct net *net, struct mcp_segment *seg)
{
	return seg->dst.family == AF_INET ? mcp_xmit_route4(net, seg) :
		mcp_xmit_route6(net, seg);
}

static void mcp_xmit_header4(struct net *net, struct sk_buff *skb,
			     const struct mcp_segment *seg)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	memset(iph, 0, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = seg->tos & ~INET_ECN_MASK;
	iph->frag_off = htons(IP_DF);
	iph->ttl = ip4_dst_hoplimit(skb_dst(skb));
	iph->protocol = IPPROTO_TCP;
	iph->saddr = seg->src.addr.ip;
	iph->daddr = seg->dst.addr.ip;
	skb->protocol = htons(ETH_P_IP);
}

static void mcp_xmit_header6(struct net *net, struct sk_buff *skb,
			     const struct mcp_segment *seg)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, seg->tos & ~INET_ECN_MASK, 0);
	ip6h->payload_len = 0;		/* ip6_local_out() knows */
	ip6h->nexthdr = IPPROTO_TCP;
	ip6h->hop_limit = ip6_dst_hoplimit(skb_dst(skb));
	memcpy(&ip6h->saddr, seg->src.addr.ip6, sizeof(ip6h->saddr));
	memcpy(&ip6h->daddr, seg->dst.addr.ip6, sizeof(ip6h->daddr));
	skb->protocol = htons(ETH_P_IPV6);
#endif
}

static __sum16 mcp_xmit_sum(const struct mcp_segment *seg, unsigned int len,
			    __wsum sum)
{
	if (seg->dst.family == AF_INET)
		return csum_tcpudp_magic(seg->src.addr.ip, seg->dst.addr.ip,
					 len, IPPROTO_TCP, sum);
	return csum_ipv6_magic((const struct in6_addr *)&seg->src.addr,
			       (const struct in6_addr *)&seg->dst.addr,
			       len, IPPROTO_TCP, sum);
}

/**
 * mcp_xmit() - send a segment
 * @net: the namespace
 * @seg: the segment, complete
 * @dst: its route; its reference is taken over
 *
 * It takes the way of a packet that a socket of the host sends, through the
 * OUTPUT chain and connection tracking.
 *
 * Context: any but hard interrupt.
 * Return: 0 or a negative error; -EPERM if the OUTPUT chain dropped it.
 */
int mcp_xmit(struct net *net, const struct mcp_segment *seg,
	     struct dst_entry *dst)
{
	unsigned int head = sizeof(struct tcphdr) + seg->options_len;
	unsigned int len = head + seg->payload_len;
	struct tcphdr *th;
	struct sk_buff *skb;
	int err;

	skb = alloc_skb(MAX_TCP_HEADER + len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb) {
		dst_release(dst);
		return -ENOMEM;
	}
	skb_reserve(skb, MAX_TCP_HEADER);
	skb_dst_set(skb, dst);
	th = skb_put_zero(skb, len);
	th->source = seg->src.port;
	th->dest = seg->dst.port;
	th->seq = htonl(seg->seq);
	th->doff = head / 4;
	th->syn = !!(seg->flags & MCP_SEG_SYN);
	th->rst = !!(seg->flags & MCP_SEG_RST);
	th->ack = !!(seg->flags & MCP_SEG_ACK);
	if (th->ack)
		th->ack_seq = htonl(seg->ack);
	th->window = htons(seg->window);
	memcpy(th + 1, seg->options, seg->options_len);
	memcpy((u8 *)th + head, seg->payload, seg->payload_len);
	th->check = mcp_xmit_sum(seg, len, csum_partial(th, len, 0));
	skb_reset_transport_header(skb);
	skb->ip_summed = CHECKSUM_NONE;

	/* As from softirq: who sends from there must not be interrupted here. */
	local_bh_disable();
	if (seg->dst.family == AF_INET) {
		mcp_xmit_header4(net, skb, seg);
		err = ip_local_out(net, NULL, skb);
	} else {
		mcp_xmit_header6(net, skb, seg);
		err = ip6_local_out(net, NULL, skb);
	}
	local_bh_enable();
	return net_xmit_eval(err);
}
