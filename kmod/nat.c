// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/log2.h>
#include <linux/netfilter.h>
#include <linux/random.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/icmp.h>
#include <net/inet_timewait_sock.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/tcp.h>

#include "deliver.h"
#include "downstream.h"
#include "icmp.h"
#include "nat.h"
#include "peer_dial.h"
#include "preserve.h"
#include "session.h"
#include "socket.h"
#include "steer.h"
#include "translate.h"
#include "unsolicited.h"
#include "xmit.h"

/* A client's third SYN comes after two seconds, when it still can be held. */
#define MCP_SYNS_WITH_MP_CAPABLE	2

static const struct rhashtable_params mcp_dial_params = {
	.head_offset = offsetof(struct mcp_session, down.node),
	.key_offset = offsetof(struct mcp_session, down.tuple),
	.key_len = sizeof(struct mcp_tuple),
	.automatic_shrinking = true,
};

/**
 * mcp_nat_init() - a namespace's table of dials
 * @mnet: the namespace
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_nat_init(struct mcp_net *mnet)
{
	get_random_bytes(&mnet->ts_key, sizeof(mnet->ts_key));
	return rhashtable_init(&mnet->dials, &mcp_dial_params);
}

/**
 * mcp_nat_exit() - free it; no session is left
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_nat_exit(struct mcp_net *mnet)
{
	rhashtable_destroy(&mnet->dials);
}

/* ------------------------------------------------------------------- out */

/**
 * mcp_nat_source() - the host's own address on the way to a server
 * @mnet: the namespace
 * @server: the server
 * @tos: TOS or traffic class of what goes there
 * @addr: the address, port zero
 *
 * Context: process.
 * Return: false if there is no way.
 */
bool mcp_nat_source(struct mcp_net *mnet, const struct mcp_endpoint *server,
		    u8 tos, struct mcp_endpoint *addr)
{
	struct mcp_segment seg = {
		.dst = *server,
		.src.family = server->family,
		.tos = tos,
	};
	struct dst_entry *dst = mcp_xmit_route(mnet->net, &seg);

	if (IS_ERR(dst))
		return false;
	dst_release(dst);
	*addr = seg.src;
	return true;
}

static void mcp_put_option(struct mcp_segment *seg, u8 kind, u8 len)
{
	seg->options[seg->options_len] = kind;
	seg->options[seg->options_len + 1] = len;
	seg->options_len += len;
}

/*
 * A server that answers nothing may never see a SYN with MP_CAPABLE: the next one
 * goes without; but a peer would refuse that. A SYN/ACK would need a key, which is
 * not ours to make.
 */
static void mcp_nat_mp_capable(struct mcp_session *s, struct mcp_segment *seg)
{
	struct mcp_downstream *d = &s->down;

	if (!d->relay || d->both_syn ||
	    seg->options_len > sizeof(seg->options) - 4)
		return;
	if (d->syns >= MCP_SYNS_WITH_MP_CAPABLE && !mcp_steered(s)) {
		d->bare = true;
		return;
	}
	seg->options_len +=
		mcp_tcpopt_put_mp_capable(seg->options + seg->options_len,
					  d->mp_flags);
}

/*
 * The options of our SYN: what the host's settings are for connections of its
 * own, with the MSS that the route has room for (nam section 5.6.4).
 */
static void mcp_nat_options(struct mcp_session *s, struct mcp_segment *seg,
			    const struct dst_entry *dst)
{
	struct mcp_downstream *d = &s->down;
	u8 wanted[MCP_CONNECT_OPTIONS_MAX];
	u8 *o = seg->options;
	unsigned int len;

	mcp_put_option(seg, MCP_TCPOPT_MSS, 4);
	put_unaligned_be16(min_t(u32, dst_metric_advmss(dst), d->mss ?: U16_MAX),
			   o + 2);
	if (d->offers & MCP_OFFERS_SACK)
		mcp_put_option(seg, MCP_TCPOPT_SACK_PERM, 2);
	if (d->offers & MCP_OFFERS_TIMESTAMP) {
		u8 *ts = o + seg->options_len + 2;

		mcp_put_option(seg, MCP_TCPOPT_TIMESTAMP, 10);
		/* To the tick: the client takes no echo from its future. */
		if (d->withdraw)
			d->ts_offset = d->tsval - mcp_nat_timestamp(0);
		put_unaligned_be32(d->withdraw ? d->tsval :
				   mcp_nat_timestamp(d->ts_offset), ts);
		if (d->both_syn) {
			struct mcp_tcpopt opt;

			mcp_tcpopt_parse(d->synack->options,
					 d->synack->len, &opt);
			put_unaligned_be32(opt.tsval, ts + 4);
		}
	}
	if (d->offers & MCP_OFFERS_WSCALE) {
		u8 *scale = o + seg->options_len + 2;

		mcp_put_option(seg, MCP_TCPOPT_WSCALE, 3);
		*scale = d->wscale;
	}
	while (seg->options_len % 4)
		o[seg->options_len++] = MCP_TCPOPT_NOP;
	len = mcp_downstream_options(s, wanted);
	if (seg->options_len + len <= sizeof(seg->options)) {
		memcpy(o + seg->options_len, wanted, len);
		seg->options_len += len;
	} else {
		mcp_count(s->mnet, MCP_STAT_DIAL_OPTIONS_LEFT_OUT);
	}
	mcp_nat_mp_capable(s, seg);
}

/* A segment of this connection, as far as it does not depend on the route. */
static void mcp_nat_segment(struct mcp_session *s, struct mcp_segment *seg,
			    u8 flags)
{
	const struct mcp_downstream *d = &s->down;

	memset(seg, 0, sizeof(*seg));
	seg->src = d->tuple.external;
	seg->dst = d->tuple.server;
	seg->tos = s->tos;
	seg->flags = flags;
	seg->seq = d->isn;
	seg->window = d->window;
}

/*
 * Is there a connection, or the memory of one, between these two? One of which
 * our side has a TIME_WAIT is over for the server; with timestamps, a new one
 * cannot be taken for it (RFC 6191), and adoption takes its place.
 */
static bool mcp_nat_taken(struct mcp_net *mnet, const struct mcp_tuple *tuple)
{
	struct mcp_pair pair = { tuple->server, tuple->external };
	struct sock *sk = mcp_socket_find(mnet->net, &tuple->external,
					  &tuple->server, 0);
	bool taken = true;

	if (!sk)
		return !mcp_translate_yield(mnet, &pair);
	if (sk->sk_state == TCP_TIME_WAIT &&
	    READ_ONCE(mnet->net->ipv4.sysctl_tcp_timestamps))
		taken = inet_twsk(sk)->tw_substate != TCP_TIME_WAIT ||
			!tcp_twsk(sk)->tw_ts_recent_stamp;
	sock_gen_put(sk);
	return taken;
}

/* What our SYN offers, and its clock: as a socket of the host would. */
static void mcp_nat_offer_as_host(struct mcp_session *s)
{
	const struct netns_ipv4 *ipv4 = &s->mnet->net->ipv4;
	struct mcp_downstream *d = &s->down;
	struct {
		union mcp_addr external, server;
	} pair = { d->tuple.external.addr, d->tuple.server.addr };
	int space;

	d->ts_offset = siphash(&pair, sizeof(pair), &s->mnet->ts_key);
	/* As tcp_select_initial_window() does for a socket of the host. */
	space = max(READ_ONCE(ipv4->sysctl_tcp_rmem[2]), 1);
	d->wscale = clamp_t(int, ilog2(space) - 15, 0, TCP_MAX_WSCALE);
	d->window = min(READ_ONCE(ipv4->sysctl_tcp_rmem[1]) / 2, U16_MAX);
	d->offers = (READ_ONCE(ipv4->sysctl_tcp_sack) ? MCP_OFFERS_SACK : 0) |
		(READ_ONCE(ipv4->sysctl_tcp_timestamps) ?
		 MCP_OFFERS_TIMESTAMP : 0) |
		(READ_ONCE(ipv4->sysctl_tcp_window_scaling) ?
		 MCP_OFFERS_WSCALE : 0);
	d->mss = 0;
}

/* What the SYN says that is held, at LOCAL_IN. */
static bool mcp_nat_read_syn(const struct sk_buff *skb, struct tcphdr *th,
			     struct mcp_tcpopt *opt)
{
	u8 nexthdr = IPPROTO_TCP, buf[MCP_TCPOPT_MAX];
	__be16 frag_off;
	int off, len;

	if (ip_hdr(skb)->version == 4) {
		off = ip_hdrlen(skb);
	} else {
		nexthdr = ipv6_hdr(skb)->nexthdr;
		off = ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &nexthdr,
				       &frag_off);
	}
	if (off < 0 || nexthdr != IPPROTO_TCP ||
	    skb_copy_bits(skb, off, th, sizeof(*th)) || th->doff < 5)
		return false;
	len = th->doff * 4 - sizeof(*th);
	if (skb_copy_bits(skb, off + sizeof(*th), buf, len))
		return false;
	mcp_tcpopt_parse(buf, len, opt);
	return th->syn;
}

/*
 * As the client's SYN does: its later packets rely on what that said. A socket that
 * takes over after all can live with it, from the client's clock on. False if the
 * SYN is answered already: the MCP stays.
 */
static bool mcp_nat_offer_as_client(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;
	struct mcp_tcpopt opt;
	struct tcphdr th;

	spin_lock_bh(&s->lock);
	d->withdraw = s->held && mcp_nat_read_syn(s->held, &th, &opt);
	spin_unlock_bh(&s->lock);
	if (!d->withdraw)
		return false;
	d->window = ntohs(th.window);
	d->wscale = opt.wscale;
	d->offers = (opt.sack_perm ? MCP_OFFERS_SACK : 0) |
		(opt.has_ts ? MCP_OFFERS_TIMESTAMP : 0) |
		(opt.has_wscale ? MCP_OFFERS_WSCALE : 0);
	d->mss = opt.mss ?: (d->tuple.server.family == AF_INET ?
			     MCP_DEFAULT_MSS4 : MCP_DEFAULT_MSS6);
	d->tsval = opt.tsval;
	return true;
}

/**
 * mcp_nat_open() - be ready for what a server answers
 * @s: the session; down.tuple is complete
 *
 * Our SYN has the client's sequence number behind the request, as if the client
 * had sent it without one: nothing needs to be translated if both ends come to
 * speak with each other.
 *
 * Context: the worker.
 * Return: 0; -EEXIST if there is a dial or a connection from this endpoint to
 * that server, or lately was one; or -ENOMEM.
 */
int mcp_nat_open(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;
	int err;

	d->isn = s->late ? get_random_u32() : s->isn + s->syn_len;
	if (!d->withdraw || !mcp_nat_offer_as_client(s))
		mcp_nat_offer_as_host(s);
	err = rhashtable_lookup_insert_fast(&s->mnet->dials, &d->node,
					    mcp_dial_params);
	if (err)
		return err;
	/* In this order: a dial is in the table until its socket is in theirs. */
	if (mcp_nat_taken(s->mnet, &d->tuple)) {
		rhashtable_remove_fast(&s->mnet->dials, &d->node,
				       mcp_dial_params);
		return -EEXIST;
	}
	d->hashed = true;
	/* From here on, a SYN that the client repeats sends ours. */
	spin_lock_bh(&s->lock);
	d->heard = MCP_OUTCOME_PENDING;
	spin_unlock_bh(&s->lock);
	mcp_unsolicited_forget(s->mnet, &d->tuple);
	return 0;
}

/*
 * What is steered to a peer gets the request. False: meanwhile it is another one's
 * turn. Locked.
 */
static bool mcp_nat_request(struct mcp_session *s, struct mcp_segment *seg,
			    u8 *request)
{
	const struct mcp_peer_dial *pd = s->peer_dial;

	if (s->down.heard != MCP_OUTCOME_PENDING ||
	    !mcp_endpoint_equal(&seg->dst, &s->down.tuple.server))
		return false;
	memcpy(request, pd->octets, pd->len);
	seg->payload = request;
	seg->payload_len = pd->len;
	seg->seq -= pd->len;
	if (pd->len)
		mcp_count(s->mnet, MCP_STAT_PEER_REQUEST);
	return true;
}

/**
 * mcp_nat_syn() - send our SYN, or the SYN/ACK that answers the server's
 * @s: the session, after mcp_nat_open()
 *
 * Context: any but hard interrupt.
 * Return: 0 or a negative error: there is no way to the server, or the OUTPUT
 * chain does not let it go.
 */
int mcp_nat_syn(struct mcp_session *s)
{
	u8 request[MCP_MP_CONVERT_MAX];
	struct mcp_segment seg;
	struct dst_entry *dst;
	int err;

	mcp_nat_segment(s, &seg, MCP_SEG_SYN);
	dst = mcp_xmit_route(s->mnet->net, &seg);
	if (IS_ERR(dst))
		return PTR_ERR(dst);
	spin_lock_bh(&s->lock);
	/* The server may have answered meanwhile; then the payload may be gone. */
	if (s->down.heard != MCP_OUTCOME_PENDING ||
	    (mcp_steered(s) && !mcp_nat_request(s, &seg, request))) {
		spin_unlock_bh(&s->lock);
		dst_release(dst);
		return 0;
	}
	if (s->down.both_syn) {
		seg.flags |= MCP_SEG_ACK;
		seg.ack = s->down.irs + 1;
	}
	mcp_nat_options(s, &seg, dst);
	if (s->down.syns < U8_MAX)
		s->down.syns++;
	s->down.rtt_us = s->down.syn_us ? MCP_RTT_AMBIGUOUS : 0;
	s->down.syn_us = mcp_nat_clock_us() ?: 1;
	spin_unlock_bh(&s->lock);
	/* One that is lost on its first step is lost like any other. */
	err = mcp_xmit(s->mnet->net, &seg, dst);
	return err == -EPERM ? err : 0;
}

/**
 * mcp_nat_syn_again() - the client has repeated its SYN: so do we
 * @s: the session; the client's SYN is held
 * @opt: the options of the one that came now
 *
 * Not if a socket dials, which has a timer of its own.
 *
 * One for one: nobody can make us send more SYNs than he sends himself (RFC
 * 8803 section 9.3).
 *
 * Context: softirq.
 */
void mcp_nat_syn_again(struct mcp_session *s, const struct mcp_tcpopt *opt)
{
	bool waiting;

	spin_lock_bh(&s->lock);
	waiting = s->down.heard == MCP_OUTCOME_PENDING && !s->down.by_socket;
	/* Its clock need not be in step with ours. */
	if (waiting && s->down.withdraw && opt->has_ts)
		s->down.tsval = opt->tsval;
	spin_unlock_bh(&s->lock);
	if (waiting)
		mcp_nat_syn(s);
}

/* A RST, as an answer to what says @ack, or for what the server has accepted. */
static void mcp_nat_reset(struct mcp_session *s, u32 seq)
{
	struct mcp_segment seg;
	struct dst_entry *dst;

	mcp_nat_segment(s, &seg, MCP_SEG_RST);
	seg.seq = seq;
	seg.window = 0;
	dst = mcp_xmit_route(s->mnet->net, &seg);
	if (!IS_ERR(dst))
		mcp_xmit(s->mnet->net, &seg, dst);
}

/**
 * mcp_nat_close() - what the server says is not for us any more
 * @s: the session
 * @reset: tell a server that has accepted; false: a socket takes over
 *
 * Context: the worker.
 */
void mcp_nat_close(struct mcp_session *s, bool reset)
{
	struct mcp_downstream *d = &s->down;
	bool accepted;

	if (!d->hashed)
		return;
	rhashtable_remove_fast(&s->mnet->dials, &d->node, mcp_dial_params);
	d->hashed = false;
	spin_lock_bh(&s->lock);
	accepted = d->heard == MCP_OUTCOME_ACCEPTED;
	d->heard = MCP_OUTCOME_NONE;
	spin_unlock_bh(&s->lock);
	if (reset && accepted)
		mcp_nat_reset(s, d->isn + 1);
}

/* -------------------------------------------------------------------- in */

/**
 * mcp_nat_find() - who dials there?
 * @mnet: the namespace
 * @tuple: our end and the server's
 *
 * Context: any but hard interrupt.
 * Return: the session with a reference, or NULL.
 */
struct mcp_session *mcp_nat_find(struct mcp_net *mnet,
				 const struct mcp_tuple *tuple)
{
	struct mcp_session *s;

	rcu_read_lock();
	s = rhashtable_lookup(&mnet->dials, tuple, mcp_dial_params);
	if (s && !mcp_session_get(s))
		s = NULL;
	rcu_read_unlock();
	return s;
}

/* Is there anything that a packet could be for? */
static bool mcp_nat_busy(struct mcp_net *mnet)
{
	return READ_ONCE(mnet->pool.range_count) ||
		READ_ONCE(mnet->pool.mapping_count) ||
		atomic_read(&mnet->peers.dials) ||
		mcp_preserve_busy(&mnet->preserve);
}

/*
 * A packet for nobody who is being dialled. To an address of the pool that the
 * host does not have, it is delivered all the same if there is a socket for it;
 * nobody else can be meant. A SYN gets no answer at once, neither there nor at a
 * port of the host's own that a client has (RFC 5382 REQ-4). To an address that
 * is a client's own, only what belongs to a socket is ours.
 */
static unsigned int mcp_nat_established(struct mcp_net *mnet,
					struct sk_buff *skb,
					const struct mcp_tuple *tuple, bool syn)
{
	bool foreign = mcp_pool_foreign(mnet, &tuple->external);
	struct sock *sk;

	/* One of the host's own, come back, has a route. */
	if (!foreign && mcp_preserve_has(mnet, tuple))
		return skb_dst(skb) ||
			mcp_deliver(skb, tuple->external.family) ? NF_ACCEPT :
			NF_DROP;
	if (!foreign && (!syn || !mcp_pool_mapped(mnet, &tuple->external) ||
			 mcp_socket_listens(mnet->net, &tuple->external,
					    skb->dev->ifindex)))
		return NF_ACCEPT;
	sk = mcp_socket_find(mnet->net, &tuple->external, &tuple->server, 0);
	if (sk) {
		sock_gen_put(sk);
		if (!foreign || skb_dst(skb) ||
		    mcp_deliver(skb, tuple->external.family))
			return NF_ACCEPT;
	} else if (syn) {
		if (mcp_inbound_take(mnet, skb, tuple))
			return NF_STOLEN;
		return mcp_unsolicited_hold(mnet, skb, tuple) ? NF_STOLEN :
			NF_DROP;
	}
	mcp_count(mnet, MCP_STAT_EXTERNAL_UNMATCHED);
	return NF_DROP;
}

/* A packet for a socket of ours. */
static unsigned int mcp_nat_pass(const struct mcp_session *s,
				 struct sk_buff *skb)
{
	if (!mcp_downstream_foreign(s) || skb_dst(skb) ||
	    mcp_deliver(skb, s->down.tuple.external.family))
		return NF_ACCEPT;
	mcp_count(s->mnet, MCP_STAT_EXTERNAL_UNMATCHED);
	return NF_DROP;
}

static void mcp_nat_ends(const struct sk_buff *skb, u16 family,
			 struct mcp_endpoint *src, struct mcp_endpoint *dst)
{
	memset(src, 0, sizeof(*src));
	memset(dst, 0, sizeof(*dst));
	src->family = family;
	dst->family = family;
	if (family == AF_INET) {
		src->addr.ip = ip_hdr(skb)->saddr;
		dst->addr.ip = ip_hdr(skb)->daddr;
	} else {
		memcpy(src->addr.ip6, &ipv6_hdr(skb)->saddr, 16);
		memcpy(dst->addr.ip6, &ipv6_hdr(skb)->daddr, 16);
	}
}

/* What the server's SYN says; false without memory for that. Locked. */
static bool mcp_nat_note_syn(struct mcp_downstream *d, struct sk_buff *skb,
			     unsigned int thoff, const struct tcphdr *th,
			     u16 family)
{
	unsigned int len = th->doff * 4 - sizeof(*th);
	struct mcp_synack *synack = d->synack;

	if (!synack)
		synack = kmalloc(sizeof(*synack), GFP_ATOMIC | __GFP_NOWARN);
	if (!synack)
		return false;
	d->synack = synack;
	if (skb_copy_bits(skb, thoff + sizeof(*th), synack->options, len))
		len = 0;
	synack->len = len;
	synack->tos = family == AF_INET ? ip_hdr(skb)->tos :
		ipv6_get_dsfield(ipv6_hdr(skb));
	d->irs = ntohl(th->seq);
	d->snd_window = ntohs(th->window);
	return true;
}

enum mcp_nat_reply {
	MCP_NAT_NOTHING,
	MCP_NAT_KICK,			/* the worker has something to do */
	MCP_NAT_SYNACK,
	MCP_NAT_RESET,
	MCP_NAT_PASS,			/* it may be for whose address this is */
};

/*
 * A segment of the server while we wait for its SYN/ACK, as a socket in SYN-SENT
 * takes it, or in SYN-RECEIVED once the server's own SYN has come (RFC 9293
 * section 3.10.7.3, RFC 5382 REQ-2). Locked.
 */
static enum mcp_nat_reply mcp_nat_take(struct mcp_downstream *d,
				       struct sk_buff *skb, unsigned int thoff,
				       const struct tcphdr *th, u16 family)
{
	u32 seq = ntohl(th->seq);

	if (d->heard != MCP_OUTCOME_PENDING) {
		/* The worker is about to look at what was heard before. */
		if (d->heard == MCP_OUTCOME_ACCEPTED && th->rst &&
		    seq == d->irs + 1) {
			d->heard = MCP_OUTCOME_REFUSED;
			return MCP_NAT_KICK;
		}
		return MCP_NAT_NOTHING;
	}
	if (th->ack && ntohl(th->ack_seq) != d->isn + 1) {
		if (d->preserved)
			return MCP_NAT_PASS;
		return th->rst ? MCP_NAT_NOTHING : MCP_NAT_RESET;
	}
	if (th->rst) {
		/* RFC 5961 section 3: it has to know our SYN, or its own. */
		if (!th->ack && !(d->both_syn && seq == d->irs + 1))
			return d->preserved ? MCP_NAT_PASS :
				MCP_NAT_NOTHING;
		d->heard = MCP_OUTCOME_REFUSED;
		return MCP_NAT_KICK;
	}
	if (th->syn && !th->fin) {
		/* Anybody can send a SYN; who acknowledges ours knows better. */
		if ((!th->ack || !d->both_syn || seq != d->irs) &&
		    !mcp_nat_note_syn(d, skb, thoff, th, family))
			return MCP_NAT_NOTHING;	/* it comes again */
		if (!th->ack) {
			d->both_syn = true;
			return MCP_NAT_SYNACK;
		}
		if (d->rtt_us != MCP_RTT_AMBIGUOUS)
			d->rtt_us = mcp_nat_clock_us() - d->syn_us;
		d->heard = MCP_OUTCOME_ACCEPTED;
		return MCP_NAT_KICK;
	}
	if (th->ack && d->both_syn && seq == d->irs + 1) {
		d->heard = MCP_OUTCOME_ACCEPTED;
		return MCP_NAT_KICK;
	}
	return MCP_NAT_NOTHING;
}

/* The same of a peer to which a connection is steered. Locked. */
static enum mcp_nat_reply mcp_nat_take_peer(struct mcp_session *s,
					    struct sk_buff *skb,
					    unsigned int thoff,
					    const struct tcphdr *th, u16 family)
{
	struct mcp_downstream *d = &s->down;
	u8 heard = MCP_PEER_HEARD_NOTHING;
	enum mcp_nat_reply reply;

	/* It has a listener: it opens nothing itself. */
	if (!th->ack && !th->rst)
		return MCP_NAT_NOTHING;
	if (th->syn && th->ack && d->heard == MCP_OUTCOME_PENDING)
		heard = mcp_peer_dial_hear(s, skb, thoff, th);
	if (heard == MCP_PEER_HEARD_SHORT) {
		mcp_session_kick(s);
		return MCP_NAT_RESET;
	}
	reply = mcp_nat_take(d, skb, thoff, th, family);
	/* The client's numbers are those behind the echo. */
	if (heard == MCP_PEER_HEARD_ECHO && reply == MCP_NAT_KICK)
		d->irs += s->peer_dial->len;
	return reply;
}

/*
 * A segment of the server for the socket that dials: only what its SYN says is to
 * be known to us too. Locked.
 */
static void mcp_nat_watch(struct mcp_downstream *d, struct sk_buff *skb,
			  unsigned int thoff, const struct tcphdr *th, u16 family)
{
	if (d->heard != MCP_OUTCOME_PENDING || !th->syn || th->rst)
		return;
	/* Anybody can send a SYN; who acknowledges ours knows better. */
	if (th->ack ? ntohl(th->ack_seq) == d->isn + 1 : !d->synack)
		mcp_nat_note_syn(d, skb, thoff, th, family);
}

/**
 * mcp_nat_tcp() - a TCP packet came in: is it about a dial?
 * @mnet: the namespace
 * @skb: the packet, at PRE_ROUTING
 * @thoff: offset of its TCP header
 * @family: AF_INET or AF_INET6
 *
 * Context: softirq, under rcu_read_lock().
 * Return: NF_ACCEPT if it is not ours; NF_DROP or NF_STOLEN: it has been seen to.
 */
unsigned int mcp_nat_tcp(struct mcp_net *mnet, struct sk_buff *skb,
			 unsigned int thoff, u16 family)
{
	unsigned int verdict = NF_DROP;
	enum mcp_nat_reply reply;
	struct mcp_session *s;
	struct mcp_tuple tuple;
	struct tcphdr th;

	if (!mcp_nat_busy(mnet) ||
	    skb_copy_bits(skb, thoff, &th, sizeof(th)) || th.doff < 5 ||
	    thoff + th.doff * 4 > skb->len)
		return NF_ACCEPT;
	mcp_nat_ends(skb, family, &tuple.server, &tuple.external);
	tuple.server.port = th.source;
	tuple.external.port = th.dest;
	s = mcp_nat_find(mnet, &tuple);
	if (!s)
		return mcp_nat_established(mnet, skb, &tuple,
					   th.syn && !th.ack && !th.rst);
	if (nf_checksum(skb, NF_INET_PRE_ROUTING, thoff, IPPROTO_TCP, family)) {
		mcp_session_put(s);
		return NF_DROP;
	}
	if (s->down.by_socket) {
		spin_lock(&s->lock);
		mcp_nat_watch(&s->down, skb, thoff, &th, family);
		spin_unlock(&s->lock);
		verdict = mcp_nat_pass(s, skb);
		if (verdict == NF_ACCEPT && s->peer_dial && th.syn && th.ack)
			verdict = mcp_peer_dial_synack(s, skb, thoff, &th);
		mcp_session_put(s);
		return verdict;
	}
	spin_lock(&s->lock);
	reply = mcp_steered(s) ?
		mcp_nat_take_peer(s, skb, thoff, &th, family) :
		mcp_nat_take(&s->down, skb, thoff, &th, family);
	spin_unlock(&s->lock);
	switch (reply) {
	case MCP_NAT_NOTHING:
		break;
	case MCP_NAT_KICK:
		mcp_session_kick(s);
		break;
	case MCP_NAT_SYNACK:
		mcp_nat_syn(s);
		break;
	case MCP_NAT_RESET:
		mcp_nat_reset(s, ntohl(th.ack_seq));
		break;
	case MCP_NAT_PASS:
		verdict = NF_ACCEPT;
		break;
	}
	mcp_session_put(s);
	return verdict;
}

/* Who answers for an address by proxy has to hear who asks for it (RFC 4389). */
static bool mcp_is_neighbour_discovery(const struct sk_buff *skb)
{
	u8 type;

	return ipv6_hdr(skb)->nexthdr == IPPROTO_ICMPV6 &&
		!skb_copy_bits(skb, sizeof(struct ipv6hdr), &type, 1) &&
		type >= NDISC_ROUTER_SOLICITATION && type <= NDISC_REDIRECT;
}

/**
 * mcp_nat_hairpin() - is a packet for a client of ours, by its external address?
 * @mnet: the namespace
 * @skb: a packet on its way out
 * @family: AF_INET or AF_INET6
 *
 * Context: any, under rcu_read_lock().
 */
bool mcp_nat_hairpin(struct mcp_net *mnet, const struct sk_buff *skb, u16 family)
{
	struct mcp_endpoint src, dst;

	if (!READ_ONCE(mnet->pool.range_count))
		return false;
	mcp_nat_ends(skb, family, &src, &dst);
	return mcp_pool_foreign(mnet, &dst);
}

/**
 * mcp_nat_rest() - is a packet for nobody?
 * @mnet: the namespace
 * @skb: a packet of any kind that nobody has taken, at PRE_ROUTING
 * @family: AF_INET or AF_INET6
 *
 * To an address of the pool that the host does not have: routed on, it would come
 * back here.
 *
 * Context: softirq, under rcu_read_lock().
 * Return: NF_ACCEPT or NF_DROP.
 */
unsigned int mcp_nat_rest(struct mcp_net *mnet, struct sk_buff *skb, u16 family)
{
	struct mcp_endpoint src, dst;

	/* With a route it has been delivered, or comes from the host itself. */
	if (!READ_ONCE(mnet->pool.range_count) || skb_dst(skb) ||
	    (family == AF_INET6 && mcp_is_neighbour_discovery(skb)))
		return NF_ACCEPT;
	mcp_nat_ends(skb, family, &src, &dst);
	if (!mcp_pool_foreign(mnet, &dst))
		return NF_ACCEPT;
	mcp_count(mnet, MCP_STAT_EXTERNAL_UNMATCHED);
	return NF_DROP;
}

/**
 * mcp_nat_icmp() - an ICMP error came in: is it about a dial?
 * @mnet: the namespace
 * @skb: the ICMP packet, at PRE_ROUTING
 * @off: offset of its ICMP header
 * @family: AF_INET or AF_INET6
 *
 * A hard error is noted, and the dial fails with it. A soft one ends nothing
 * (RFC 1122 section 4.2.3.9): a socket that dials does not hear of it, since it
 * would fail (RFC 5461 section 2.2).
 *
 * Context: softirq, under rcu_read_lock().
 * Return: NF_ACCEPT if it is not ours, or NF_DROP: it has been seen to.
 */
unsigned int mcp_nat_icmp(struct mcp_net *mnet, struct sk_buff *skb,
			  unsigned int off, u16 family)
{
	unsigned int verdict = NF_DROP;
	enum mcp_icmp_kind kind;
	struct mcp_session *s;
	struct mcp_tuple tuple;
	struct icmphdr icmph;
	bool kick = false;
	u32 seq;

	if (!mcp_nat_busy(mnet) ||
	    skb_copy_bits(skb, off, &icmph, sizeof(icmph)))
		return NF_ACCEPT;
	kind = mcp_icmp_kind(family, icmph.type, icmph.code);
	if (kind == MCP_ICMP_NONE ||
	    !mcp_icmp_subject(skb, off + sizeof(icmph), family,
			      &tuple.external, &tuple.server, &seq))
		return NF_ACCEPT;
	s = mcp_nat_find(mnet, &tuple);
	if (!s)
		return mcp_nat_established(mnet, skb, &tuple, false);
	if (nf_checksum(skb, NF_INET_PRE_ROUTING, off, family == AF_INET ?
			IPPROTO_ICMP : IPPROTO_ICMPV6, family))
		goto out;
	spin_lock(&s->lock);
	/* Only the SYN is under way; anything else is forged. */
	seq += mcp_peer_dial_shift(s);
	if (s->down.heard == MCP_OUTCOME_PENDING && seq == s->down.isn) {
		if (kind == MCP_ICMP_HARD) {
			s->down.icmp_code = icmph.code;
			s->down.heard = MCP_OUTCOME_UNREACHABLE;
			kick = true;
		} else if (kind == MCP_ICMP_SOFT) {
			mcp_count(mnet, MCP_STAT_DIAL_SOFT_ERROR);
		}
	} else if (s->down.heard != MCP_OUTCOME_NONE && s->down.preserved &&
		   seq != s->down.isn) {
		/* Or for whose address this is. */
		verdict = NF_ACCEPT;
	}
	spin_unlock(&s->lock);
	if (kick)
		mcp_session_kick(s);
	if (s->down.by_socket && kind == MCP_ICMP_SIZE)
		verdict = mcp_nat_pass(s, skb);
out:
	mcp_session_put(s);
	return verdict;
}
