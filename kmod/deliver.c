// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/addrconf.h>
#include <net/dsfield.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "deliver.h"
#include "endpoint.h"
#include "xmit.h"

/**
 * mcp_address_type() - whose is an address?
 * @net: the namespace
 * @ep: the address
 *
 * Context: any but hard interrupt.
 * Return: what the routes of IPv4 say of it; of IPv6, whether it is the host's:
 * RTN_LOCAL or RTN_UNICAST.
 */
unsigned int mcp_address_type(struct net *net, const struct mcp_endpoint *ep)
{
	struct in6_addr in6;

	if (ep->family == AF_INET)
		return inet_addr_type(net, ep->addr.ip);
	memcpy(&in6, ep->addr.ip6, sizeof(in6));
	return ipv6_chk_addr(net, &in6, NULL, 0) ? RTN_LOCAL : RTN_UNICAST;
}

/**
 * mcp_route_type() - for whom is what is sent there?
 * @net: the namespace
 * @ep: the address
 *
 * The host can have a route of type local without an address. With IPv4 that is as
 * good as one; with IPv6 no socket can be bound to it, so mcp_address_type() does not
 * count it.
 *
 * Context: any but hard interrupt.
 * Return: as mcp_address_type().
 */
unsigned int mcp_route_type(struct net *net, const struct mcp_endpoint *ep)
{
	unsigned int type = mcp_address_type(net, ep);
#if IS_ENABLED(CONFIG_IPV6)
	struct in6_addr in6;
	struct rt6_info *rt;

	if (ep->family == AF_INET || type == RTN_LOCAL)
		return type;
	memcpy(&in6, ep->addr.ip6, sizeof(in6));
	rt = rt6_lookup(net, &in6, NULL, 0, NULL, 0);
	if (rt && rt->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST))
		type = RTN_LOCAL;
	if (rt)
		ip6_rt_put(rt);
#endif
	return type;
}

static bool mcp_deliver4(struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	__be32 own = inet_select_addr(skb->dev, 0, RT_SCOPE_UNIVERSE);

	return own && !ip_route_input_noref(skb, own, iph->saddr, iph->tos,
					    skb->dev);
}

static bool mcp_deliver6(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_IPV6)
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	struct net *net = dev_net(skb->dev);
	struct flowi6 fl6 = {
		.flowi6_iif = skb->dev->ifindex,
		.flowi6_proto = ip6h->nexthdr,
		.saddr = ip6h->saddr,
	};
	struct dst_entry *dst;

	if (ipv6_dev_get_saddr(net, skb->dev, &ip6h->saddr, 0, &fl6.daddr))
		return false;
	dst = ip6_route_input_lookup(net, skb->dev, &fl6, skb, 0);
	if (dst->error) {
		dst_release(dst);
		return false;
	}
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	return true;
#else
	return false;
#endif
}

/**
 * mcp_deliver() - let a packet be one for the host
 * @skb: the packet, at PRE_ROUTING
 * @family: AF_INET or AF_INET6
 *
 * It gets the route of an address that the host does have, as if it had come for
 * that; its header stays as it is, and by that its socket is found.
 *
 * Context: softirq, under rcu_read_lock().
 * Return: false if the host has no address it could borrow.
 */
bool mcp_deliver(struct sk_buff *skb, u16 family)
{
	return family == AF_INET ? mcp_deliver4(skb) : mcp_deliver6(skb);
}

/**
 * mcp_deliver_back() - let a packet on its way out come back
 * @net: the namespace
 * @skb: the packet, at LOCAL_OUT, to an address of the pool
 * @family: AF_INET or AF_INET6
 *
 * Hairpinning (RFC 5382 REQ-8): whom it is for is known here alone.
 *
 * Context: under rcu_read_lock().
 * Return: false if there is no way: it goes the way that it was to go.
 */
bool mcp_deliver_back(struct net *net, struct sk_buff *skb, u16 family)
{
	struct dst_entry *dst = NULL;

	if (family == AF_INET) {
		struct flowi4 fl4 = {
			.flowi4_flags = FLOWI_FLAG_ANYSRC,
			.saddr = ip_hdr(skb)->saddr,
			.daddr = htonl(INADDR_LOOPBACK),
		};
		struct rtable *rt = ip_route_output_key(net, &fl4);

		if (!IS_ERR(rt))
			dst = &rt->dst;
	} else {
#if IS_ENABLED(CONFIG_IPV6)
		struct flowi6 fl6 = {
			.flowi6_flags = FLOWI_FLAG_ANYSRC,
			.saddr = ipv6_hdr(skb)->saddr,
			.daddr = in6addr_loopback,
		};

		dst = ip6_route_output(net, NULL, &fl6);
		if (dst->error) {
			dst_release(dst);
			dst = NULL;
		}
#endif
	}
	if (!dst)
		return false;
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	return true;
}

/**
 * mcp_deliver_out() - send a packet of the host's that has come back to it
 * @net: the namespace
 * @skb: the packet; taken over, if it goes. It has been through the OUTPUT chain
 * @family: AF_INET or AF_INET6
 *
 * Context: BH off, under rcu_read_lock().
 * Return: false if there is no way, or that leads to the host itself.
 */
bool mcp_deliver_out(struct net *net, struct sk_buff *skb, u16 family)
{
	struct mcp_segment seg = {
		.src.family = family, .dst.family = family, .mark = skb->mark,
	};
	struct dst_entry *dst;

	if (family == AF_INET) {
		seg.src.addr.ip = ip_hdr(skb)->saddr;
		seg.dst.addr.ip = ip_hdr(skb)->daddr;
		seg.tos = ip_hdr(skb)->tos;
	} else {
		memcpy(seg.src.addr.ip6, &ipv6_hdr(skb)->saddr, 16);
		memcpy(seg.dst.addr.ip6, &ipv6_hdr(skb)->daddr, 16);
		seg.tos = ipv6_get_dsfield(ipv6_hdr(skb));
	}
	dst = mcp_xmit_route(net, &seg);
	if (IS_ERR(dst))
		return false;
	if (dst->dev->flags & IFF_LOOPBACK) {
		dst_release(dst);
		return false;
	}
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	skb->dev = dst->dev;
	dst_output(net, NULL, skb);
	return true;
}
