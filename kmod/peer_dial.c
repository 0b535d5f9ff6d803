// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/tcp.h>

#include "connect.h"
#include "convert.h"
#include "nat.h"
#include "peer_dial.h"
#include "segment.h"
#include "session.h"
#include "socket.h"
#include "steer.h"
#include "tcpopt.h"

/* So long a SYN fits into any packet: the smallest MTU of IPv6 is 1280. */
#define MCP_PEER_SYN_MAX	1100

/**
 * mcp_peer_dial_new() - a session is to be dialled by a peer
 * @s: the session, not published yet
 * @name: name of the peers
 * @steered: it is MPTCP, and does not end here
 * @gfp: how to allocate
 *
 * Context: any but hard interrupt, as @gfp allows.
 * Return: false if there is no memory.
 */
bool mcp_peer_dial_new(struct mcp_session *s, const char *name, bool steered,
		       gfp_t gfp)
{
	struct mcp_peer_dial *pd = kzalloc(sizeof(*pd), gfp | __GFP_NOWARN);

	if (!pd)
		return false;
	strscpy(pd->name, name, sizeof(pd->name));
	pd->steered = steered;
	atomic_inc(&s->mnet->peers.dials);
	spin_lock_bh(&s->lock);
	s->peer_dial = pd;
	spin_unlock_bh(&s->lock);
	return true;
}

/* Who is asked now; NULL: nobody. */
static void mcp_peer_dial_set(struct mcp_session *s, struct mcp_peer *peer)
{
	struct mcp_peer *old;

	spin_lock_bh(&s->lock);
	old = s->peer_dial->peer;
	s->peer_dial->peer = peer;
	spin_unlock_bh(&s->lock);
	if (old)
		mcp_peer_put(old);
}

/**
 * mcp_peer_dial_free() - undo mcp_peer_dial_new(), if it was done
 * @s: the session, to which nobody has a reference
 *
 * Context: any.
 */
void mcp_peer_dial_free(struct mcp_session *s)
{
	struct mcp_peer_dial *pd = s->peer_dial;

	if (!pd)
		return;
	if (pd->peer)
		mcp_peer_put(pd->peer);
	atomic_dec(&s->mnet->peers.dials);
	kfree(pd->octets);
	kfree(pd->answer);
	kfree(pd);
	s->peer_dial = NULL;
}

/**
 * mcp_peer_dial_active() - is a peer to dial, or has it dialled?
 * @s: the session
 *
 * Context: the worker; or any while the downstream SYN is under way, when no peer is
 * given up.
 */
bool mcp_peer_dial_active(const struct mcp_session *s)
{
	return s->peer_dial && !s->peer_dial->off;
}

/**
 * mcp_peer_dial_stop() - no peer is to be asked any more
 * @s: the session, which is in no peer's hands
 *
 * Context: the worker.
 */
void mcp_peer_dial_stop(struct mcp_session *s)
{
	mcp_peer_dial_set(s, NULL);
	s->peer_dial->off = true;
	s->peer_dial->len = 0;
	s->peer_dial->early = false;
}

/* --------------------------------------------------------------- request */

static int mcp_peer_mp_convert(struct mcp_session *s, u8 *buf, size_t size)
{
	const struct mcp_endpoint *origin = &s->key.client;

	if (s->request.origin.family)
		origin = &s->request.origin;
	/* Whom a client behind a mapping speaks with, it is always told. */
	if (!s->peer_dial->peer->spec.origin &&
	    s->ingress != MCP_INGRESS_MAPPING)
		origin = NULL;
	return mcp_mp_convert_encode(buf, size, &s->request.server, origin);
}

static int mcp_peer_convert(struct mcp_session *s, u8 *buf, size_t size)
{
	u8 cookie[MCP_PEER_COOKIE_MAX];
	struct mcp_message msg;
	u8 len;

	mcp_message_begin(&msg, buf, size);
	mcp_message_connect(&msg, &s->request.server, NULL, 0);
	len = mcp_peer_cookie(s->peer_dial->peer, cookie);
	if (len)
		mcp_message_cookie(&msg, cookie, len);
	return mcp_message_end(&msg);
}

/* Puts the request together, with early data behind it if that fits into a SYN. */
static int mcp_peer_request(struct mcp_session *s)
{
	u32 early_len = s->payload_len - s->request.len;
	struct mcp_peer_dial *pd = s->peer_dial;
	int len;

	pd->len = 0;
	pd->request_len = 0;
	pd->early = false;
	if (pd->way == MCP_PEER_MARKED)
		return 0;
	if (!pd->octets)
		pd->octets = kmalloc(MCP_PEER_SYN_MAX, GFP_KERNEL);
	if (!pd->octets)
		return -ENOMEM;
	len = pd->peer->spec.codec == MCP_CODEC_CONVERT ?
		mcp_peer_convert(s, pd->octets, MCP_PEER_SYN_MAX) :
		mcp_peer_mp_convert(s, pd->octets, MCP_PEER_SYN_MAX);
	if (len < 0)
		return len;
	pd->request_len = len;
	pd->early = early_len && pd->way == MCP_PEER_IN_SYN &&
		len + early_len <= MCP_PEER_SYN_MAX;
	if (pd->early) {
		memcpy(pd->octets + len, s->payload + s->request.len, early_len);
		len += early_len;
	}
	pd->len = pd->way == MCP_PEER_IN_SYN ? len : 0;
	return 0;
}

/* ------------------------------------------------------------- the worker */

/* Gives up what was begun with a peer. */
static void mcp_peer_dial_drop(struct mcp_session *s)
{
	struct socket *sock;

	if (s->peer_dial->steered) {
		mcp_downstream_release(s);
		return;
	}
	mcp_nat_close(s, false);
	sock = mcp_downstream_detach(s);
	if (sock)
		mcp_socket_release(sock);
}

/* Is this host, and not the peer, why it could not be dialled? */
static bool mcp_peer_dial_is_ours(struct mcp_session *s, int err)
{
	switch (err) {
	case -ENOPROTOOPT:		/* net.mptcp.enabled is 0 */
		mcp_count(s->mnet, MCP_STAT_PEER_NOT_MPTCP);
		return true;
	case -EADDRINUSE:		/* no port is left */
	case -EADDRNOTAVAIL:
	case -EEXIST:
	case -ENOBUFS:
	case -ENOMEM:
	case -ENETDOWN:			/* the namespace goes away */
		return true;
	default:
		return false;
	}
}

/* Begins to dial the peer that is chosen. 0 or a negative error. */
static int mcp_peer_dial_connect(struct mcp_session *s, enum mcp_peer_way way)
{
	struct mcp_peer_dial *pd = s->peer_dial;
	const struct mcp_endpoint *to = &pd->peer->spec.addr;
	struct mcp_endpoint source;
	int err;

	if (pd->peer->spec.codec == MCP_CODEC_IMPLICIT) {
		way = MCP_PEER_MARKED;
		to = &s->request.server;
	}
	pd->way = way;
	pd->began = jiffies;
	pd->heard = MCP_PEER_HEARD_NOTHING;
	pd->sent = false;
	pd->answer_len = 0;
	/* A server's silence is none of the peer's: dial_until is for that. */
	s->syn_until = way == MCP_PEER_MARKED ? 0 :
		mcp_deadline(READ_ONCE(s->mnet->settings.peer_timeout));
	err = mcp_peer_request(s);
	if (err)
		return err;
	if (pd->steered)
		return mcp_steer_dial(s, to);
	if (!mcp_nat_source(s->mnet, to, s->tos, &source))
		return -ENETUNREACH;
	return mcp_connect_from(s, &source, to);
}

/* No peer is to be asked. */
static enum mcp_outcome mcp_peer_dial_pass(struct mcp_session *s)
{
	mcp_peer_dial_drop(s);
	mcp_peer_dial_set(s, NULL);
	s->syn_until = 0;
	return MCP_OUTCOME_PASS;
}

/* The next peer that may do; MCP_OUTCOME_PASS: there is none. */
static enum mcp_outcome mcp_peer_dial_next(struct mcp_session *s)
{
	struct mcp_peer_dial *pd = s->peer_dial;
	u16 steered = pd->steered ? s->key.client.family : 0;
	struct mcp_peer *peer;
	bool late;
	int err;

	mcp_peer_dial_drop(s);
	for (;;) {
		peer = mcp_peer_pick(s->mnet, pd->name, pd->tried, steered);
		mcp_peer_dial_set(s, peer);
		if (!peer)
			break;
		pd->tried |= BIT_ULL(peer->id);
		late = !steered && mcp_peer_wants_late(peer);
		mcp_peer_count(peer, MCP_PEER_COUNT_DIALS);
		if (late)
			mcp_peer_count(peer, MCP_PEER_COUNT_LATE);
		err = mcp_peer_dial_connect(s, late ? MCP_PEER_LATE :
					    MCP_PEER_IN_SYN);
		if (!err)
			return MCP_OUTCOME_PENDING;
		mcp_peer_dial_drop(s);
		if (mcp_peer_dial_is_ours(s, err))
			break;
		mcp_peer_failed(s->mnet, peer);
	}
	return mcp_peer_dial_pass(s);
}

static enum mcp_outcome mcp_peer_dial_failed(struct mcp_session *s)
{
	mcp_peer_failed(s->mnet, s->peer_dial->peer);
	return mcp_peer_dial_next(s);
}

/* The same peer once more. */
static enum mcp_outcome mcp_peer_dial_anew(struct mcp_session *s,
					   enum mcp_peer_way way)
{
	int err;

	mcp_peer_dial_drop(s);
	err = mcp_peer_dial_connect(s, way);
	if (!err)
		return MCP_OUTCOME_PENDING;
	return mcp_peer_dial_is_ours(s, err) ? mcp_peer_dial_pass(s) :
		mcp_peer_dial_failed(s);
}

/* The peer has made the connection. */
static enum mcp_outcome mcp_peer_dial_done(struct mcp_session *s)
{
	mcp_peer_works(s->peer_dial->peer);
	mcp_peer_count(s->peer_dial->peer, MCP_PEER_COUNT_ACCEPTED);
	s->syn_until = 0;
	return MCP_OUTCOME_ACCEPTED;
}

/* The peer is there and has tried: so it is the server. */
static enum mcp_outcome mcp_peer_dial_refused(struct mcp_session *s,
					      enum mcp_outcome outcome)
{
	mcp_peer_works(s->peer_dial->peer);
	mcp_peer_count(s->peer_dial->peer, MCP_PEER_COUNT_REFUSED);
	s->syn_until = 0;
	return outcome;
}

/* What an Error TLV means for the one whose connection it is (protocol.md 4). */
static enum mcp_outcome mcp_peer_dial_error(struct mcp_session *s,
					    const struct mcp_answer *answer)
{
	struct mcp_peer_dial *pd = s->peer_dial;

	switch (answer->code) {
	case MCP_ERR_RESET:
		return mcp_peer_dial_refused(s, MCP_OUTCOME_REFUSED);
	case MCP_ERR_UNREACHABLE:
		s->down.icmp_code = answer->value;
		return mcp_peer_dial_refused(s, MCP_OUTCOME_UNREACHABLE);
	case MCP_ERR_NETWORK_FAILURE:
		return mcp_peer_dial_refused(s, MCP_OUTCOME_TIMED_OUT);
	case MCP_ERR_MISSING_COOKIE:
		if (!mcp_peer_learn_cookie(pd->peer,
					   pd->answer + answer->cookie_off,
					   answer->cookie_len))
			break;
		mcp_count(s->mnet, MCP_STAT_PEER_COOKIE_LEARNT);
		return mcp_peer_dial_anew(s, pd->way);
	case MCP_ERR_MALFORMED:
	case MCP_ERR_UNSUPPORTED_MESSAGE:
		/* It is about this request, and not about all. */
		return mcp_peer_dial_next(s);
	}
	return mcp_peer_dial_failed(s);
}

/* Convert: the peer's stream begins with what came of it; exactly that is read. */
static enum mcp_outcome mcp_peer_dial_answer(struct mcp_session *s)
{
	struct mcp_peer_dial *pd = s->peer_dial;
	enum mcp_decode decoded;
	struct mcp_answer answer;
	int n;

	if (!pd->answer)
		pd->answer = kmalloc(MCP_CONVERT_MAX, GFP_KERNEL);
	if (!pd->answer)
		return mcp_peer_dial_next(s);
	for (;;) {
		decoded = mcp_answer_decode(pd->answer, pd->answer_len, &answer);
		if (decoded != MCP_DECODE_MORE)
			break;
		n = mcp_socket_receive(s->down.sock, pd->answer + pd->answer_len,
				       answer.need - pd->answer_len);
		if (n == -EAGAIN)
			return MCP_OUTCOME_PENDING;
		if (n <= 0)
			return mcp_peer_dial_failed(s);
		pd->answer_len += n;
	}
	if (decoded != MCP_DECODE_OK)
		return mcp_peer_dial_failed(s);
	return answer.failed ? mcp_peer_dial_error(s, &answer) : mcp_peer_dial_done(s);
}

/* Behind the handshake, as the first octets of the stream. */
static bool mcp_peer_dial_send(struct mcp_session *s)
{
	struct mcp_peer_dial *pd = s->peer_dial;
	struct kvec iov = {
		.iov_base = pd->octets, .iov_len = pd->request_len,
	};
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };

	if (pd->sent)
		return true;
	/* A new socket has room for it. */
	pd->sent = kernel_sendmsg(s->down.sock, &msg, &iov, 1,
				  pd->request_len) == pd->request_len;
	return pd->sent;
}

static enum mcp_outcome mcp_peer_dial_established(struct mcp_session *s)
{
	struct mcp_peer_dial *pd = s->peer_dial;

	if (pd->way == MCP_PEER_PROBE)
		return mcp_peer_dial_refused(s, MCP_OUTCOME_REFUSED);
	if (pd->way == MCP_PEER_LATE && !mcp_peer_dial_send(s))
		return mcp_peer_dial_failed(s);
	if (pd->peer->spec.codec == MCP_CODEC_CONVERT)
		return mcp_peer_dial_answer(s);
	return mcp_peer_dial_done(s);
}

/*
 * A RST. In answer to a request of MP_CONVERT it may be the server's, or that of a
 * host whose MCP is not there: a SYN without a request tells.
 */
static enum mcp_outcome mcp_peer_dial_reset(struct mcp_session *s)
{
	struct mcp_peer_dial *pd = s->peer_dial;

	if (pd->way == MCP_PEER_MARKED)
		return mcp_peer_dial_refused(s, MCP_OUTCOME_REFUSED);
	if (pd->way != MCP_PEER_IN_SYN ||
	    pd->peer->spec.codec != MCP_CODEC_MP_CONVERT)
		return mcp_peer_dial_failed(s);
	return mcp_peer_dial_anew(s, MCP_PEER_PROBE);
}

/* Nobody has answered. To a probe that is an answer: no MCP is one that resets. */
static enum mcp_outcome mcp_peer_dial_silence(struct mcp_session *s)
{
	const struct mcp_peer_dial *pd = s->peer_dial;

	if (pd->way == MCP_PEER_PROBE)
		return mcp_peer_dial_refused(s, MCP_OUTCOME_REFUSED);
	/* It has answered others meanwhile: so it is the request that it ignores. */
	if (time_after(READ_ONCE(pd->peer->worked), pd->began))
		return mcp_peer_dial_next(s);
	return mcp_peer_dial_failed(s);
}

/**
 * mcp_peer_dial_begin() - have a peer dial the server
 * @s: the session, with a peer_dial
 *
 * Context: the worker.
 * Return: MCP_OUTCOME_PENDING, or MCP_OUTCOME_PASS: no peer can be asked.
 */
enum mcp_outcome mcp_peer_dial_begin(struct mcp_session *s)
{
	return mcp_peer_dial_next(s);
}

/* Of a connection that is steered packets tell. */
static enum mcp_outcome mcp_peer_dial_heard(struct mcp_session *s)
{
	u8 heard;

	spin_lock_bh(&s->lock);
	heard = s->down.heard;
	spin_unlock_bh(&s->lock);
	return heard;
}

/**
 * mcp_peer_dial_outcome() - what has come of it so far
 * @s: the session; MCP_OUTCOME_PENDING until now
 *
 * Context: the worker.
 * Return: MCP_OUTCOME_PASS if there is no peer left that could dial.
 */
enum mcp_outcome mcp_peer_dial_outcome(struct mcp_session *s)
{
	struct mcp_peer_dial *pd = s->peer_dial;
	enum mcp_outcome outcome;
	u8 heard;

	spin_lock_bh(&s->lock);
	heard = pd->heard;
	spin_unlock_bh(&s->lock);
	if (heard == MCP_PEER_HEARD_NOT_MPTCP) {
		mcp_count(s->mnet, MCP_STAT_PEER_NOT_MPTCP);
		return mcp_peer_dial_pass(s);
	}
	if (heard == MCP_PEER_HEARD_NO_ECHO) {
		mcp_peer_is_plain(s->mnet, pd->peer, &s->down.tuple.external);
		return mcp_peer_dial_next(s);
	}
	if (heard == MCP_PEER_HEARD_SHORT) {
		mcp_peer_lost_payload(s->mnet, pd->peer);
		if (pd->steered)
			return mcp_peer_dial_next(s);
		mcp_peer_count(pd->peer, MCP_PEER_COUNT_LATE);
		return mcp_peer_dial_anew(s, MCP_PEER_LATE);
	}
	outcome = pd->steered ? mcp_peer_dial_heard(s) : mcp_connect_outcome(s);
	switch (outcome) {
	case MCP_OUTCOME_ACCEPTED:
		outcome = mcp_peer_dial_established(s);
		break;
	case MCP_OUTCOME_REFUSED:
		outcome = mcp_peer_dial_reset(s);
		break;
	case MCP_OUTCOME_PENDING:
		break;
	default:
		outcome = pd->way == MCP_PEER_MARKED ?
			mcp_peer_dial_refused(s, outcome) :
			mcp_peer_dial_failed(s);
		break;
	}
	if (outcome == MCP_OUTCOME_PENDING && s->syn_until &&
	    mcp_deadline_passed(s->syn_until))
		outcome = mcp_peer_dial_silence(s);
	return outcome;
}

/**
 * mcp_peer_dial_shift() - octets that were put into the SYN of a socket
 * @s: the session
 *
 * Context: any; while the session is in mcp_net.dials.
 */
u32 mcp_peer_dial_shift(const struct mcp_session *s)
{
	return s->peer_dial ? s->peer_dial->len : 0;
}

/**
 * mcp_peer_dial_early() - octets of early data that the peer has already
 * @s: the session; the peer has accepted
 *
 * Context: the worker.
 */
u32 mcp_peer_dial_early(const struct mcp_session *s)
{
	const struct mcp_peer_dial *pd = s->peer_dial;

	return pd && pd->early && pd->way == MCP_PEER_IN_SYN ?
		pd->len - pd->request_len : 0;
}

/**
 * mcp_peer_dial_show() - who dials, or has dialled
 * @s: the session
 * @peer: the peer's address and port
 *
 * Context: any but hard interrupt.
 * Return: false if there is no such peer.
 */
bool mcp_peer_dial_show(struct mcp_session *s, struct mcp_endpoint *peer)
{
	bool found = false;

	spin_lock_bh(&s->lock);
	if (s->peer_dial && s->peer_dial->peer) {
		*peer = s->peer_dial->peer->spec.addr;
		found = true;
	}
	spin_unlock_bh(&s->lock);
	return found;
}

/* --------------------------------------------------------------- packets */

/* MP_PREFER_PROXY, in a SYN that has MP_CAPABLE (plain mode section 4). */
static void mcp_peer_dial_mark(struct mcp_session *s, struct sk_buff *skb,
			       unsigned int thoff)
{
	static const u8 mark[] = {
		MCP_TCPOPT_MPTCP, 4, MCP_SUBTYPE_PREFER_PROXY << 4, 0,
	};

	if (!mcp_segment_add_option(skb, thoff, mark, sizeof(mark)))
		mcp_count(s->mnet, MCP_STAT_PEER_MARKED);
}

/**
 * mcp_peer_dial_syn() - a socket's SYN to a peer goes out, the first one or again
 * @s: the session
 * @skb: the SYN, at LOCAL_OUT
 * @thoff: offset of its TCP header
 * @mptcp: it has MP_CAPABLE
 * @first: it is the first one
 *
 * With the request its sequence number goes back, so that the SYN and what is behind
 * it have the numbers that the socket knows. One that cannot be lengthened goes as
 * it is, and the answer to it says so.
 *
 * A peer would refuse one without MP_CAPABLE, and what is refused seems to be the
 * server's doing. The kernel sends such where MPTCP is switched off, be it by its
 * blackhole detection, and as last SYN to who is silent; where that is then answered
 * it switches MPTCP off for the whole host.
 *
 * Context: any but hard interrupt.
 * Return: false if it is not to go out.
 */
bool mcp_peer_dial_syn(struct mcp_session *s, struct sk_buff *skb,
		       unsigned int thoff, bool mptcp, bool first)
{
	struct mcp_peer_dial *pd = s->peer_dial;

	if (pd->way == MCP_PEER_MARKED) {
		mcp_peer_dial_mark(s, skb, thoff);
		return true;
	}
	if (!mptcp) {
		if (first) {
			spin_lock_bh(&s->lock);
			pd->heard = MCP_PEER_HEARD_NOT_MPTCP;
			spin_unlock_bh(&s->lock);
			mcp_session_kick(s);
		}
		return false;
	}
	if (pd->len && !mcp_segment_insert(skb, thoff, pd->octets, pd->len))
		mcp_count(s->mnet, MCP_STAT_PEER_REQUEST);
	return true;
}

/* What the SYN/ACK says of the request. Locked. */
static u8 mcp_peer_hear(struct mcp_session *s, const struct sk_buff *skb,
			unsigned int off, u32 ack)
{
	const struct mcp_peer_dial *pd = s->peer_dial;
	u8 echo[MCP_MP_CONVERT_MAX];
	unsigned int len = pd->request_len;

	if (ack == s->down.isn + 1 - pd->len)
		return MCP_PEER_HEARD_SHORT;
	if (ack != s->down.isn + 1 ||
	    pd->peer->spec.codec != MCP_CODEC_MP_CONVERT)
		return MCP_PEER_HEARD_NOTHING;
	if (len > sizeof(echo) || skb->len - off < len ||
	    skb_copy_bits(skb, off, echo, len) ||
	    memcmp(echo, pd->octets, len))
		return MCP_PEER_HEARD_NO_ECHO;
	return MCP_PEER_HEARD_ECHO;
}

/**
 * mcp_peer_dial_hear() - a peer answers what was steered to it
 * @s: the session, its lock held; it has not been answered
 * @skb: the SYN/ACK; its checksum was verified
 * @thoff: offset of its TCP header
 * @th: a copy of that
 *
 * Context: BH off.
 * Return: enum mcp_peer_heard.
 */
u8 mcp_peer_dial_hear(struct mcp_session *s, const struct sk_buff *skb,
		      unsigned int thoff, const struct tcphdr *th)
{
	struct mcp_peer_dial *pd = s->peer_dial;

	if (pd->len && pd->heard == MCP_PEER_HEARD_NOTHING)
		pd->heard = mcp_peer_hear(s, skb, thoff + th->doff * 4,
					  ntohl(th->ack_seq));
	return pd->heard;
}

/**
 * mcp_peer_dial_synack() - a peer answers
 * @s: the session
 * @skb: the SYN/ACK, at PRE_ROUTING; its checksum was verified
 * @thoff: offset of its TCP header
 * @th: a copy of that
 *
 * The echo is taken out before the socket sees it. What does not acknowledge the
 * request must not reach the socket, which would reset.
 *
 * Context: BH off.
 * Return: NF_ACCEPT: it is for the socket; or NF_DROP.
 */
unsigned int mcp_peer_dial_synack(struct mcp_session *s, struct sk_buff *skb,
				  unsigned int thoff, const struct tcphdr *th)
{
	struct mcp_peer_dial *pd = s->peer_dial;
	u8 heard;

	spin_lock(&s->lock);
	/* What is asked now may be another peer, see mcp_nat_close(). */
	if (!pd->len || s->down.heard != MCP_OUTCOME_PENDING) {
		spin_unlock(&s->lock);
		return NF_ACCEPT;
	}
	heard = mcp_peer_hear(s, skb, thoff + th->doff * 4,
			      ntohl(th->ack_seq));
	/* The first one counts: another may be what a stranger sends. */
	if (pd->heard == MCP_PEER_HEARD_NOTHING)
		pd->heard = heard;
	else if (heard != MCP_PEER_HEARD_NOTHING)
		heard = pd->heard;
	spin_unlock(&s->lock);
	switch (heard) {
	case MCP_PEER_HEARD_NOTHING:
		return NF_ACCEPT;
	case MCP_PEER_HEARD_ECHO:
		return mcp_segment_consume(skb, thoff, pd->request_len) ?
			NF_DROP : NF_ACCEPT;
	}
	mcp_session_kick(s);
	return NF_DROP;
}
