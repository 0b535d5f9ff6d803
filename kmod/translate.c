// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "compat.h"
#include "deliver.h"
#include "icmp.h"
#include "segment.h"
#include "session.h"
#include "tcpopt.h"
#include "translate.h"
#include "withdraw.h"
#include "xmit.h"

static const struct rhashtable_params mcp_way_params = {
	.head_offset = offsetof(struct mcp_way, node),
	.key_offset = offsetof(struct mcp_way, pair),
	.key_len = sizeof(struct mcp_pair),
	.automatic_shrinking = true,
};

/* Header, and the timestamps where the usual stacks put them. */
struct mcp_head {
	struct tcphdr th;
	u8 option[4];
	__be32 tsval;
};

/**
 * mcp_translate_init() - a namespace's table of translated connections
 * @mnet: the namespace
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_translate_init(struct mcp_net *mnet)
{
	return rhashtable_init(&mnet->ways, &mcp_way_params);
}

/**
 * mcp_translate_exit() - free it; no session is left
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_translate_exit(struct mcp_net *mnet)
{
	rhashtable_destroy(&mnet->ways);
}

/* -------------------------------------------------------------- subflows */

/**
 * mcp_subflow_new() - a connection that is to be translated
 * @s: its session
 * @up: what the client's packets have
 * @down: what the server's packets have
 *
 * Context: process.
 * Return: the subflow, which nobody can find yet, or NULL.
 */
struct mcp_subflow *mcp_subflow_new(struct mcp_session *s,
				    const struct mcp_pair *up,
				    const struct mcp_pair *down)
{
	struct mcp_subflow *sf = kzalloc(sizeof(*sf), GFP_KERNEL);

	if (!sf)
		return NULL;
	mcp_session_get(s);
	sf->session = s;
	sf->way[MCP_UP].pair = *up;
	sf->way[MCP_UP].dir = MCP_UP;
	sf->way[MCP_DOWN].pair = *down;
	sf->way[MCP_DOWN].dir = MCP_DOWN;
	spin_lock_init(&sf->lock);
	sf->state = MCP_STATE_INTERNAL_INIT;
	sf->timer = MCP_TIMER_TRANSITORY;
	sf->heard = jiffies;
	return sf;
}

static void mcp_subflow_free_rcu(struct rcu_head *rcu)
{
	struct mcp_subflow *sf = container_of(rcu, struct mcp_subflow, rcu);

	mcp_session_put(sf->session);
	kfree(sf);
}

/**
 * mcp_subflow_free() - be done with a subflow
 * @sf: the subflow, not hashed
 *
 * Context: any.
 */
void mcp_subflow_free(struct mcp_subflow *sf)
{
	call_rcu(&sf->rcu, mcp_subflow_free_rcu);
}

/**
 * mcp_subflow_publish() - let packets find a subflow
 * @sf: the subflow
 *
 * Context: process.
 * Return: 0, -EEXIST (one of the pairs is another's) or -ENOMEM.
 */
int mcp_subflow_publish(struct mcp_subflow *sf)
{
	struct mcp_net *mnet = sf->session->mnet;
	int err;

	spin_lock_bh(&sf->lock);
	err = rhashtable_lookup_insert_fast(&mnet->ways,
					    &sf->way[MCP_DOWN].node,
					    mcp_way_params);
	if (err)
		goto unlock;
	err = rhashtable_lookup_insert_fast(&mnet->ways, &sf->way[MCP_UP].node,
					    mcp_way_params);
	if (err) {
		rhashtable_remove_fast(&mnet->ways, &sf->way[MCP_DOWN].node,
				       mcp_way_params);
		goto unlock;
	}
	sf->hashed = true;
	atomic_inc(&mnet->translated);
unlock:
	spin_unlock_bh(&sf->lock);
	return err;
}

/**
 * mcp_subflow_unhash() - no packet is translated for it any more
 * @sf: the subflow
 *
 * Context: any but hard interrupt.
 */
void mcp_subflow_unhash(struct mcp_subflow *sf)
{
	struct mcp_net *mnet = sf->session->mnet;
	int dir;

	spin_lock_bh(&sf->lock);
	if (sf->hashed) {
		for (dir = MCP_UP; dir <= MCP_DOWN; dir++)
			rhashtable_remove_fast(&mnet->ways, &sf->way[dir].node,
					       mcp_way_params);
		atomic_dec(&mnet->translated);
	}
	sf->hashed = false;
	spin_unlock_bh(&sf->lock);
}

static unsigned long mcp_subflow_idle(const struct mcp_subflow *sf)
{
	const struct mcp_settings *set = &sf->session->mnet->settings;

	return msecs_to_jiffies(sf->timer == MCP_TIMER_ESTABLISHED ?
				READ_ONCE(set->est_idle) :
				READ_ONCE(set->trans_idle));
}

/**
 * mcp_subflow_deadline() - when a subflow has been idle for too long
 * @sf: the subflow
 *
 * Context: any but hard interrupt.
 * Return: that time in jiffies, never 0.
 */
unsigned long mcp_subflow_deadline(struct mcp_subflow *sf)
{
	unsigned long until;

	spin_lock_bh(&sf->lock);
	/* Somebody has begun anew from its port. */
	until = sf->hashed ? READ_ONCE(sf->heard) + mcp_subflow_idle(sf) :
		jiffies;
	spin_unlock_bh(&sf->lock);
	return until ?: 1;
}

/**
 * mcp_subflow_expire() - a subflow has been idle for too long
 * @sf: the subflow
 *
 * Context: any but hard interrupt.
 * Return: MCP_ACTION_PROBE, MCP_ACTION_DELETE, or MCP_ACTION_NONE: somebody spoke
 * in the meantime.
 */
enum mcp_action mcp_subflow_expire(struct mcp_subflow *sf)
{
	struct mcp_transition t;

	spin_lock_bh(&sf->lock);
	if (!sf->hashed) {
		t.action = MCP_ACTION_DELETE;
	} else if (time_before(jiffies, sf->heard + mcp_subflow_idle(sf))) {
		t.action = MCP_ACTION_NONE;
	} else {
		t = mcp_behave(sf->state, MCP_EV_EXPIRY, false);
		/* Who has not completed its handshake has nothing to probe. */
		if (!sf->confirmed)
			t.action = MCP_ACTION_DELETE;
		if (t.action != MCP_ACTION_DELETE) {
			WRITE_ONCE(sf->state, t.state);
			sf->timer = t.timer;
			sf->heard = jiffies;
		}
	}
	spin_unlock_bh(&sf->lock);
	return t.action;
}

/*
 * A segment of ours to the one who receives what comes by @dir, as if from the
 * other one.
 */
static void mcp_subflow_say(struct mcp_subflow *sf, enum mcp_direction dir,
			    u8 flags, u32 before)
{
	const struct mcp_way *from = &sf->way[dir], *to = &sf->way[!dir];
	struct net *net = sf->session->mnet->net;
	struct mcp_segment seg = {
		.src = to->pair.dst,
		.dst = to->pair.src,
		.seq = READ_ONCE(to->ack) - before,
		.ack = READ_ONCE(from->ack),
		.flags = flags | MCP_SEG_ACK,
		.window = flags & MCP_SEG_RST ? 0 : U16_MAX,
	};
	struct dst_entry *dst;

	if (READ_ONCE(from->stamped)) {
		seg.options[0] = MCP_TCPOPT_NOP;
		seg.options[1] = MCP_TCPOPT_NOP;
		seg.options[2] = MCP_TCPOPT_TIMESTAMP;
		seg.options[3] = 10;
		put_unaligned_be32(READ_ONCE(from->tsval), seg.options + 4);
		put_unaligned_be32(READ_ONCE(to->tsval), seg.options + 8);
		seg.options_len = 12;
	}
	dst = mcp_xmit_route(net, &seg);
	if (!IS_ERR(dst))
		mcp_xmit(net, &seg, dst);
}

/**
 * mcp_subflow_probe() - ask both ends for a sign of life
 * @sf: the subflow
 *
 * An empty segment from below the window: whoever has the connection answers it
 * (RFC 6146 section 3.5.2.2, "ESTABLISHED").
 *
 * Context: any but hard interrupt.
 */
void mcp_subflow_probe(struct mcp_subflow *sf)
{
	mcp_subflow_say(sf, MCP_DOWN, 0, 1);
	mcp_subflow_say(sf, MCP_UP, 0, 1);
}

/**
 * mcp_subflow_reset() - reset both ends
 * @sf: the subflow
 *
 * Context: any but hard interrupt.
 */
void mcp_subflow_reset(struct mcp_subflow *sf)
{
	mcp_subflow_say(sf, MCP_DOWN, MCP_SEG_RST, 0);
	mcp_subflow_say(sf, MCP_UP, MCP_SEG_RST, 0);
}

static enum mcp_event_kind mcp_event_of(enum mcp_direction dir,
					const struct tcphdr *th)
{
	enum mcp_event_kind event = MCP_EV_INTERNAL_OTHER;

	if (th->rst)
		event = MCP_EV_INTERNAL_RST;
	else if (th->syn)
		event = MCP_EV_INTERNAL_SYN;
	else if (th->fin)
		event = MCP_EV_INTERNAL_FIN;
	return dir == MCP_UP ? event :
		event - MCP_EV_INTERNAL_SYN + MCP_EV_EXTERNAL_SYN;
}

/* A segment that may change the state. */
static void mcp_subflow_event(struct mcp_subflow *sf, enum mcp_direction dir,
			      const struct tcphdr *th, bool outbound_only)
{
	struct mcp_transition t;
	bool kick;

	spin_lock(&sf->lock);
	t = mcp_behave(sf->state, mcp_event_of(dir, th), outbound_only);
	kick = sf->state != t.state;
	if (dir == sf->initiator && th->ack && !th->syn && !th->rst &&
	    !sf->confirmed && t.state != MCP_STATE_INTERNAL_INIT &&
	    t.state != MCP_STATE_EXTERNAL_INIT) {
		sf->confirmed = true;
		kick = true;
	}
	WRITE_ONCE(sf->state, t.state);
	/*
	 * RFC 6146 is content with both SYNs. But whoever has a listening server
	 * and other people's addresses could fill the table with that.
	 */
	if (t.timer == MCP_TIMER_ESTABLISHED && !sf->confirmed)
		t.timer = MCP_TIMER_TRANSITORY;
	if (t.timer == MCP_TIMER_ESTABLISHED ||
	    t.timer == MCP_TIMER_TRANSITORY) {
		sf->timer = t.timer;
		WRITE_ONCE(sf->heard, jiffies);
	}
	if (th->rst && !sf->reset_by) {
		sf->reset_by = dir == MCP_UP ? MCP_GONE_UPSTREAM :
			MCP_GONE_DOWNSTREAM;
		kick = true;
	}
	spin_unlock(&sf->lock);
	if (kick)
		mcp_session_kick(sf->session);
}

/* Once a tick is often enough for all CPUs to write there. */
static void mcp_subflow_touch(struct mcp_subflow *sf)
{
	unsigned long now = jiffies;

	if (time_before(READ_ONCE(sf->heard), now))
		WRITE_ONCE(sf->heard, now);
}

/* What a segment says: for the timers, for probes, for who counts octets. */
static void mcp_subflow_heard(struct mcp_subflow *sf, struct mcp_way *way,
			      const struct mcp_head *head, unsigned int size,
			      unsigned int octets)
{
	static const u8 aligned[] = { MCP_TCPOPT_NOP, MCP_TCPOPT_NOP,
				      MCP_TCPOPT_TIMESTAMP, 10 };
	struct mcp_session *s = sf->session;
	const struct tcphdr *th = &head->th;
	bool outbound_only = READ_ONCE(s->mnet->settings.refresh) ==
		MCP_REFRESH_OUTBOUND;
	u32 ack = ntohl(th->ack_seq);

	if (th->ack && !th->rst && before(READ_ONCE(way->ack), ack))
		WRITE_ONCE(way->ack, ack);
	if (size == sizeof(*head) && !memcmp(head->option, aligned, 4)) {
		WRITE_ONCE(way->tsval, ntohl(head->tsval));
		if (!way->stamped)
			WRITE_ONCE(way->stamped, true);
	}
	if (octets)
		mcp_withdraw_count(s, way->dir, octets);
	if (READ_ONCE(sf->state) != MCP_STATE_ESTABLISHED ||
	    !READ_ONCE(sf->confirmed) || th->syn || th->fin || th->rst)
		mcp_subflow_event(sf, way->dir, th, outbound_only);
	else if (!outbound_only || way->dir == MCP_UP)
		mcp_subflow_touch(sf);
}

/* --------------------------------------------------------------- packets */

/* Under rcu_read_lock(). */
static struct mcp_way *mcp_way_find(struct mcp_net *mnet,
				    const struct mcp_pair *pair)
{
	return rhashtable_lookup(&mnet->ways, pair, mcp_way_params);
}

static struct mcp_subflow *mcp_way_subflow(struct mcp_way *way)
{
	return container_of(way - way->dir, struct mcp_subflow, way[0]);
}

/**
 * mcp_translate_knows() - are packets from here to there translated?
 * @mnet: the namespace
 * @pair: source and destination
 *
 * Context: any but hard interrupt.
 */
bool mcp_translate_knows(struct mcp_net *mnet, const struct mcp_pair *pair)
{
	bool known;

	if (!atomic_read(&mnet->translated))
		return false;
	rcu_read_lock();
	known = mcp_way_find(mnet, pair);
	rcu_read_unlock();
	return known;
}

static void mcp_pair_of(const struct sk_buff *skb, u16 family,
			struct mcp_pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	pair->src.family = family;
	pair->dst.family = family;
	if (family == AF_INET) {
		pair->src.addr.ip = ip_hdr(skb)->saddr;
		pair->dst.addr.ip = ip_hdr(skb)->daddr;
	} else {
		memcpy(pair->src.addr.ip6, &ipv6_hdr(skb)->saddr, 16);
		memcpy(pair->dst.addr.ip6, &ipv6_hdr(skb)->daddr, 16);
	}
}

/**
 * mcp_translate_session() - whose packet is that?
 * @mnet: the namespace
 * @skb: a TCP packet behind the INPUT chain
 *
 * Context: any but hard interrupt.
 * Return: the session by which it would be translated, with a reference; or NULL.
 */
struct mcp_session *mcp_translate_session(struct mcp_net *mnet,
					  const struct sk_buff *skb)
{
	u16 family = skb->protocol == htons(ETH_P_IPV6) ? AF_INET6 : AF_INET;
	struct mcp_session *s = NULL;
	struct mcp_pair pair;
	struct mcp_way *way;
	__be16 ports[2];

	if (skb_copy_bits(skb, skb_transport_offset(skb), ports, sizeof(ports)))
		return NULL;
	mcp_pair_of(skb, family, &pair);
	pair.src.port = ports[0];
	pair.dst.port = ports[1];
	rcu_read_lock();
	way = mcp_way_find(mnet, &pair);
	if (way && mcp_session_get(mcp_way_subflow(way)->session))
		s = mcp_way_subflow(way)->session;
	rcu_read_unlock();
	return s;
}

/**
 * mcp_translate_yield() - the client dials who has knocked
 * @mnet: the namespace
 * @pair: source and destination of the server's packets
 *
 * A connection from outside that is not established makes way for the client's own
 * (RFC 5382 REQ-4).
 *
 * Context: any but hard interrupt.
 * Return: false if such packets are translated, and will be.
 */
bool mcp_translate_yield(struct mcp_net *mnet, const struct mcp_pair *pair)
{
	struct mcp_subflow *sf = NULL;
	struct mcp_way *way;

	if (!atomic_read(&mnet->translated))
		return true;
	rcu_read_lock();
	way = mcp_way_find(mnet, pair);
	if (way) {
		sf = mcp_way_subflow(way);
		if (sf->initiator == MCP_DOWN && !READ_ONCE(sf->confirmed)) {
			mcp_subflow_unhash(sf);
			mcp_session_kick(sf->session);
			way = NULL;
		}
	}
	rcu_read_unlock();
	return !way;
}

/**
 * mcp_translate_clamp_mss() - promise no larger segments than there is room for
 * @options: TCP options of a SYN or SYN/ACK
 * @len: their length in octets
 * @mss: what there is room for (nam section 5.6.4)
 * @skb: the packet that they are in; or NULL
 * @check: its checksum, to be updated; if there is a packet
 *
 * Context: any.
 */
void mcp_translate_clamp_mss(u8 *options, unsigned int len, u16 mss,
			     struct sk_buff *skb, __sum16 *check)
{
	unsigned int at = 0;

	while (at < len && options[at] != MCP_TCPOPT_EOL) {
		u8 *option = options + at;
		u16 old;

		if (option[0] == MCP_TCPOPT_NOP) {
			at++;
			continue;
		}
		if (len - at < 2 || option[1] < 2 || option[1] > len - at)
			return;
		at += option[1];
		if (option[0] != MCP_TCPOPT_MSS || option[1] != 4)
			continue;
		old = get_unaligned_be16(option + 2);
		if (old <= mss)
			continue;
		put_unaligned_be16(mss, option + 2);
		if (!skb)
			continue;
		/* At an odd offset the sum sees its octets the other way round. */
		if ((option - options) % 2)
			inet_proto_csum_replace2(check, skb,
						 (__force __be16)swab16((__force u16)htons(old)),
						 (__force __be16)swab16((__force u16)htons(mss)),
						 false);
		else
			inet_proto_csum_replace2(check, skb, htons(old),
						 htons(mss), false);
	}
}

static void mcp_set_addresses(struct sk_buff *skb, u16 family,
			      const struct mcp_endpoint *src,
			      const struct mcp_endpoint *dst)
{
	if (family == AF_INET) {
		ip_hdr(skb)->saddr = src->addr.ip;
		ip_hdr(skb)->daddr = dst->addr.ip;
	} else {
		memcpy(&ipv6_hdr(skb)->saddr, src->addr.ip6, 16);
		memcpy(&ipv6_hdr(skb)->daddr, dst->addr.ip6, 16);
	}
}

/* As a NAT does, so that offloaded checksums and large segments stay as they are. */
static void mcp_set_ends(struct sk_buff *skb, unsigned int thoff, u16 family,
			 const struct mcp_endpoint *src,
			 const struct mcp_endpoint *dst)
{
	struct tcphdr *th = (struct tcphdr *)(skb->data + thoff);

	if (family == AF_INET) {
		inet_proto_csum_replace4(&th->check, skb, ip_hdr(skb)->saddr,
					 src->addr.ip, true);
		inet_proto_csum_replace4(&th->check, skb, ip_hdr(skb)->daddr,
					 dst->addr.ip, true);
	} else {
		inet_proto_csum_replace16(&th->check, skb,
					  ipv6_hdr(skb)->saddr.s6_addr32,
					  src->addr.ip6, true);
		inet_proto_csum_replace16(&th->check, skb,
					  ipv6_hdr(skb)->daddr.s6_addr32,
					  dst->addr.ip6, true);
	}
	mcp_set_addresses(skb, family, src, dst);
	inet_proto_csum_replace2(&th->check, skb, th->source, src->port, false);
	inet_proto_csum_replace2(&th->check, skb, th->dest, dst->port, false);
	th->source = src->port;
	th->dest = dst->port;
}

static u8 mcp_tos_of(const struct sk_buff *skb, u16 family)
{
	return family == AF_INET ? ip_hdr(skb)->tos :
		ipv6_get_dsfield(ipv6_hdr(skb));
}

static bool mcp_too_big(const struct sk_buff *skb, u16 family, unsigned int mtu)
{
	if (skb->len <= mtu || skb->ignore_df ||
	    (skb_is_gso(skb) && skb_gso_validate_network_len(skb, mtu)))
		return false;
	return family == AF_INET6 || ip_hdr(skb)->frag_off & htons(IP_DF);
}

/* Tells the sender of a packet, which is as it came, why it goes no further. */
static void mcp_bounce(struct sk_buff *skb, u16 family, bool expired,
		       unsigned int mtu)
{
	if (family == AF_INET6) {
		icmpv6_send(skb, expired ? ICMPV6_TIME_EXCEED : ICMPV6_PKT_TOOBIG,
			    0, expired ? 0 : mtu);
		return;
	}
	/* icmp_send() asks for the route that the packet has come by. */
	if (!skb_dst(skb) && !mcp_deliver(skb, family))
		return;
	if (expired)
		icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
	else
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(mtu));
}

static bool mcp_last_hop(const struct sk_buff *skb, u16 family)
{
	return (family == AF_INET ? ip_hdr(skb)->ttl :
		ipv6_hdr(skb)->hop_limit) <= 1;
}

/*
 * The way of a packet that will have these ends, if it may go it. NULL: it may
 * not, and who sent it was told.
 */
static struct dst_entry *mcp_translate_route(struct mcp_net *mnet,
					     struct sk_buff *skb, u16 family,
					     const struct mcp_endpoint *src,
					     const struct mcp_endpoint *dst)
{
	struct mcp_segment seg = {
		.src = *src, .dst = *dst, .tos = mcp_tos_of(skb, family),
	};
	struct dst_entry *route;
	unsigned int mtu;

	if (skb_warn_if_lro(skb))
		return NULL;
	if (mcp_last_hop(skb, family)) {
		mcp_bounce(skb, family, true, 0);
		return NULL;
	}
	route = mcp_xmit_route(mnet->net, &seg);
	if (IS_ERR(route))
		return NULL;
	/* What the host has learnt of the path is for its own packets. */
	mtu = family == AF_INET ? ip_dst_mtu_maybe_forward(route, true) :
		ip6_dst_mtu_maybe_forward(route, true);
	if (mcp_too_big(skb, family, mtu)) {
		mcp_bounce(skb, family, false, mtu);
		dst_release(route);
		return NULL;
	}
	return route;
}

/*
 * On its way, as if from the host: its connection on that side is one of the
 * host's for connection tracking and for the rules of the OUTPUT chain.
 */
static void mcp_translate_send(struct mcp_net *mnet, struct sk_buff *skb,
			       u16 family, struct dst_entry *route)
{
	nf_reset_ct(skb);
	skb_dst_drop(skb);
	skb_dst_set(skb, route);
	skb_clear_tstamp(skb);
	skb->mark = 0;
	if (family == AF_INET) {
		struct iphdr *iph = ip_hdr(skb);

		iph->ttl--;
		skb->priority = rt_tos2priority(iph->tos);
		IPCB(skb)->flags |= IPSKB_FORWARDED;
		ip_local_out(mnet->net, NULL, skb);	/* sums the header up */
		return;
	}
	ipv6_hdr(skb)->hop_limit--;
#if IS_ENABLED(CONFIG_IPV6)
	IP6CB(skb)->flags |= IP6SKB_FORWARDED;
	ip6_local_out(mnet->net, NULL, skb);
#endif
}

/*
 * A SYN that was answered once. One that begins something else, where what it would
 * end is closing anyway, goes on to the INPUT chain. Else it is the server who
 * challenges it.
 */
static unsigned int mcp_translate_syn(struct mcp_subflow *sf,
				      struct sk_buff *skb, unsigned int thoff,
				      const struct tcphdr *th)
{
	bool again = ntohl(th->seq) == sf->isn;
	u8 state = READ_ONCE(sf->state);

	if (!again && (state == MCP_STATE_BOTH_FIN || state == MCP_STATE_TRANS)) {
		mcp_subflow_unhash(sf);
		mcp_session_kick(sf->session);
		return NF_ACCEPT;
	}
	if (sf->initial &&
	    !mcp_withdraw_syn(sf->session, skb, thoff, again, sf->shift))
		return NF_DROP;
	return NF_STOLEN;
}

/**
 * mcp_translate_tcp() - a TCP packet came in: is it to be translated?
 * @mnet: the namespace
 * @skb: the packet, at PRE_ROUTING or LOCAL_IN
 * @thoff: offset of its TCP header
 * @family: AF_INET or AF_INET6
 *
 * Context: BH off, under rcu_read_lock().
 * Return: NF_ACCEPT if it is not ours; NF_DROP or NF_STOLEN: it has been seen to.
 */
unsigned int mcp_translate_tcp(struct mcp_net *mnet, struct sk_buff *skb,
			       unsigned int thoff, u16 family)
{
	const struct mcp_endpoint *src, *dst;
	struct mcp_subflow *sf;
	struct dst_entry *route;
	unsigned int size, len, octets;
	struct mcp_pair pair;
	struct mcp_head head;
	struct mcp_way *way;

	if (!atomic_read(&mnet->translated))
		return NF_ACCEPT;
	size = sizeof(head);
	if (skb_copy_bits(skb, thoff, &head, size)) {
		size = sizeof(head.th);
		if (skb_copy_bits(skb, thoff, &head, size))
			return NF_ACCEPT;
	}
	if (head.th.doff < 5 || thoff + head.th.doff * 4 > skb->len)
		return NF_ACCEPT;
	if (head.th.doff * 4 < sizeof(head))
		size = sizeof(head.th);
	mcp_pair_of(skb, family, &pair);
	pair.src.port = head.th.source;
	pair.dst.port = head.th.dest;
	way = mcp_way_find(mnet, &pair);
	if (!way)
		return NF_ACCEPT;
	sf = mcp_way_subflow(way);
	/* What changes the state must be right; the rest its receiver checks. */
	if ((head.th.syn || head.th.fin || head.th.rst) &&
	    nf_checksum(skb, NF_INET_PRE_ROUTING, thoff, IPPROTO_TCP, family))
		return NF_DROP;
	if (head.th.syn && !head.th.ack && way->dir == MCP_UP) {
		unsigned int verdict = mcp_translate_syn(sf, skb, thoff,
							 &head.th);

		if (verdict != NF_STOLEN)
			return verdict;
	}
	src = &sf->way[!way->dir].pair.dst;
	dst = &sf->way[!way->dir].pair.src;
	route = mcp_translate_route(mnet, skb, family, src, dst);
	if (!route)
		return NF_DROP;
	len = head.th.doff * 4;
	octets = skb->len - thoff - len;
	if (skb_ensure_writable(skb, thoff + (head.th.syn ? len : sizeof(head.th)))) {
		dst_release(route);
		return NF_DROP;
	}
	skb_forward_csum(skb);
	if (head.th.syn) {
		struct tcphdr *th = (struct tcphdr *)(skb->data + thoff);

		mcp_translate_clamp_mss((u8 *)(th + 1), len - sizeof(*th),
					dst_metric_advmss(route), skb,
					&th->check);
	}
	mcp_subflow_heard(sf, way, &head, size, head.th.syn ? 0 : octets);
	mcp_set_ends(skb, thoff, family, src, dst);
	if (head.th.syn && head.th.ack && sf->initial &&
	    !mcp_withdraw_echo(sf->session, skb, thoff, octets)) {
		dst_release(route);
		return NF_DROP;
	}
	mcp_translate_send(mnet, skb, family, route);
	return NF_STOLEN;
}

/* ------------------------------------------------------------ ICMP errors */

/* Gives the packet that an error is about the ends that its sender gave it. */
static int mcp_restore_subject(struct sk_buff *skb, unsigned int off, u16 family,
			       const struct mcp_endpoint *src,
			       const struct mcp_endpoint *dst)
{
	/* Ports and sequence number are there, the checksum need not be. */
	unsigned int ip_len = sizeof(struct ipv6hdr), need;
	__sum16 *check = NULL;
	struct tcphdr *th;

	if (family == AF_INET) {
		struct iphdr _iph;
		const struct iphdr *iph;

		iph = skb_header_pointer(skb, off, sizeof(_iph), &_iph);
		ip_len = iph->ihl * 4;
	}
	need = min_t(unsigned int, skb->len, off + ip_len + sizeof(*th));
	if (skb_ensure_writable(skb, need))
		return -ENOMEM;
	th = (struct tcphdr *)(skb->data + off + ip_len);
	if (need >= off + ip_len + offsetofend(struct tcphdr, check))
		check = &th->check;
	if (family == AF_INET) {
		struct iphdr *iph = (struct iphdr *)(skb->data + off);

		if (check) {
			csum_replace4(check, iph->saddr, src->addr.ip);
			csum_replace4(check, iph->daddr, dst->addr.ip);
		}
		csum_replace4(&iph->check, iph->saddr, src->addr.ip);
		csum_replace4(&iph->check, iph->daddr, dst->addr.ip);
		iph->saddr = src->addr.ip;
		iph->daddr = dst->addr.ip;
	} else {
		struct ipv6hdr *ip6h = (struct ipv6hdr *)(skb->data + off);

		if (check) {
			inet_proto_csum_replace16(check, skb,
						  ip6h->saddr.s6_addr32,
						  src->addr.ip6, false);
			inet_proto_csum_replace16(check, skb,
						  ip6h->daddr.s6_addr32,
						  dst->addr.ip6, false);
		}
		memcpy(&ip6h->saddr, src->addr.ip6, 16);
		memcpy(&ip6h->daddr, dst->addr.ip6, 16);
	}
	if (check) {
		csum_replace2(check, th->source, src->port);
		csum_replace2(check, th->dest, dst->port);
	}
	th->source = src->port;
	th->dest = dst->port;
	return 0;
}

static void mcp_icmp_sum(struct sk_buff *skb, unsigned int off, u16 family)
{
	struct icmphdr *icmph = (struct icmphdr *)(skb->data + off);
	unsigned int len = skb->len - off;
	__wsum sum;

	icmph->checksum = 0;
	sum = skb_checksum(skb, off, len, 0);
	icmph->checksum = family == AF_INET ? csum_fold(sum) :
		csum_ipv6_magic(&ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr,
				len, IPPROTO_ICMPV6, sum);
	skb->ip_summed = CHECKSUM_NONE;
}

static bool mcp_same_address(const struct mcp_endpoint *a,
			     const struct mcp_endpoint *b)
{
	return !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

/**
 * mcp_translate_icmp() - an ICMP error came in: is it about a translated packet?
 * @mnet: the namespace
 * @skb: the ICMP packet, at PRE_ROUTING
 * @off: offset of its ICMP header
 * @family: AF_INET or AF_INET6
 *
 * It goes on to who has sent that packet, as if about the packet that he knows
 * (RFC 5508 section 4), and ends nothing (RFC 5382 REQ-10).
 *
 * Context: BH off, under rcu_read_lock().
 * Return: NF_ACCEPT if it is not ours; NF_DROP or NF_STOLEN: it has been seen to.
 */
unsigned int mcp_translate_icmp(struct mcp_net *mnet, struct sk_buff *skb,
				unsigned int off, u16 family)
{
	const struct mcp_way *way, *other;
	struct mcp_pair about, outer;
	struct dst_entry *route;
	struct icmphdr icmph;
	u32 seq;

	if (!atomic_read(&mnet->translated) ||
	    skb_copy_bits(skb, off, &icmph, sizeof(icmph)) ||
	    mcp_icmp_kind(family, icmph.type, icmph.code) == MCP_ICMP_NONE ||
	    !mcp_icmp_subject(skb, off + sizeof(icmph), family, &about.dst,
			      &about.src, &seq))
		return NF_ACCEPT;
	/* Its receiver would have answered by this way. */
	way = mcp_way_find(mnet, &about);
	if (!way)
		return NF_ACCEPT;
	if (nf_checksum(skb, NF_INET_PRE_ROUTING, off, family == AF_INET ?
			IPPROTO_ICMP : IPPROTO_ICMPV6, family))
		return NF_DROP;
	other = &mcp_way_subflow((struct mcp_way *)way)->way[!way->dir];
	mcp_pair_of(skb, family, &outer);
	/*
	 * Routers on the servers' side show themselves, those on the clients' side
	 * do not (RFC 5508 REQ-4 and REQ-5).
	 */
	if (way->dir == MCP_UP || mcp_same_address(&outer.src, &way->pair.src))
		outer.src = other->pair.dst;
	outer.dst = other->pair.src;
	outer.src.port = 0;
	outer.dst.port = 0;
	route = mcp_translate_route(mnet, skb, family, &outer.src, &outer.dst);
	if (!route)
		return NF_DROP;
	if (mcp_restore_subject(skb, off + sizeof(icmph), family,
				&other->pair.src, &other->pair.dst)) {
		dst_release(route);
		return NF_DROP;
	}
	mcp_set_addresses(skb, family, &outer.src, &outer.dst);
	mcp_icmp_sum(skb, off, family);
	mcp_count(mnet, MCP_STAT_TRANSLATED_ICMP);
	mcp_translate_send(mnet, skb, family, route);
	return NF_STOLEN;
}
