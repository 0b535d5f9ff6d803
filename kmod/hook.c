// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_hashtables.h>
#include <net/inet_timewait_sock.h>
#include <net/ipv6.h>

#include "connect.h"
#include "conversion.h"
#include "deliver.h"
#include "forward.h"
#include "hook.h"
#include "icmp.h"
#include "intercept.h"
#include "nat.h"
#include "peer_dial.h"
#include "reply.h"
#include "segment.h"
#include "session.h"
#include "socket.h"
#include "steer.h"
#include "tcpopt.h"
#include "translate.h"
#include "withdraw.h"

/*
 * Sessions that tell an error, at any time: their clients may be nobody. More of
 * them for clients that the ACL knows, so that strangers cannot take it all.
 */
#define MCP_MAX_REFUSALS	4096
#define MCP_MAX_REFUSALS_STRANGERS	1024
/* Octets of a SYN's payload that are kept, and acknowledged. */
#define MCP_SYN_PAYLOAD_MAX	4096

/**
 * struct mcp_packet - a TCP packet for or from a local address
 * @skb:	the packet
 * @state:	the hook it is at
 * @family:	AF_INET or AF_INET6
 * @tos:	TOS or traffic class
 * @thoff:	offset of the TCP header from skb->data
 * @th:		a copy of the TCP header, without options
 * @payload_len: octets behind the TCP header, as far as they count
 * @key:	of a SYN: its client and the MCP's end
 * @opt:	of a SYN: its options
 */
struct mcp_packet {
	struct sk_buff *skb;
	const struct nf_hook_state *state;
	u16 family;
	u8 tos;
	unsigned int thoff;
	struct tcphdr th;
	unsigned int payload_len;
	struct mcp_session_key key;
	struct mcp_tcpopt opt;
};

/* Where a request is put together that lies in more than one piece. */
static DEFINE_PER_CPU(u8 [MCP_REQUEST_MAX], mcp_scratch);

static bool mcp_packet_read(struct mcp_packet *pkt, struct sk_buff *skb,
			    const struct nf_hook_state *state, u16 family,
			    unsigned int thoff)
{
	if (skb_copy_bits(skb, thoff, &pkt->th, sizeof(pkt->th)) ||
	    pkt->th.doff < 5 || thoff + pkt->th.doff * 4 > skb->len)
		return false;
	pkt->skb = skb;
	pkt->state = state;
	pkt->family = family;
	pkt->thoff = thoff;
	pkt->payload_len = min_t(unsigned int, MCP_SYN_PAYLOAD_MAX,
				 skb->len - thoff - pkt->th.doff * 4);
	return true;
}

/* Source and destination of a packet. */
static void mcp_packet_ends(struct mcp_packet *pkt, struct mcp_endpoint *src,
			    struct mcp_endpoint *dst)
{
	memset(src, 0, sizeof(*src));
	memset(dst, 0, sizeof(*dst));
	src->family = pkt->family;
	dst->family = pkt->family;
	src->port = pkt->th.source;
	dst->port = pkt->th.dest;
	if (pkt->family == AF_INET) {
		src->addr.ip = ip_hdr(pkt->skb)->saddr;
		dst->addr.ip = ip_hdr(pkt->skb)->daddr;
		pkt->tos = ip_hdr(pkt->skb)->tos;
	} else {
		const struct ipv6hdr *ip6h = ipv6_hdr(pkt->skb);

		memcpy(src->addr.ip6, &ip6h->saddr, sizeof(src->addr.ip6));
		memcpy(dst->addr.ip6, &ip6h->daddr, sizeof(dst->addr.ip6));
		pkt->tos = ipv6_get_dsfield(ip6h);
	}
}

static void mcp_packet_options(struct mcp_packet *pkt)
{
	unsigned int len = pkt->th.doff * 4 - sizeof(pkt->th);
	u8 buf[MCP_TCPOPT_MAX];

	skb_copy_bits(pkt->skb, pkt->thoff + sizeof(pkt->th), buf, len);
	mcp_tcpopt_parse(buf, len, &pkt->opt);
}

/* RST, if policy does not prefer silence. The packet stays the caller's. */
static unsigned int mcp_refuse(struct mcp_net *mnet, struct mcp_packet *pkt,
			       enum mcp_stat reason, bool silent)
{
	mcp_count(mnet, reason);
	if (!silent)
		mcp_reply_reset(mnet, pkt->skb, &pkt->key.client);
	return NF_DROP;
}

/* A SYN of a connection that the stack has, or has answered the SYN of. */
static bool mcp_established(struct mcp_net *mnet, struct mcp_packet *pkt)
{
	struct sock *sk = mcp_socket_find(mnet->net, &pkt->key.mcp,
					  &pkt->key.client,
					  pkt->state->in->ifindex);
	bool found;

	if (!sk)
		return false;
	found = sk->sk_state != TCP_TIME_WAIT;
	sock_gen_put(sk);
	return found;
}

/* The stack challenges it; a client that forgot will reset (RFC 9293). */
static unsigned int mcp_syn_challenge(struct mcp_net *mnet)
{
	mcp_count(mnet, MCP_STAT_SYN_OF_ESTABLISHED);
	return NF_ACCEPT;
}

static bool mcp_answered(struct mcp_session *s)
{
	bool answered;

	spin_lock(&s->lock);
	answered = s->answered;
	spin_unlock(&s->lock);
	return answered;
}

/* A SYN is not answered yet, and came again: so does ours. */
static bool mcp_syn_waits(struct mcp_net *mnet, const struct mcp_packet *pkt,
			  struct mcp_session *s)
{
	if (mcp_answered(s))
		return false;
	mcp_count(mnet, MCP_STAT_SYN_RETRANSMITTED);
	mcp_nat_syn_again(s, &pkt->opt);
	return true;
}

/*
 * A SYN whose client has a session. Before the answer it only sends one more SYN
 * to the server; after it, the stack has to see it as it saw the first one, so that it repeats
 * its SYN/ACK.
 */
static unsigned int mcp_syn_again(struct mcp_net *mnet, struct mcp_packet *pkt,
				  struct mcp_session *s)
{
	if (mcp_syn_waits(mnet, pkt, s) ||
	    mcp_segment_consume(pkt->skb, pkt->thoff, s->syn_len))
		return NF_DROP;
	return NF_ACCEPT;
}

/* A SYN without payload: a late request may follow (protocol.md section 2). */
static unsigned int mcp_syn_bare(struct mcp_net *mnet, struct mcp_packet *pkt)
{
	mcp_count(mnet, MCP_STAT_SYN_WITHOUT_REQUEST);
	if (!READ_ONCE(mnet->settings.late_request))
		return mcp_refuse(mnet, pkt, MCP_STAT_REFUSED_LATE_REQUEST_OFF,
				  true);
	return NF_ACCEPT;
}

/* Keeps the SYN: the worker answers it. */
static bool mcp_hold(struct mcp_session *s, struct mcp_packet *pkt)
{
	s->held = mcp_segment_copy(pkt->skb, pkt->thoff, pkt->payload_len);
	s->okfn = pkt->state->okfn;
	return s->held;
}

/*
 * The client has forgotten its last SYN, and begins anew. But once that is
 * answered, the connection that comes of it belongs to the old session.
 */
static bool mcp_replace(struct mcp_net *mnet, struct mcp_session *old)
{
	struct sk_buff *held;
	bool answered;

	spin_lock(&old->lock);
	answered = old->answered;
	held = old->held;
	old->held = NULL;	/* and it will not be */
	spin_unlock(&old->lock);
	if (answered)
		return false;
	kfree_skb(held);
	mcp_count(mnet, MCP_STAT_SYN_REPLACED);
	mcp_session_unhash(old);
	mcp_session_signal(old, MCP_SESSION_CANCELLED);
	return true;
}

/* May there be one more session that only tells an error? */
static bool mcp_may_tell(struct mcp_net *mnet, struct mcp_packet *pkt, u8 code)
{
	int most = code == MCP_ERR_NOT_AUTHORIZED ? MCP_MAX_REFUSALS_STRANGERS :
		MCP_MAX_REFUSALS;

	if (atomic_read(&mnet->refusals) < most &&
	    mcp_policy_may_reply(mnet, &pkt->key.client, MCP_REPLY_ERROR))
		return true;
	mcp_count(mnet, MCP_STAT_REPLY_SUPPRESSED);
	return false;
}

/* What its SYN says of a session; false if there is no memory for the payload. */
static bool mcp_session_describe(struct mcp_session *s,
				 const struct mcp_packet *pkt)
{
	if (pkt->payload_len) {
		s->payload = kmalloc(pkt->payload_len, GFP_ATOMIC | __GFP_NOWARN);
		if (!s->payload ||
		    skb_copy_bits(pkt->skb, pkt->thoff + pkt->th.doff * 4,
				  s->payload, pkt->payload_len))
			return false;
	}
	s->payload_len = pkt->payload_len;
	s->syn_len = pkt->payload_len;
	s->isn = ntohl(pkt->th.seq);
	s->ifindex = pkt->state->in->ifindex;
	s->tos = pkt->tos;
	s->mptcp = pkt->opt.mp_capable;
	s->down.mp_flags = pkt->opt.mp_flags;
	return true;
}

/*
 * Lets others find a session, in the place of @old if there was one. Else, nothing
 * is held. It may be gone afterwards, unless the caller has a reference.
 */
static int mcp_session_launch(struct mcp_session *s, struct mcp_session *old)
{
	int err = old && !mcp_replace(s->mnet, old) ? -EEXIST :
		mcp_session_publish(s, true, GFP_ATOMIC);

	if (err) {
		kfree_skb(s->held);
		s->held = NULL;
	}
	return err;
}

/* An admission that no session comes of. */
static void mcp_readmit(struct mcp_net *mnet, struct mcp_client *client)
{
	mcp_policy_bound(mnet, client);
	mcp_policy_release(client);
}

static unsigned int mcp_open_session(struct mcp_net *mnet,
				     struct mcp_packet *pkt,
				     const struct mcp_request *req,
				     struct mcp_vetting vet,
				     const struct mcp_acl *acl,
				     struct mcp_session *old)
{
	bool early = READ_ONCE(mnet->settings.handshake) == MCP_HANDSHAKE_EARLY;
	bool serve = vet.verdict == MCP_VERDICT_GO;
	struct mcp_admission adm = { };
	struct mcp_session *s;
	int err;

	if (serve) {
		adm = mcp_policy_admit(mnet, &pkt->key.client);
		if (!adm.client) {
			mcp_count(mnet, adm.reason);
			/* Too fast for the oldest to make room: let it come again. */
			if (adm.reason == MCP_STAT_REFUSED_HALF_OPEN)
				return NF_DROP;
			vet = mcp_conversion_refusal(mnet, req->codec,
						     MCP_ERR_RESOURCE_EXCEEDED,
						     adm.reason);
			if (vet.verdict == MCP_VERDICT_SILENCE)
				return NF_DROP;
			if (vet.verdict == MCP_VERDICT_RESET)
				goto refuse;
			serve = false;
		}
	}
	if (!serve && old)
		return NF_DROP;
	if (!serve && !mcp_may_tell(mnet, pkt, vet.code))
		goto refuse;
	early = early && serve;

	s = mcp_session_new(mnet, &pkt->key, adm.client, mcp_conversion_work,
			    GFP_ATOMIC);
	if (!s) {
		if (adm.client)
			mcp_readmit(mnet, adm.client);
		goto no_memory;
	}
	if (!mcp_session_describe(s, pkt))
		goto discard;
	if (serve && acl->via[0] && !mcp_peer_dial_new(s, acl->via, false, GFP_ATOMIC))
		goto discard;
	s->request = *req;
	if (serve && req->codec == MCP_CODEC_MP_CONVERT &&
	    READ_ONCE(mnet->settings.echo))
		s->echo_len = req->len;
	if (serve)
		mcp_conversion_begin(s, early);
	else
		mcp_conversion_error(s, vet.code);
	if (!early && !mcp_hold(s, pkt))
		goto discard;
	/* From here on it is found by others: keep it for the last lines. */
	mcp_session_get(s);
	err = mcp_session_launch(s, old);
	if (err) {
		mcp_session_put(s);
		if (err != -EEXIST)
			goto discard;
		/* Another CPU was faster. */
		mcp_session_discard(s);
		return NF_DROP;
	}
	if (serve)
		mcp_conversion_count_request(s);
	mcp_session_kick(s);
	mcp_session_put(s);
	if (!early) {
		consume_skb(pkt->skb);
		return NF_STOLEN;
	}
	mcp_count(mnet, MCP_STAT_SYN_ANSWERED_EARLY);
	return mcp_segment_consume(pkt->skb, pkt->thoff, pkt->payload_len) ?
		NF_DROP : NF_ACCEPT;

discard:
	mcp_session_discard(s);
no_memory:
	mcp_count(mnet, MCP_STAT_REFUSED_NO_MEMORY);
refuse:
	mcp_reply_reset(mnet, pkt->skb, &pkt->key.client);
	return NF_DROP;
}

/*
 * A SYN that nobody knows yet. Only one that is to be served ends what its client
 * began before: anybody can send the others in its name.
 */
static unsigned int mcp_syn_new(struct mcp_net *mnet, struct mcp_packet *pkt,
				struct mcp_session *old)
{
	unsigned int off = pkt->thoff + pkt->th.doff * 4;
	unsigned int len = min_t(unsigned int, pkt->payload_len, MCP_REQUEST_MAX);
	struct mcp_request req = { };
	enum mcp_decode decoded;
	struct mcp_vetting vet;
	struct mcp_acl *acl;
	const u8 *data;

	acl = mcp_acl_match(&mnet->policy, &pkt->key.client, pkt->state->in->name);
	if (acl)
		atomic64_inc(&acl->hits);
	if (acl && !pkt->payload_len)
		return old ? NF_DROP : mcp_syn_bare(mnet, pkt);

	data = skb_header_pointer(pkt->skb, off, len, this_cpu_ptr(mcp_scratch));
	decoded = mcp_request_decode(data, len, pkt->key.mcp.port, &req);
	if (acl)
		vet = mcp_conversion_vet(mnet, acl, decoded, &req, data,
					 &pkt->key.client, pkt->opt.mp_capable);
	else
		vet = mcp_conversion_refusal(mnet, req.codec,
					     MCP_ERR_NOT_AUTHORIZED,
					     MCP_STAT_REFUSED_ACL);
	if (old && vet.verdict != MCP_VERDICT_GO)
		return mcp_refuse(mnet, pkt, vet.reason, true);
	switch (vet.verdict) {
	case MCP_VERDICT_SILENCE:
		return mcp_refuse(mnet, pkt, vet.reason, true);
	case MCP_VERDICT_RESET:
		return mcp_refuse(mnet, pkt, vet.reason, false);
	case MCP_VERDICT_ERROR:
		mcp_count(mnet, vet.reason);
		break;
	case MCP_VERDICT_GO:
		break;
	}
	return mcp_open_session(mnet, pkt, &req, vet, acl, old);
}

/* Nobody answers a SYN to many (RFC 1122 section 4.2.3.10), the stack neither. */
static bool mcp_to_many(const struct mcp_packet *pkt)
{
	const struct sk_buff *skb = pkt->skb;

	if (skb->pkt_type != PACKET_HOST)
		return true;
	if (pkt->family == AF_INET6)
		return ipv6_addr_is_multicast(&ipv6_hdr(skb)->daddr);
	return skb_rtable(skb)->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST);
}

/*
 * A further subflow: of a connection that is only translated, or of one that the
 * stack knows the token of. It resets what it does not know: no other connection
 * comes of it.
 */
static unsigned int mcp_syn_join(struct mcp_net *mnet, struct mcp_packet *pkt)
{
	struct mcp_pair pair = { pkt->key.client, pkt->key.mcp };

	/* It comes by twice, see mcp_upstream_resume(). */
	if (mcp_translate_knows(mnet, &pair))
		return NF_ACCEPT;
	mcp_count(mnet, MCP_STAT_SYN_JOIN);
	if (mcp_withdraw_join(mnet, pkt->skb, &pair, pkt->opt.token,
			      ntohl(pkt->th.seq), pkt->state->in->ifindex,
			      false))
		return NF_STOLEN;
	return NF_ACCEPT;
}

/* A SYN to the MCP's port. @s: the session of its client; or NULL. */
static unsigned int mcp_syn(struct mcp_net *mnet, struct mcp_packet *pkt,
			    struct mcp_session *s)
{
	if (mcp_to_many(pkt))
		return NF_ACCEPT;
	mcp_packet_options(pkt);
	if (nf_checksum(pkt->skb, NF_INET_LOCAL_IN, pkt->thoff, IPPROTO_TCP,
			pkt->family)) {
		mcp_count(mnet, MCP_STAT_REFUSED_CHECKSUM);
		return NF_DROP;
	}
	if (pkt->opt.join_syn)
		return mcp_syn_join(mnet, pkt);

	if (s && s->isn == ntohl(pkt->th.seq))
		return mcp_syn_again(mnet, pkt, s);
	if (mcp_established(mnet, pkt))
		return mcp_syn_challenge(mnet);
	return mcp_syn_new(mnet, pkt, s);
}

/*
 * A client that gives up. After the answer, what the stack would not take for its
 * RST is none.
 */
static void mcp_rst(const struct mcp_packet *pkt, struct mcp_session *s)
{
	u32 seq = ntohl(pkt->th.seq);
	bool ours;

	spin_lock(&s->lock);
	ours = seq == s->isn + 1 + s->syn_len ||
		(!s->answered && seq == s->isn + 1);
	spin_unlock(&s->lock);
	if (ours &&
	    !nf_checksum(pkt->skb, pkt->state->hook, pkt->thoff, IPPROTO_TCP,
			 pkt->family))
		mcp_session_signal(s, MCP_SESSION_CANCELLED);
}

/* ------------------------- connections that are not addressed to the MCP */

/**
 * struct mcp_taking - what is to become of a connection that is taken
 * @ingress:	enum mcp_ingress
 * @server:	whom to dial
 * @peer:	name of the peers that dial; "": the MCP does
 * @steer:	it is led to a peer, and does not end here
 * @hits:	counts it
 * @passed:	counts those that could not be taken; or NULL
 */
struct mcp_taking {
	u8 ingress;
	struct mcp_endpoint server;
	const char *peer;
	bool steer;
	atomic64_t *hits;
	atomic64_t *passed;
};

/* Is the connection of this SYN to be taken? Under rcu_read_lock(). */
static bool mcp_wants(struct mcp_net *mnet, struct mcp_packet *pkt,
		      struct mcp_taking *t)
{
	struct mcp_forward *forward = mcp_forward_match(mnet, &pkt->key.mcp);
	struct mcp_rule *rule;

	t->steer = false;
	if (forward) {
		t->ingress = MCP_INGRESS_MAPPING;
		t->server = forward->client;
		if (!t->server.port)
			t->server.port = pkt->key.mcp.port;
		t->peer = forward->peer;
		t->hits = &forward->hits;
		t->passed = NULL;
		return true;
	}
	rule = mcp_intercept_match(mnet, &pkt->key.client, &pkt->key.mcp,
				   pkt->state->in);
	/* A peer does not dial itself. */
	if (!rule || (rule->peer[0] && mcp_peer_at(mnet, &pkt->key.mcp)))
		return false;
	/* Who speaks MPTCP has no need of what is ours, unless it says so. */
	t->steer = pkt->opt.mp_capable && rule->peer[0];
	if (t->steer ? pkt->payload_len ||
	    !mcp_steer_wants(mnet, rule->peer, &pkt->key.mcp) :
	    pkt->opt.mp_capable && !mcp_implicit_wants(mnet, &pkt->opt))
		return false;
	t->ingress = MCP_INGRESS_INTERCEPT;
	t->server = pkt->key.mcp;
	t->peer = rule->peer;
	t->hits = &rule->hits;
	t->passed = &rule->passed;
	return true;
}

/* It goes on as if there were no MCP. */
static unsigned int mcp_go_on(struct mcp_net *mnet, struct mcp_packet *pkt)
{
	/*
	 * One of the host's own has come by a way that is not the server's. What a
	 * transparent proxy has a socket for has come by its own.
	 */
	if (!(pkt->state->in->flags & IFF_LOOPBACK) || pkt->skb->sk ||
	    !READ_ONCE(mnet->intercept.local) ||
	    mcp_route_type(mnet->net, &pkt->key.mcp) == RTN_LOCAL)
		return NF_ACCEPT;
	return mcp_deliver_out(mnet->net, pkt->skb, pkt->family) ?
		NF_STOLEN : NF_ACCEPT;
}

/*
 * It is not taken, and whatever has been of its ends, @old, is over: that would
 * have what belongs to this one.
 */
static unsigned int mcp_go_on_anew(struct mcp_net *mnet, struct mcp_packet *pkt,
				   struct mcp_session *old)
{
	return old && !mcp_replace(mnet, old) ? NF_DROP : mcp_go_on(mnet, pkt);
}

/* What was to be taken, and cannot be. */
static unsigned int mcp_leave(struct mcp_net *mnet, struct mcp_packet *pkt,
			      const struct mcp_taking *t, struct mcp_session *old)
{
	if (t->passed) {
		atomic64_inc(t->passed);
		mcp_count(mnet, MCP_STAT_INTERCEPT_PASSED);
	}
	return mcp_go_on_anew(mnet, pkt, old);
}

/* One that has left a TIME_WAIT behind begins anew (RFC 6191). */
static void mcp_forget_time_wait(struct mcp_net *mnet,
				 const struct mcp_packet *pkt)
{
	struct sock *sk = mcp_socket_find(mnet->net, &pkt->key.mcp,
					  &pkt->key.client,
					  pkt->state->in->ifindex);

	if (!sk)
		return;
	if (sk->sk_state == TCP_TIME_WAIT)
		inet_twsk_deschedule_put(inet_twsk(sk));
	else
		sock_gen_put(sk);
}

/* Whatever keeps it from being taken, it is no worse off than without the MCP. */
static unsigned int mcp_take(struct mcp_net *mnet, struct mcp_packet *pkt,
			     const struct mcp_taking *t, struct mcp_session *old)
{
	struct mcp_admission adm;
	struct mcp_session *s;
	int err;

	if (t->peer[0] && !mcp_peer_usable(mnet, t->peer, 0) &&
	    READ_ONCE(mnet->settings.fallback) == MCP_FALLBACK_PASS)
		return mcp_leave(mnet, pkt, t, old);
	adm = mcp_policy_admit(mnet, &pkt->key.client);
	if (!adm.client) {
		mcp_count(mnet, adm.reason);
		return mcp_leave(mnet, pkt, t, old);
	}
	s = mcp_session_new(mnet, &pkt->key, adm.client, mcp_conversion_work,
			    GFP_ATOMIC);
	if (!s) {
		mcp_readmit(mnet, adm.client);
		return mcp_leave(mnet, pkt, t, old);
	}
	mcp_intercept_begin(s, t->ingress);
	if (!mcp_session_describe(s, pkt) ||
	    (t->peer[0] &&
	     !mcp_peer_dial_new(s, t->peer, t->steer, GFP_ATOMIC)) ||
	    !mcp_hold(s, pkt))
		goto discard;
	s->request.server = t->server;
	mcp_conversion_begin(s, false);
	mcp_forget_time_wait(mnet, pkt);
	/* As in mcp_open_session(). */
	mcp_session_get(s);
	err = mcp_session_launch(s, old);
	if (err) {
		mcp_session_put(s);
		mcp_session_discard(s);
		return err == -EEXIST ? NF_DROP : mcp_leave(mnet, pkt, t, NULL);
	}
	atomic64_inc(t->hits);
	mcp_conversion_count_request(s);
	mcp_session_kick(s);
	mcp_session_put(s);
	consume_skb(pkt->skb);
	return NF_STOLEN;

discard:
	mcp_session_discard(s);
	return mcp_leave(mnet, pkt, t, old);
}

/* A further subflow: of a connection that is steered, or none of ours. */
static unsigned int mcp_take_join(struct mcp_net *mnet, struct mcp_packet *pkt)
{
	struct mcp_pair pair = { pkt->key.client, pkt->key.mcp };

	if (!pkt->opt.join_syn || pkt->skb->pkt_type != PACKET_HOST ||
	    !mcp_withdraw_joins(mnet, pkt->opt.token, &pair.dst))
		return mcp_go_on(mnet, pkt);
	if (nf_checksum(pkt->skb, pkt->state->hook, pkt->thoff, IPPROTO_TCP,
			pkt->family))
		return NF_DROP;
	mcp_count(mnet, MCP_STAT_SYN_JOIN);
	return mcp_withdraw_join(mnet, pkt->skb, &pair, pkt->opt.token,
				 ntohl(pkt->th.seq), pkt->state->in->ifindex,
				 true) ? NF_STOLEN : mcp_go_on(mnet, pkt);
}

static unsigned int mcp_take_syn(struct mcp_net *mnet, struct mcp_packet *pkt,
				 struct mcp_session *old)
{
	struct mcp_taking t;

	mcp_packet_options(pkt);
	if (pkt->opt.mp_join)
		return mcp_take_join(mnet, pkt);
	if (pkt->skb->pkt_type != PACKET_HOST)
		return mcp_go_on(mnet, pkt);
	if (!mcp_wants(mnet, pkt, &t))
		return mcp_go_on_anew(mnet, pkt, old);
	if (nf_checksum(pkt->skb, pkt->state->hook, pkt->thoff, IPPROTO_TCP,
			pkt->family))
		return NF_DROP;
	return mcp_take(mnet, pkt, &t, old);
}

/* A packet for one of our sockets, or soon for one, with whatever address. */
static unsigned int mcp_bring(struct sk_buff *skb, u16 family)
{
	return skb_dst(skb) || mcp_deliver(skb, family) ? NF_ACCEPT : NF_DROP;
}

/* A packet of one whose SYN was taken, and not accepted yet. */
static unsigned int mcp_taken(struct mcp_net *mnet, struct mcp_packet *pkt,
			      struct mcp_session *s)
{
	if (pkt->th.rst) {
		mcp_rst(pkt, s);
	} else if (pkt->th.syn && !pkt->th.ack) {
		if (nf_checksum(pkt->skb, pkt->state->hook, pkt->thoff,
				IPPROTO_TCP, pkt->family))
			return NF_DROP;
		mcp_packet_options(pkt);
		if (s->isn != ntohl(pkt->th.seq) && !mcp_established(mnet, pkt))
			return mcp_take_syn(mnet, pkt, s);
		if (mcp_syn_waits(mnet, pkt, s))
			return NF_DROP;
	}
	/* Nobody but us has seen its SYN. */
	return mcp_answered(s) ? mcp_bring(pkt->skb, pkt->family) : NF_DROP;
}

/* Is there anything of that kind? */
static bool mcp_takes(const struct mcp_net *mnet)
{
	return READ_ONCE(mnet->forwards.count) ||
		mcp_intercept_busy(&mnet->intercept);
}

/*
 * A TCP packet, to whomever it is addressed: SYNs that are to be taken, and what
 * follows until the connection is accepted.
 */
static unsigned int mcp_tcp_through(struct mcp_net *mnet, struct sk_buff *skb,
				    const struct nf_hook_state *state,
				    u16 family, unsigned int thoff)
{
	unsigned int verdict = NF_ACCEPT;
	struct mcp_session *s = NULL;
	struct mcp_packet pkt;
	bool syn;

	if (!mcp_takes(mnet) || !mcp_packet_read(&pkt, skb, state, family, thoff))
		return NF_ACCEPT;
	syn = pkt.th.syn && !pkt.th.ack && !pkt.th.rst && !pkt.th.fin;
	mcp_packet_ends(&pkt, &pkt.key.client, &pkt.key.mcp);
	if (atomic_read(&mnet->intercept.sessions))
		s = mcp_session_find(mnet, &pkt.key);
	if (!s) {
		if (!syn)
			return NF_ACCEPT;
		/* It challenges who has a connection. */
		if (mcp_established(mnet, &pkt))
			return NF_ACCEPT;
		return mcp_take_syn(mnet, &pkt, NULL);
	}
	if (s->ingress != MCP_INGRESS_EXPLICIT)
		verdict = mcp_taken(mnet, &pkt, s);
	mcp_session_put(s);
	return verdict;
}

/* A TCP packet that nobody else is meant by: is it for a socket of ours? */
static unsigned int mcp_tcp_ours(struct mcp_net *mnet, struct sk_buff *skb,
				 const struct nf_hook_state *state, u16 family,
				 unsigned int thoff)
{
	struct mcp_packet pkt;

	if (!mcp_intercept_busy(&mnet->intercept) || skb_dst(skb) ||
	    !mcp_packet_read(&pkt, skb, state, family, thoff))
		return NF_ACCEPT;
	mcp_packet_ends(&pkt, &pkt.key.client, &pkt.key.mcp);
	return mcp_intercept_has(mnet, &pkt.key.mcp, &pkt.key.client) ?
		mcp_bring(skb, family) : NF_ACCEPT;
}

/* The same of an ICMP error about what such a socket has sent. */
static unsigned int mcp_icmp_ours(struct mcp_net *mnet, struct sk_buff *skb,
				  unsigned int off, u16 family)
{
	struct mcp_endpoint ours, other;
	struct icmphdr icmph;
	u32 seq;

	if (!mcp_intercept_busy(&mnet->intercept) || skb_dst(skb) ||
	    skb_copy_bits(skb, off, &icmph, sizeof(icmph)) ||
	    mcp_icmp_kind(family, icmph.type, icmph.code) == MCP_ICMP_NONE ||
	    !mcp_icmp_subject(skb, off + sizeof(icmph), family, &ours, &other,
			      &seq))
		return NF_ACCEPT;
	return mcp_intercept_has(mnet, &ours, &other) ? mcp_bring(skb, family) :
		NF_ACCEPT;
}

/* Such a SYN on its way to the stack, answered: our listener has it. */
static unsigned int mcp_syn_brought(struct mcp_net *mnet, struct mcp_packet *pkt,
				    struct mcp_session *s)
{
	unsigned int verdict;
	struct sock *sk;

	mcp_packet_options(pkt);
	verdict = mcp_syn_again(mnet, pkt, s);
	if (verdict != NF_ACCEPT)
		return verdict;
	/* Who has the connection already answers it again. */
	sk = mcp_socket_find(mnet->net, &pkt->key.mcp, &pkt->key.client,
			     pkt->state->in->ifindex);
	if (sk)
		sock_gen_put(sk);
	else if (mcp_implicit(s) ?
		 !mcp_implicit_assign(mnet, pkt->skb, pkt->family, pkt->th.dest) :
		 !mcp_upstream_assign(mnet, pkt->skb, pkt->family))
		return NF_DROP;
	return NF_ACCEPT;
}

/* A SYN or RST. @s: the session whose SYN has its addresses and ports; or NULL. */
static unsigned int mcp_opening(struct mcp_net *mnet, struct mcp_packet *pkt,
				struct mcp_session *s)
{
	if (s && s->ingress != MCP_INGRESS_EXPLICIT)
		return pkt->th.syn ? mcp_syn_brought(mnet, pkt, s) : NF_ACCEPT;
	if (pkt->th.dest != READ_ONCE(mnet->settings.port))
		return NF_ACCEPT;
	if (pkt->th.rst) {
		if (s)
			mcp_rst(pkt, s);
		return NF_ACCEPT;
	}
	if (pkt->th.fin)
		return NF_DROP;
	return mcp_syn(mnet, pkt, s);
}

/* A further subflow of a connection that ends here in implicit mode: its listener. */
static bool mcp_joins(struct mcp_net *mnet, struct mcp_packet *pkt)
{
	mcp_packet_options(pkt);
	if (!pkt->opt.join_syn || pkt->skb->sk)
		return false;
	mcp_packet_ends(pkt, &pkt->key.client, &pkt->key.mcp);
	return !mcp_socket_listens(mnet->net, &pkt->key.mcp,
				   pkt->state->in->ifindex) &&
		mcp_implicit_assign(mnet, pkt->skb, pkt->family, pkt->th.dest);
}

/* Is the SYN one of a connection, or of a subflow, that is steered? */
static bool mcp_steering(struct mcp_net *mnet, const struct mcp_packet *pkt)
{
	struct mcp_pair pair = { pkt->key.client, pkt->key.mcp };

	return atomic_read(&mnet->intercept.sessions) &&
		mcp_translate_knows(mnet, &pair);
}

static unsigned int mcp_tcp_in(struct mcp_net *mnet, struct sk_buff *skb,
			       const struct nf_hook_state *state, u16 family,
			       unsigned int thoff)
{
	struct mcp_packet pkt;
	struct mcp_session *s;
	unsigned int verdict;

	if (!mcp_packet_read(&pkt, skb, state, family, thoff))
		return NF_ACCEPT;	/* the stack will not like it either */

	/* What came in fragments is whole here, and only here. */
	if (!pkt.th.syn) {
		verdict = mcp_translate_tcp(mnet, skb, thoff, family);
		if (verdict != NF_ACCEPT)
			return verdict;
	}
	if (pkt.th.dest != READ_ONCE(mnet->settings.port) &&
	    !atomic_read(&mnet->intercept.sessions))
		return NF_ACCEPT;
	if (!pkt.th.rst && (!pkt.th.syn || pkt.th.ack))
		return NF_ACCEPT;
	if (pkt.th.syn && READ_ONCE(mnet->implicit.count) &&
	    mcp_joins(mnet, &pkt))
		return NF_ACCEPT;
	mcp_packet_ends(&pkt, &pkt.key.client, &pkt.key.mcp);
	/* It has come here to be translated, see mcp_upstream_resume(). */
	if (pkt.th.syn && mcp_steering(mnet, &pkt))
		return NF_ACCEPT;
	s = mcp_session_find(mnet, &pkt.key);
	verdict = mcp_opening(mnet, &pkt, s);
	if (s)
		mcp_session_put(s);
	return verdict;
}

static unsigned int mcp_in4(struct mcp_net *mnet, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	if (ip_hdr(skb)->protocol != IPPROTO_TCP)
		return NF_ACCEPT;
	return mcp_tcp_in(mnet, skb, state, AF_INET, ip_hdrlen(skb));
}

static unsigned int mcp_in6(struct mcp_net *mnet, struct sk_buff *skb,
			    const struct nf_hook_state *state)
{
	u8 nexthdr = ipv6_hdr(skb)->nexthdr;
	__be16 frag_off, port[2];
	int off;

	off = ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &nexthdr, &frag_off);
	/*
	 * Nothing the stack could deliver, but perhaps the first fragment of
	 * headers that go on in the next one (RFC 7112 section 5).
	 */
	if (off < 0)
		return NF_DROP;
	if (frag_off) {
		/*
		 * The stack puts fragments together after us. Nobody needs to
		 * send a SYN in fragments, but for getting it past us.
		 */
		if (ntohs(frag_off) & ~0x7 || nexthdr != IPPROTO_TCP)
			return NF_ACCEPT;
		if (skb_copy_bits(skb, off, port, sizeof(port)) ||
		    port[1] == READ_ONCE(mnet->settings.port))
			return NF_DROP;
		return NF_ACCEPT;
	}
	if (nexthdr != IPPROTO_TCP)
		return NF_ACCEPT;
	return mcp_tcp_in(mnet, skb, state, AF_INET6, off);
}

/* Who queues packets to user space gives them back in process context. */
static unsigned int mcp_local_in4(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = mcp_in4(priv, skb, state);
	local_bh_enable();
	return verdict;
}

static unsigned int mcp_local_in6(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = mcp_in6(priv, skb, state);
	local_bh_enable();
	return verdict;
}

/*
 * A packet of a program of the host whose connection is steered. Connection tracking
 * has seen it: there is no need for it to go round by the loopback device, as its SYN
 * has.
 */
static bool mcp_own_translated(struct mcp_net *mnet, struct sk_buff *skb,
			       unsigned int thoff, u16 family,
			       unsigned int *verdict)
{
	if (!atomic_read(&mnet->intercept.sessions))
		return false;
	local_bh_disable();
	*verdict = mcp_translate_tcp(mnet, skb, thoff, family);
	local_bh_enable();
	return *verdict != NF_ACCEPT;
}

/* The MCP's SYN/ACK carries the request back (plain mode section 5). */
static unsigned int mcp_tcp_out(struct mcp_net *mnet, struct sk_buff *skb,
				const struct nf_hook_state *state, u16 family,
				unsigned int thoff)
{
	unsigned int verdict;
	struct mcp_packet pkt;
	struct mcp_session *s;
	struct mcp_tuple tuple;
	bool opening;

	if (!mcp_packet_read(&pkt, skb, state, family, thoff))
		return NF_ACCEPT;
	if (mcp_nat_hairpin(mnet, skb, family))
		mcp_deliver_back(mnet->net, skb, family);
	if (skb->sk && mcp_own_translated(mnet, skb, thoff, family, &verdict))
		return verdict;
	mcp_packet_ends(&pkt, &tuple.external, &tuple.server);
	opening = pkt.th.syn && !pkt.th.ack;
	if (opening)
		mcp_packet_options(&pkt);
	mcp_intercept_out(mnet, skb, &tuple.external, &tuple.server,
			  opening ? &pkt.opt : NULL);
	if (!pkt.th.syn)
		return NF_ACCEPT;
	if (!pkt.th.ack)
		return mcp_connect_syn(mnet, skb, thoff, &tuple,
				       ntohl(pkt.th.seq), pkt.opt.mp_capable) ?
			NF_ACCEPT : NF_DROP;
	if (pkt.th.source != READ_ONCE(mnet->settings.port) &&
	    !READ_ONCE(mnet->implicit.count))
		return NF_ACCEPT;
	mcp_packet_ends(&pkt, &pkt.key.mcp, &pkt.key.client);
	s = mcp_session_find(mnet, &pkt.key);
	if (!s)
		return NF_ACCEPT;
	if (mcp_implicit(s))
		mcp_segment_mp_flags(skb, thoff, MCP_MP_NOT_HERE);
	/* Not into the answer to a SYN that had no request. */
	spin_lock_bh(&s->lock);
	if (s->hashed && s->echo_len &&
	    ntohl(pkt.th.ack_seq) == s->isn + 1 + s->syn_len) {
		if (!mcp_segment_insert(skb, thoff, s->payload, s->echo_len))
			mcp_count(mnet, MCP_STAT_ECHO_SENT);
		else
			mcp_count(mnet, MCP_STAT_ECHO_FAILED);
	}
	spin_unlock_bh(&s->lock);
	mcp_session_put(s);
	return NF_ACCEPT;
}

static unsigned int mcp_local_out4(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	if (ip_hdr(skb)->protocol != IPPROTO_TCP)
		return NF_ACCEPT;
	return mcp_tcp_out(priv, skb, state, AF_INET, ip_hdrlen(skb));
}

static unsigned int mcp_local_out6(void *priv, struct sk_buff *skb,
				   const struct nf_hook_state *state)
{
	/* Our SYN/ACKs have no extension headers. */
	if (ipv6_hdr(skb)->nexthdr != IPPROTO_TCP)
		return NF_ACCEPT;
	return mcp_tcp_out(priv, skb, state, AF_INET6, sizeof(struct ipv6hdr));
}

/* Connections to be taken, and what servers answer while they are being dialled. */
static unsigned int mcp_pre_routing(struct mcp_net *mnet, struct sk_buff *skb,
				    const struct nf_hook_state *state,
				    unsigned int off, u8 protocol, u16 family)
{
	unsigned int verdict = NF_ACCEPT;

	/* As in mcp_local_in4(). */
	local_bh_disable();
	if (protocol == IPPROTO_TCP) {
		verdict = mcp_translate_tcp(mnet, skb, off, family);
		if (verdict == NF_ACCEPT)
			verdict = mcp_tcp_through(mnet, skb, state, family, off);
		if (verdict == NF_ACCEPT)
			verdict = mcp_nat_tcp(mnet, skb, off, family);
		if (verdict == NF_ACCEPT)
			verdict = mcp_tcp_ours(mnet, skb, state, family, off);
	} else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		verdict = mcp_translate_icmp(mnet, skb, off, family);
		if (verdict == NF_ACCEPT)
			verdict = mcp_nat_icmp(mnet, skb, off, family);
		if (verdict == NF_ACCEPT)
			verdict = mcp_icmp_ours(mnet, skb, off, family);
	}
	if (verdict == NF_ACCEPT)
		verdict = mcp_nat_rest(mnet, skb, family);
	local_bh_enable();
	return verdict;
}

static unsigned int mcp_pre_routing4(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	u8 protocol = iph->protocol;

	if (ip_is_fragment(iph) || protocol == IPPROTO_ICMPV6)
		protocol = IPPROTO_RAW;		/* whatever it may be */
	return mcp_pre_routing(priv, skb, state, ip_hdrlen(skb), protocol,
			       AF_INET);
}

static unsigned int mcp_pre_routing6(void *priv, struct sk_buff *skb,
				     const struct nf_hook_state *state)
{
	u8 nexthdr = ipv6_hdr(skb)->nexthdr;
	__be16 frag_off;
	int off;

	off = ipv6_skip_exthdr(skb, sizeof(struct ipv6hdr), &nexthdr, &frag_off);
	if (off < 0 || frag_off || nexthdr == IPPROTO_ICMP)
		nexthdr = IPPROTO_RAW;
	return mcp_pre_routing(priv, skb, state, max(off, 0), nexthdr,
			       AF_INET6);
}

/*
 * Servers' answers are taken once connection tracking has seen them and given
 * them back the addresses that we know them by: for it and for the rules that
 * build on it, a dial is a connection of the host like any other.
 *
 * The others are last in their chains: what a firewall drops never comes here, and a SYN/ACK
 * is lengthened after everybody else has seen it.
 */
static const struct nf_hook_ops mcp_hooks[] = {
	{
		.hook = mcp_pre_routing4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_NAT_DST + 1,
	}, {
		.hook = mcp_local_in4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	}, {
		.hook = mcp_local_out4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_LAST,
	},
#if IS_ENABLED(CONFIG_IPV6)
	{
		.hook = mcp_pre_routing6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_NAT_DST + 1,
	}, {
		.hook = mcp_local_in6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	}, {
		.hook = mcp_local_out6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_LAST,
	},
#endif
};

/**
 * mcp_hook_register() - begin to see packets
 * @mnet: the namespace
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or a negative error: then no packet is seen any more.
 */
int mcp_hook_register(struct mcp_net *mnet)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(mcp_hooks); i++) {
		mnet->hooks[i] = mcp_hooks[i];
		mnet->hooks[i].priv = mnet;
	}
	BUILD_BUG_ON(ARRAY_SIZE(mcp_hooks) > ARRAY_SIZE(mnet->hooks));
	err = nf_register_net_hooks(mnet->net, mnet->hooks,
				    ARRAY_SIZE(mcp_hooks));
	if (err)
		synchronize_net();
	return err;
}

/**
 * mcp_hook_unregister() - no packet is seen afterwards
 * @mnet: the namespace
 *
 * Context: process, mcp_net.lock held or the namespace going away. Waits for
 * packets that are being looked at.
 */
void mcp_hook_unregister(struct mcp_net *mnet)
{
	nf_unregister_net_hooks(mnet->net, mnet->hooks, ARRAY_SIZE(mcp_hooks));
	synchronize_net();
}
