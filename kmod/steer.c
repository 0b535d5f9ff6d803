// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ip_fib.h>

#include "deliver.h"
#include "nat.h"
#include "peer_dial.h"
#include "segment.h"
#include "session.h"
#include "steer.h"

/**
 * mcp_steer_wants() - can a connection to that server be led to a peer?
 * @mnet: the namespace
 * @peer: name of the peers
 * @server: the server
 *
 * Not one to a peer itself: its client knows what it asks for.
 *
 * Context: any but hard interrupt.
 */
bool mcp_steer_wants(struct mcp_net *mnet, const char *peer,
		     const struct mcp_endpoint *server)
{
	return mcp_peer_usable(mnet, peer, server->family) &&
		!mcp_peer_at(mnet, server);
}

/**
 * mcp_steered() - is this connection led to a peer, and does not end here?
 * @s: the session
 *
 * Context: any.
 */
bool mcp_steered(const struct mcp_session *s)
{
	return s->peer_dial && s->peer_dial->steered;
}

static bool mcp_forward_source4(struct net *net, const struct mcp_endpoint *from,
				const struct mcp_endpoint *to, int ifindex,
				struct mcp_endpoint *addr)
{
	struct flowi4 fl4 = {
		.flowi4_iif = ifindex,
		.flowi4_scope = RT_SCOPE_UNIVERSE,
		.flowi4_proto = IPPROTO_TCP,
		.saddr = from->addr.ip,
		.daddr = to->addr.ip,
	};
	const struct fib_nh_common *nhc;
	struct fib_result res = { };
	__be32 gateway;

	if (fib_lookup(net, &fl4, &res, 0) || res.type != RTN_UNICAST)
		return false;
	nhc = FIB_RES_NHC(res);
	gateway = nhc->nhc_gw_family == AF_INET ? nhc->nhc_gw.ipv4 :
		to->addr.ip;
	addr->addr.ip = inet_select_addr(nhc->nhc_dev, gateway,
					 RT_SCOPE_UNIVERSE);
	return addr->addr.ip;
}

static bool mcp_forward_source6(struct net *net, const struct mcp_endpoint *from,
				const struct mcp_endpoint *to, int ifindex,
				struct mcp_endpoint *addr)
{
	bool found = false;
#if IS_ENABLED(CONFIG_IPV6)
	struct flowi6 fl6 = {
		.flowi6_iif = ifindex,
		.flowi6_proto = IPPROTO_TCP,
	};
	struct net_device *in;
	struct dst_entry *dst;
	struct in6_addr own;

	in = dev_get_by_index_rcu(net, ifindex);
	if (!in)
		return false;
	memcpy(&fl6.saddr, from->addr.ip6, sizeof(fl6.saddr));
	memcpy(&fl6.daddr, to->addr.ip6, sizeof(fl6.daddr));
	dst = ip6_route_input_lookup(net, in, &fl6, NULL,
				     RT6_LOOKUP_F_HAS_SADDR);
	if (!dst->error &&
	    !ipv6_dev_get_saddr(net, dst->dev, &fl6.daddr, 0, &own)) {
		memcpy(addr->addr.ip6, &own, sizeof(own));
		found = true;
	}
	dst_release(dst);
#endif
	return found;
}

/*
 * The address that a masquerading router would give a packet: that of the interface
 * which its routes lead to.
 */
static bool mcp_forward_source(struct net *net, const struct mcp_endpoint *from,
			       const struct mcp_endpoint *to, int ifindex,
			       struct mcp_endpoint *addr)
{
	bool found;

	memset(addr, 0, sizeof(*addr));
	addr->family = to->family;
	rcu_read_lock();
	found = to->family == AF_INET ?
		mcp_forward_source4(net, from, to, ifindex, addr) :
		mcp_forward_source6(net, from, to, ifindex, addr);
	rcu_read_unlock();
	return found;
}

/**
 * mcp_steer_source() - the address that the peer is to see of a subflow
 * @s: the session, whose peer is chosen
 * @client: where the subflow comes from
 * @ifindex: and by which interface
 * @addr: the address, port zero
 *
 * A program of the host has chosen it itself, and with it a path. A host behind it
 * takes the path that the routes give it, as with a masquerading router.
 *
 * Context: the worker.
 * Return: false if there is none.
 */
bool mcp_steer_source(struct mcp_session *s, const struct mcp_endpoint *client,
		      int ifindex, struct mcp_endpoint *addr)
{
	struct mcp_net *mnet = s->mnet;

	if (mcp_address_type(mnet->net, client) == RTN_LOCAL) {
		*addr = *client;
		addr->port = 0;
		return true;
	}
	return mcp_pool_choose(&mnet->pool, s->client, client, client->family,
			       addr) ||
		mcp_forward_source(mnet->net, client,
				   &s->peer_dial->peer->spec.addr, ifindex, addr);
}

/**
 * mcp_steer_dial() - send the client's SYN to a peer, with the request in it
 * @s: the session; the request is put together
 * @peer: where the peer is
 *
 * Context: the worker.
 * Return: 0; -EADDRNOTAVAIL: this host has no port or memory left; or another
 * error: there is no way to the peer.
 */
int mcp_steer_dial(struct mcp_session *s, const struct mcp_endpoint *peer)
{
	struct mcp_downstream *d = &s->down;
	struct mcp_endpoint addr;

	if (!mcp_steer_source(s, &s->key.client, s->ifindex, &addr))
		return -ENETUNREACH;
	d->relay = true;
	d->withdraw = true;
	d->bare = false;
	d->syns = 0;
	d->syn_us = 0;
	d->rtt_us = 0;
	kfree(d->synack);
	d->synack = NULL;
	if (mcp_downstream_open(s, peer, &addr) != MCP_OUTCOME_PENDING)
		return -EADDRNOTAVAIL;
	return mcp_nat_syn(s);
}

/**
 * mcp_steer_admit() - the client's SYN has passed the INPUT chain
 * @s: the session, steered and withdrawn
 *
 * Context: any.
 */
void mcp_steer_admit(struct mcp_session *s)
{
	WRITE_ONCE(s->peer_dial->admitted, true);
}

/**
 * mcp_steer_syn() - the client has repeated its SYN, which was answered
 * @s: the session, steered and withdrawn
 * @skb: the SYN; gets the request
 * @thoff: offset of its TCP header
 *
 * Context: BH off.
 * Return: false if it is not to go on.
 */
bool mcp_steer_syn(struct mcp_session *s, struct sk_buff *skb,
		   unsigned int thoff)
{
	const struct mcp_peer_dial *pd = s->peer_dial;

	/* Whom a firewall keeps out is not to get in by trying again. */
	if (!READ_ONCE(pd->admitted) ||
	    mcp_segment_insert(skb, thoff, pd->octets, pd->len))
		return false;
	mcp_count(s->mnet, MCP_STAT_PEER_REQUEST);
	return true;
}

/**
 * mcp_steer_synack() - the peer has repeated its SYN/ACK
 * @s: the session, steered and withdrawn
 * @skb: the SYN/ACK; loses the echo
 * @thoff: offset of its TCP header
 * @payload_len: octets behind that
 *
 * Context: BH off.
 * Return: false if it is not to go on.
 */
bool mcp_steer_synack(struct mcp_session *s, struct sk_buff *skb,
		      unsigned int thoff, unsigned int payload_len)
{
	const struct mcp_peer_dial *pd = s->peer_dial;

	if (!READ_ONCE(pd->admitted))
		return false;
	return payload_len < pd->len ||
		!mcp_segment_consume(skb, thoff, pd->len);
}
