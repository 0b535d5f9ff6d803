// SPDX-License-Identifier: GPL-2.0
#include <crypto/sha2.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/dst.h>

#include "deliver.h"
#include "downstream.h"
#include "netlink_event.h"
#include "nat.h"
#include "pool.h"
#include "segment.h"
#include "session.h"
#include "steer.h"
#include "tcpopt.h"
#include "translate.h"
#include "unsolicited.h"
#include "upstream.h"
#include "withdraw.h"
#include "xmit.h"

/* A SYN with MP_JOIN, until the worker comes to it. */
struct mcp_join {
	struct list_head list;
	struct sk_buff *skb;
	struct mcp_pair pair;
	u32 isn;
	int ifindex;
};

static const struct rhashtable_params mcp_token_params = {
	.head_offset = offsetof(struct mcp_withdrawal, node),
	.key_offset = offsetof(struct mcp_withdrawal, token),
	.key_len = sizeof(__be32),
	.automatic_shrinking = true,
};

/**
 * mcp_withdraw_init() - a namespace's table of tokens
 * @mnet: the namespace
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_withdraw_init(struct mcp_net *mnet)
{
	return rhashtable_init(&mnet->tokens, &mcp_token_params);
}

/**
 * mcp_withdraw_exit() - free it; no session is left
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_withdraw_exit(struct mcp_net *mnet)
{
	rhashtable_destroy(&mnet->tokens);
}

/**
 * mcp_withdraw_intended() - is the MCP to step out, if the server speaks MPTCP?
 * @s: the session, about to be dialled
 *
 * Nothing but packets goes from the client to the server then: no early data, which
 * a SYN of ours would have to carry; no answer of a Convert client, which needs
 * a stream; no other address family.
 *
 * Context: the worker.
 */
bool mcp_withdraw_intended(struct mcp_session *s)
{
	const struct mcp_request *req = &s->request;

	return READ_ONCE(s->mnet->settings.mptcp) == MCP_MPTCP_WITHDRAW &&
		s->down.relay && !s->late && !s->answered &&
		req->codec == MCP_CODEC_MP_CONVERT &&
		s->payload_len == req->len &&
		req->server.family == s->key.client.family;
}

/* RFC 8684 section 3.2: the first 32 bits of the key's SHA-256. */
static __be32 mcp_token_of_key(__be64 key)
{
	__be32 digest[SHA256_DIGEST_SIZE / sizeof(__be32)];

	sha256((const u8 *)&key, sizeof(key), (u8 *)digest);
	return digest[0];
}

/* The server's SYN/ACK, as it would have come to the client. */
static void mcp_withdraw_answer(struct mcp_session *s)
{
	const struct mcp_downstream *d = &s->down;
	struct mcp_segment seg = {
		.src = s->key.mcp,
		.dst = s->key.client,
		.seq = d->irs - s->echo_len,
		.ack = d->isn + 1,
		.flags = MCP_SEG_SYN | MCP_SEG_ACK,
		.window = d->snd_window,
		.tos = d->synack->tos,
		.payload = s->payload,
		.payload_len = s->echo_len,
	};
	struct dst_entry *dst;

	seg.options_len = d->synack->len;
	memcpy(seg.options, d->synack->options, d->synack->len);
	dst = mcp_xmit_route(s->mnet->net, &seg);
	if (IS_ERR(dst))
		return;		/* the server repeats it */
	mcp_translate_clamp_mss(seg.options, seg.options_len,
				dst_metric_advmss(dst), NULL, NULL);
	if (s->echo_len)
		mcp_count(s->mnet, MCP_STAT_ECHO_SENT);
	mcp_xmit(s->mnet->net, &seg, dst);
}

static struct mcp_subflow *mcp_withdraw_first(struct mcp_session *s,
					      const struct mcp_tcpopt *opt)
{
	const struct mcp_downstream *d = &s->down;
	struct mcp_pair up = { s->key.client, s->key.mcp };
	struct mcp_pair down = { d->tuple.server, d->tuple.external };
	struct mcp_subflow *sf = mcp_subflow_new(s, &up, &down);

	if (!sf)
		return NULL;
	sf->isn = s->isn;
	sf->shift = s->syn_len;
	sf->initial = true;
	sf->state = MCP_STATE_ESTABLISHED;
	/* What both will have acknowledged when the handshake is complete. */
	sf->way[MCP_UP].ack = d->irs + 1;
	sf->way[MCP_DOWN].ack = d->isn + 1;
	if (opt->has_ts) {
		sf->way[MCP_UP].tsval = opt->tsecr;
		sf->way[MCP_DOWN].tsval = opt->tsval;
	}
	return sf;
}

/* A session of packets, whose first subflow is @sf, if there was memory for it. */
static struct mcp_withdrawal *mcp_withdraw_begin(struct mcp_session *s,
						 struct mcp_subflow *sf)
{
	struct mcp_withdrawal *w;

	if (!sf)
		return NULL;
	w = kzalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		goto free;
	w->session = s;
	w->steered = mcp_steered(s);
	w->mcp = s->key.mcp;
	INIT_LIST_HEAD(&w->subflows);
	INIT_LIST_HEAD(&w->joins);
	list_add(&sf->list, &w->subflows);
	w->count = 1;
	/* Before packets find it. */
	smp_store_release(&s->withdrawal, w);
	if (!mcp_subflow_publish(sf))
		return w;
	/* Nobody has found it, but who shows sessions may. */
	smp_store_release(&s->withdrawal, NULL);
	kfree_rcu(w, rcu);
free:
	mcp_subflow_free(sf);
	return NULL;
}

/* Connection tracking has seen the client's SYN: that is all it was to go on for. */
static int mcp_withdraw_seen(struct net *net, struct sock *sk, struct sk_buff *skb)
{
	consume_skb(skb);
	return 0;
}

/*
 * The client's SYN of a connection that is steered has passed INPUT: that was to be
 * known before anything is answered.
 */
static int mcp_withdraw_admitted(struct net *net, struct sock *sk,
				 struct sk_buff *skb)
{
	struct mcp_session *s = mcp_translate_session(mcp_net(net), skb);

	if (s) {
		mcp_steer_admit(s);
		mcp_withdraw_answer(s);
		mcp_session_put(s);
	}
	consume_skb(skb);
	return 0;
}

/**
 * mcp_withdraw() - step out of a connection that is being made
 * @s: the session; mcp_withdraw_intended() before the dial, and the server has
 *     accepted with MP_CAPABLE; or steered, and the peer has accepted
 *
 * Context: the worker.
 * Return: false if the MCP has to stay: the client is answered already, or there
 * is no memory.
 */
bool mcp_withdraw(struct mcp_session *s)
{
	struct mcp_withdrawal *w;
	struct mcp_tcpopt opt;
	bool held;

	spin_lock_bh(&s->lock);
	held = s->held;
	spin_unlock_bh(&s->lock);
	if (!held)
		return false;
	mcp_tcpopt_parse(s->down.synack->options, s->down.synack->len, &opt);
	w = mcp_withdraw_begin(s, mcp_withdraw_first(s, &opt));
	if (!w)
		return false;
	w->token = mcp_token_of_key(opt.key);
	/* Two servers may have made the same token: only one can be joined. */
	w->hashed = opt.has_key &&
		!rhashtable_lookup_insert_fast(&s->mnet->tokens, &w->node,
					       mcp_token_params);
	mcp_nat_close(s, false);
	s->dialled = true;
	s->hold_until = 0;
	s->dial_until = 0;
	s->syn_until = 0;
	s->accept_until = mcp_deadline(READ_ONCE(s->mnet->settings.syn_timeout));
	mcp_session_event(s, MCP_EV_EXTERNAL_SYN);
	s->idle_until = 0;		/* each subflow has its own */
	mcp_count(s->mnet, mcp_steered(s) ? MCP_STAT_SESSION_STEERED :
		  MCP_STAT_SESSION_WITHDRAWN);
	mcp_count(s->mnet, MCP_STAT_SYN_ANSWERED);
	if (mcp_steered(s)) {
		mcp_session_unhash(s);
		mcp_upstream_swallow(s, mcp_withdraw_admitted);
		return true;
	}
	mcp_upstream_swallow(s, mcp_withdraw_seen);
	mcp_session_unhash(s);
	mcp_withdraw_answer(s);
	return true;
}

/* A SYN that connection tracking has seen at the end of its way. */
static int mcp_join_translate(struct net *net, struct sock *sk,
			      struct sk_buff *skb)
{
	bool six = skb->protocol == htons(ETH_P_IPV6);
	unsigned int verdict;

	verdict = mcp_translate_tcp(mcp_net(net), skb,
				    skb_transport_offset(skb),
				    six ? AF_INET6 : AF_INET);
	if (verdict != NF_STOLEN)
		kfree_skb(skb);
	return 0;
}

/**
 * mcp_withdraw_inbound() - be ready to translate a connection from outside
 * @s: the session, of inbound.c
 * @syn: the SYN that opens it; stays the caller's
 *
 * Context: process; nobody works on @s yet.
 * Return: false if there is such a connection, or no memory.
 */
bool mcp_withdraw_inbound(struct mcp_session *s, struct sk_buff *syn)
{
	const struct mcp_tuple *tuple = &s->down.tuple;
	struct mcp_pair up = { s->key.client, tuple->server };
	struct mcp_pair down = { tuple->server, tuple->external };
	struct mcp_subflow *sf = mcp_subflow_new(s, &up, &down);
	struct mcp_withdrawal *w;

	if (sf) {
		sf->state = MCP_STATE_EXTERNAL_INIT;
		sf->initiator = MCP_DOWN;
	}
	w = mcp_withdraw_begin(s, sf);
	if (!w)
		return false;
	w->syn = skb_copy(syn, GFP_KERNEL);
	return true;
}

/**
 * mcp_withdraw_admit() - let the SYN of a connection from outside go on
 * @s: the session, after mcp_withdraw_inbound()
 * @syn: the SYN; taken over
 *
 * It is one for the host until the INPUT chain has seen it: whom a firewall keeps out
 * does not come in by this way either.
 *
 * Context: process.
 */
void mcp_withdraw_admit(struct mcp_session *s, struct sk_buff *syn)
{
	bool there;

	rcu_read_lock();
	there = skb_dst(syn) || mcp_deliver(syn, s->key.client.family);
	there = there && skb_dst_force(syn);
	rcu_read_unlock();
	if (there)
		mcp_upstream_resume(s, syn, s->ifindex, mcp_join_translate);
	else
		kfree_skb(syn);
}

/**
 * mcp_withdraw_syn() - the client's SYN came again: it has what the server is to see
 * @s: the session
 * @skb: the SYN
 * @thoff: offset of its TCP header
 * @again: it is the one that opened the connection; else a new one, which the server
 *	   is to challenge
 * @shift: octets of payload that it had then
 *
 * Context: BH off.
 * Return: false if it is not to go on.
 */
bool mcp_withdraw_syn(struct mcp_session *s, struct sk_buff *skb,
		      unsigned int thoff, bool again, u32 shift)
{
	if (mcp_steered(s))
		return !again || mcp_steer_syn(s, skb, thoff);
	return !mcp_segment_consume(skb, thoff, again ? shift : 0);
}

/**
 * mcp_withdraw_echo() - put the echo into a server's SYN/ACK
 * @s: the session
 * @skb: the SYN/ACK, translated; of a peer's, the echo is taken out
 * @thoff: offset of its TCP header
 * @payload_len: octets behind that
 *
 * Context: BH off.
 * Return: false if it is not to go on.
 */
bool mcp_withdraw_echo(struct mcp_session *s, struct sk_buff *skb,
		       unsigned int thoff, unsigned int payload_len)
{
	if (mcp_steered(s))
		return mcp_steer_synack(s, skb, thoff, payload_len);
	if (!s->echo_len)
		return true;
	if (mcp_segment_insert(skb, thoff, s->payload, s->echo_len)) {
		mcp_count(s->mnet, MCP_STAT_ECHO_FAILED);
		return false;
	}
	mcp_count(s->mnet, MCP_STAT_ECHO_SENT);
	return true;
}

/**
 * mcp_withdraw_count() - octets were translated
 * @s: the session
 * @dir: which way
 * @octets: how many, without headers
 *
 * Context: BH off.
 */
void mcp_withdraw_count(struct mcp_session *s, enum mcp_direction dir,
			unsigned int octets)
{
	/* Pairs with mcp_withdraw(). */
	struct mcp_withdrawal *w = smp_load_acquire(&s->withdrawal);

	atomic64_add(octets, &w->octets[dir]);
	mcp_count_add(s->mnet, dir == MCP_UP ? MCP_STAT_OCTETS_UP :
		      MCP_STAT_OCTETS_DOWN, octets);
}

/* ------------------------------------------------------- further subflows */

/*
 * The session of a token. To one that is steered, only what goes to the server's
 * address belongs: at others the peer itself can be reached. Under rcu_read_lock();
 * no reference is taken.
 */
static struct mcp_withdrawal *mcp_withdraw_find(struct mcp_net *mnet,
						__be32 token,
						const struct mcp_endpoint *to,
						bool steered)
{
	struct mcp_withdrawal *w;

	if (!atomic_read(&mnet->translated))
		return NULL;
	w = rhashtable_lookup(&mnet->tokens, &token, mcp_token_params);
	if (!w || w->steered != steered ||
	    (steered && !mcp_endpoint_equal(&w->mcp, to)))
		return NULL;
	return w;
}

/**
 * mcp_withdraw_joins() - is that a further subflow of a connection that is steered?
 * @mnet: the namespace
 * @token: in its SYN
 * @to: where that goes
 *
 * Context: any, under rcu_read_lock().
 */
bool mcp_withdraw_joins(struct mcp_net *mnet, __be32 token,
			const struct mcp_endpoint *to)
{
	return mcp_withdraw_find(mnet, token, to, true);
}

/**
 * mcp_withdraw_join() - a SYN with MP_JOIN came in: is it for such a session?
 * @mnet: the namespace
 * @skb: the SYN, at LOCAL_IN; or, not addressed to the host, at PRE_ROUTING
 * @pair: its source and destination
 * @token: in it
 * @isn: its sequence number
 * @ifindex: the interface it came in by
 * @steered: of a session that is steered, or of one that is not
 *
 * Only who has the server's token comes that far, and then it is the server who
 * asks for more. The worker sees to the rest.
 *
 * Context: softirq, under rcu_read_lock().
 * Return: true if it was taken over; else it is the stack's.
 */
bool mcp_withdraw_join(struct mcp_net *mnet, struct sk_buff *skb,
		       const struct mcp_pair *pair, __be32 token, u32 isn,
		       int ifindex, bool steered)
{
	struct mcp_withdrawal *w;
	struct mcp_join *join;
	struct mcp_session *s;
	bool taken = false;

	w = mcp_withdraw_find(mnet, token, &pair->dst, steered);
	if (!w || !mcp_session_get(w->session))
		return false;
	s = w->session;
	join = kzalloc(sizeof(*join), GFP_ATOMIC | __GFP_NOWARN);
	if (join && (skb_dst(skb) || mcp_deliver(skb, pair->src.family)) &&
	    skb_dst_force(skb)) {
		join->skb = skb;
		join->pair = *pair;
		join->isn = isn;
		join->ifindex = ifindex;
		spin_lock(&s->lock);
		taken = !s->dead && w->count + w->join_count <
			READ_ONCE(mnet->settings.max_subflows);
		if (taken) {
			skb_orphan(skb);
			list_add_tail(&join->list, &w->joins);
			w->join_count++;
		}
		spin_unlock(&s->lock);
	}
	if (taken) {
		mcp_session_kick(s);
	} else {
		/* For the client it is lost; it may ask again. */
		mcp_count(mnet, MCP_STAT_JOIN_REFUSED);
		kfree(join);
		kfree_skb(skb);
	}
	mcp_session_put(s);
	return true;
}

/*
 * Where a further subflow leaves from: a port of its own, unless addresses stay. What
 * is steered to one peer may have come from one port to several servers.
 */
static bool mcp_join_external(struct mcp_session *s, struct mcp_join *join,
			      struct mcp_mapping **map,
			      struct mcp_endpoint *external)
{
	struct mcp_endpoint addr = s->down.tuple.external;
	enum mcp_stat reason;

	if (s->down.preserved) {
		*map = NULL;
		*external = join->pair.src;
		return true;
	}
	addr.port = 0;
	if (mcp_steered(s) &&
	    !mcp_steer_source(s, &join->pair.src, join->ifindex, &addr))
		return false;
	*map = mcp_pool_map(s->mnet, s->client, &join->pair.src, &addr,
			    mcp_steered(s), &reason);
	if (!*map) {
		mcp_count(s->mnet, reason);
		return false;
	}
	*external = (*map)->external;
	return true;
}

static struct mcp_subflow *mcp_join_open(struct mcp_session *s,
					 struct mcp_join *join)
{
	struct mcp_pair down = { .src = s->down.tuple.server };
	struct mcp_mapping *map;
	struct mcp_subflow *sf;

	/* Addresses are translated, headers are not. */
	if (join->pair.src.family != down.src.family ||
	    !mcp_join_external(s, join, &map, &down.dst))
		return NULL;
	sf = mcp_subflow_new(s, &join->pair, &down);
	if (sf) {
		sf->isn = join->isn;
		sf->map = map;
		if (!mcp_subflow_publish(sf))
			return sf;
		mcp_subflow_free(sf);
	}
	if (map)
		mcp_pool_unmap(s->mnet, map);
	return NULL;
}

static void mcp_join_run(struct mcp_session *s, struct mcp_join *join)
{
	struct mcp_withdrawal *w = s->withdrawal;
	struct mcp_subflow *sf = mcp_join_open(s, join);

	if (!sf) {
		mcp_count(s->mnet, MCP_STAT_JOIN_REFUSED);
		kfree_skb(join->skb);
		return;
	}
	list_add_tail(&sf->list, &w->subflows);
	spin_lock_bh(&s->lock);
	w->count++;
	spin_unlock_bh(&s->lock);
	mcp_count(s->mnet, MCP_STAT_JOIN_TRANSLATED);
	mcp_upstream_resume(s, join->skb, join->ifindex, mcp_join_translate);
}

/* The SYNs that are waiting; the caller frees them. */
static void mcp_join_take(struct mcp_session *s, struct list_head *joins)
{
	spin_lock_bh(&s->lock);
	list_splice_init(&s->withdrawal->joins, joins);
	s->withdrawal->join_count = 0;
	spin_unlock_bh(&s->lock);
}

/* --------------------------------------------------------------- lifetime */

static void mcp_withdraw_drop(struct mcp_session *s, struct mcp_subflow *sf)
{
	struct mcp_withdrawal *w = s->withdrawal;

	mcp_subflow_unhash(sf);
	list_del(&sf->list);
	spin_lock_bh(&s->lock);
	w->count--;
	spin_unlock_bh(&s->lock);
	if (sf->map)
		mcp_pool_unmap(s->mnet, sf->map);
	mcp_subflow_free(sf);
}

/* Why a subflow has come to its end, when it is the last one. */
static enum mcp_end mcp_withdraw_reason(const struct mcp_subflow *sf)
{
	switch (READ_ONCE(sf->reset_by)) {
	case MCP_GONE_UPSTREAM:
		return MCP_END_CLIENT_RESET;
	case MCP_GONE_DOWNSTREAM:
		return MCP_END_SERVER_RESET;
	}
	if (!READ_ONCE(sf->confirmed))
		return MCP_END_CLIENT_GONE;
	return READ_ONCE(sf->state) == MCP_STATE_BOTH_FIN ? MCP_END_CLOSED :
		MCP_END_IDLE;
}

static bool mcp_withdraw_is_closing(struct mcp_withdrawal *w)
{
	const struct mcp_subflow *sf;
	u8 state;

	list_for_each_entry(sf, &w->subflows, list) {
		state = READ_ONCE(sf->state);
		if (state != MCP_STATE_BOTH_FIN &&
		    (state != MCP_STATE_TRANS || !READ_ONCE(sf->reset_by)))
			return false;
	}
	return true;
}

/*
 * One that is over is remembered for the transitory time (RFC 6146), unless others
 * need its port. True if they do.
 */
static bool mcp_withdraw_yields(struct mcp_session *s)
{
	struct mcp_withdrawal *w = s->withdrawal;
	bool closing = mcp_withdraw_is_closing(w);
	bool asked = test_and_clear_bit(MCP_SESSION_EVICTED, &s->events);

	if (closing != w->closing)
		mcp_session_mark(s, MCP_MARK_CLOSING, closing);
	w->closing = closing;
	if (asked && !closing)
		mcp_downstream_keep_room(s);
	return asked && closing;
}

/**
 * mcp_withdraw_complete() - has the client completed its handshake?
 * @s: the session, after mcp_withdraw()
 *
 * Also if mcp_withdraw_run() has not seen it yet.
 *
 * Context: the worker.
 */
bool mcp_withdraw_complete(const struct mcp_session *s)
{
	const struct mcp_subflow *sf;

	list_for_each_entry(sf, &s->withdrawal->subflows, list)
		if (READ_ONCE(sf->confirmed))
			return true;
	return false;
}

/* True if it is over. */
static bool mcp_withdraw_look(struct mcp_session *s, struct mcp_subflow *sf)
{
	/* Nobody will speak in a connection that was refused. */
	if (!READ_ONCE(sf->confirmed) && READ_ONCE(sf->reset_by))
		return true;
	if (time_before(jiffies, mcp_subflow_deadline(sf)))
		return false;
	switch (mcp_subflow_expire(sf)) {
	case MCP_ACTION_PROBE:
		mcp_count(s->mnet, MCP_STAT_SESSION_PROBED);
		mcp_subflow_probe(sf);
		return false;
	case MCP_ACTION_DELETE:
		return true;
	default:
		return false;
	}
}

static void mcp_withdraw_forget_syn(struct mcp_withdrawal *w)
{
	kfree_skb(w->syn);
	w->syn = NULL;
}

/* A client that says nothing to who knocks (RFC 5382 REQ-4). */
static void mcp_withdraw_refuse(struct mcp_session *s)
{
	struct mcp_withdrawal *w = s->withdrawal;

	if (w->syn && s->inbound &&
	    READ_ONCE(s->state) == MCP_STATE_EXTERNAL_INIT)
		mcp_unsolicited_refuse(s->mnet, w->syn, s->key.client.family,
				       s->ifindex);
	mcp_withdraw_forget_syn(w);
}

/* The handshake is complete: from here on it is established. */
static void mcp_withdraw_confirm(struct mcp_session *s)
{
	s->withdrawal->confirmed = true;
	s->bound = true;
	s->accept_until = 0;
	mcp_count(s->mnet, MCP_STAT_SESSION_BOUND);
	if (!s->inbound)
		mcp_count(s->mnet, MCP_STAT_SESSION_MPTCP);
	mcp_session_bound(s);
	mcp_inbound_settled(s);
	mcp_withdraw_forget_syn(s->withdrawal);
	mcp_netlink_notify(s, MCP_EVENT_BOUND, MCP_END_NONE);
}

/**
 * mcp_withdraw_run() - look after a session that is only translated
 * @s: the session, after mcp_withdraw()
 *
 * Context: the worker.
 * Return: MCP_END_NONE, or why it is over.
 */
enum mcp_end mcp_withdraw_run(struct mcp_session *s)
{
	struct mcp_withdrawal *w = s->withdrawal;
	enum mcp_end why = MCP_END_CLOSED;
	struct mcp_subflow *sf, *next;
	struct mcp_join *join, *after;
	unsigned long until, first = 0;
	LIST_HEAD(joins);
	bool yields;
	u8 state;

	mcp_join_take(s, &joins);
	list_for_each_entry_safe(join, after, &joins, list) {
		mcp_join_run(s, join);
		kfree(join);
	}
	/* That of the first one, unless another is more alive. */
	state = MCP_STATE_CLOSED;
	yields = mcp_withdraw_yields(s);
	list_for_each_entry_safe(sf, next, &w->subflows, list) {
		if (!w->confirmed && READ_ONCE(sf->confirmed))
			mcp_withdraw_confirm(s);
		if (yields || mcp_withdraw_look(s, sf)) {
			why = mcp_withdraw_reason(sf);
			mcp_withdraw_drop(s, sf);
			continue;
		}
		until = mcp_subflow_deadline(sf);
		if (!first || time_before(until, first))
			first = until;
		if (state == MCP_STATE_CLOSED ||
		    READ_ONCE(sf->state) == MCP_STATE_ESTABLISHED)
			state = READ_ONCE(sf->state);
	}
	if (list_empty(&w->subflows))
		return why;
	WRITE_ONCE(s->state, state);
	s->look_again = (u32)first ?: 1;
	if (s->accept_until && mcp_deadline_passed(s->accept_until)) {
		mcp_withdraw_refuse(s);
		return MCP_END_CLIENT_GONE;
	}
	return MCP_END_NONE;
}

/* Is it the MCP, and neither end, that ends it? */
static bool mcp_withdraw_tells(enum mcp_end why)
{
	switch (why) {
	case MCP_END_CLOSED:
	case MCP_END_CLIENT_RESET:
	case MCP_END_SERVER_RESET:
	case MCP_END_IDLE:
		return false;
	default:
		return true;
	}
}

/**
 * mcp_withdraw_end() - translate nothing more
 * @s: the session, withdrawn or not
 * @why: the reason
 *
 * Context: the worker.
 */
void mcp_withdraw_end(struct mcp_session *s, enum mcp_end why)
{
	struct mcp_withdrawal *w = s->withdrawal;
	struct mcp_subflow *sf, *next;
	struct mcp_join *join, *after;
	LIST_HEAD(joins);

	if (!w)
		return;
	if (w->hashed)
		rhashtable_remove_fast(&s->mnet->tokens, &w->node,
				       mcp_token_params);
	w->hashed = false;
	spin_lock_bh(&s->lock);
	s->dead = true;
	spin_unlock_bh(&s->lock);
	mcp_withdraw_forget_syn(w);
	mcp_join_take(s, &joins);
	list_for_each_entry_safe(join, after, &joins, list) {
		kfree_skb(join->skb);
		kfree(join);
	}
	list_for_each_entry_safe(sf, next, &w->subflows, list) {
		/* Who has not been answered knows no number yet. */
		if (mcp_withdraw_tells(why) && READ_ONCE(sf->hashed) &&
		    READ_ONCE(sf->state) != MCP_STATE_EXTERNAL_INIT)
			mcp_subflow_reset(sf);
		mcp_withdraw_drop(s, sf);
	}
}

/**
 * mcp_withdraw_free() - free what a session had of it
 * @s: the session, to which nobody has a reference
 *
 * Context: any.
 */
void mcp_withdraw_free(struct mcp_session *s)
{
	if (s->withdrawal)
		kfree_rcu(s->withdrawal, rcu);
}

/**
 * mcp_withdraw_show() - what there is to show of it
 * @s: the session; the caller has a reference
 * @kind: enum mcp_upstream_kind
 * @subflows: how many there are
 * @up: octets from the client
 * @down: octets from the server
 *
 * Context: any.
 * Return: false if the MCP is not, or not yet, only translating; nothing is
 * written then.
 */
bool mcp_withdraw_show(struct mcp_session *s, u8 *kind, u8 *subflows, u64 *up,
		       u64 *down)
{
	struct mcp_withdrawal *w;
	bool withdrawn;

	rcu_read_lock();
	/* Pairs with mcp_withdraw(). */
	w = smp_load_acquire(&s->withdrawal);
	withdrawn = w && READ_ONCE(w->count);
	if (withdrawn) {
		*kind = MCP_UPSTREAM_TRANSLATED;
		*subflows = READ_ONCE(w->count);
		*up = atomic64_read(&w->octets[MCP_UP]);
		*down = atomic64_read(&w->octets[MCP_DOWN]);
	}
	rcu_read_unlock();
	return withdrawn;
}
