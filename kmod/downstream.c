// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/net.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "downstream.h"
#include "segment.h"
#include "session.h"
#include "socket.h"
#include "trace.h"

/*
 * The dial is a kernel socket's non-blocking connect. Two hooks look over its
 * shoulder: at the SYN/ACK, for the options an Extended TCP Header TLV repeats,
 * and at ICMP errors, whose codes a socket does not tell and among which it
 * does not distinguish soft ones while it connects (RFC 5461 section 2.2).
 *
 * A socket is known as one of ours by its sk_state_change.
 */
static void mcp_downstream_state_change(struct sock *sk)
{
	struct socket_wq *wq;

	/* What the default does; it is not exported. */
	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_all(&wq->wait);
	rcu_read_unlock();
}

static bool mcp_downstream_ours(const struct sock *sk)
{
	return sk_fullsock(sk) &&
		READ_ONCE(sk->sk_state_change) == mcp_downstream_state_change;
}

static int mcp_downstream_wake(struct wait_queue_entry *wait, unsigned int mode,
			       int sync, void *key)
{
	mcp_session_kick(container_of(wait, struct mcp_session, down.wait));
	return 0;
}

static enum mcp_outcome mcp_outcome_of_error(const struct mcp_downstream *d,
					     int err)
{
	if (READ_ONCE(d->icmp_hard))
		return MCP_OUTCOME_UNREACHABLE;
	switch (err) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EACCES:
	case EPERM:
	case EINVAL:
		return MCP_OUTCOME_NO_ROUTE;
	case ETIMEDOUT:
		return MCP_OUTCOME_TIMED_OUT;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
	case ENOBUFS:
	case ENOMEM:
	case ENFILE:
	case EMFILE:
		return MCP_OUTCOME_NO_RESOURCES;
	default:
		return MCP_OUTCOME_REFUSED;
	}
}

/* What the client wants in our SYN and the socket would not put there. */
static void mcp_downstream_set_options(struct mcp_session *s)
{
	/* Version 1, HMAC-SHA256 (RFC 8684 section 3.1). */
	static const u8 mp_capable[] = { MCP_TCPOPT_MPTCP, 4, 0x01, 0x01 };
	const struct mcp_request *req = &s->request;
	struct mcp_downstream *d = &s->down;

	if (req->wanted & MCP_WANTED_MPTCP) {
		memcpy(d->options, mp_capable, sizeof(mp_capable));
		d->options_len = sizeof(mp_capable);
	}
	if (req->wanted & MCP_WANTED_TFO) {
		memcpy(d->options + d->options_len, s->payload + req->tfo_off,
		       req->tfo_len);
		d->options_len += req->tfo_len;
	}
	while (d->options_len % 4)
		d->options[d->options_len++] = MCP_TCPOPT_NOP;
}

/**
 * mcp_downstream_dial() - begin to connect to the server
 * @s: the session; its request names the server
 *
 * Does not wait. mcp_downstream_outcome() tells what came of it; the worker is
 * kicked when that changes.
 *
 * Context: the worker.
 */
void mcp_downstream_dial(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;
	struct mcp_endpoint external;
	struct sockaddr_storage addr;
	struct socket *sock;
	int len, err;

	mcp_count(s->mnet, MCP_STAT_DIAL);
	len = mcp_socket_address(&s->request.server, &addr);
	err = sock_create_kern(s->mnet->net, addr.ss_family, SOCK_STREAM,
			       IPPROTO_TCP, &sock);
	if (err) {
		d->outcome = err == -EAFNOSUPPORT ? MCP_OUTCOME_NO_ROUTE :
			MCP_OUTCOME_NO_RESOURCES;
		return;
	}
	mcp_socket_set_tos(sock, s->tos);
	tcp_sock_set_nodelay(sock->sk);
	/* It is syn-timeout that ends a dial. */
	tcp_sock_set_syncnt(sock->sk, MAX_TCP_SYNCNT);
	mcp_downstream_set_options(s);
	d->sock = sock;
	/* The session lives until the socket is released. */
	rcu_assign_sk_user_data(sock->sk, s);
	WRITE_ONCE(sock->sk->sk_state_change, mcp_downstream_state_change);
	mcp_session_wait_on(s, &d->wait, mcp_downstream_wake, sock);

	d->outcome = MCP_OUTCOME_PENDING;
	err = kernel_connect(sock, (struct sockaddr *)&addr, len, O_NONBLOCK);
	if (!mcp_socket_name(sock, false, &external)) {
		spin_lock_bh(&s->lock);
		d->external = external;
		spin_unlock_bh(&s->lock);
	}
	if (err && err != -EINPROGRESS)
		d->outcome = mcp_outcome_of_error(d, -err);
}

/**
 * mcp_downstream_outcome() - what has come of the dial so far
 * @s: the session
 *
 * Context: the worker.
 */
enum mcp_outcome mcp_downstream_outcome(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;
	struct sock *sk;
	int state;

	if (d->outcome != MCP_OUTCOME_PENDING)
		return d->outcome;
	sk = d->sock->sk;
	state = inet_sk_state_load(sk);
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) {
		if (READ_ONCE(d->icmp_hard))
			d->outcome = MCP_OUTCOME_UNREACHABLE;
		return d->outcome;
	}
	/* A SYN is refused, a connection is reset: the relay tells of that. */
	if (state == TCP_CLOSE && READ_ONCE(sk->sk_err) != ECONNRESET)
		d->outcome = mcp_outcome_of_error(d, -sock_error(sk));
	else
		d->outcome = MCP_OUTCOME_ACCEPTED;
	return d->outcome;
}

/**
 * mcp_downstream_give_up() - the server has been silent for too long
 * @s: the session
 *
 * Context: the worker.
 */
void mcp_downstream_give_up(struct mcp_session *s)
{
	s->down.outcome = MCP_OUTCOME_TIMED_OUT;
}

/**
 * mcp_downstream_heard_since() - has the server acknowledged anything?
 * @s: the session, established
 * @when: since when, in jiffies
 *
 * Context: the worker.
 */
bool mcp_downstream_heard_since(struct mcp_session *s, unsigned long when)
{
	u32 heard = READ_ONCE(tcp_sk(s->down.sock->sk)->rcv_tstamp);

	return (s32)(heard - (u32)when) >= 0;
}

/**
 * mcp_downstream_release() - give up the server's connection or the dial, if any
 * @s: the session
 *
 * It is reset, unless it has ended by itself.
 *
 * Context: the worker.
 */
void mcp_downstream_release(struct mcp_session *s)
{
	struct socket *sock = s->down.sock;

	if (!sock)
		return;
	s->down.sock = NULL;
	mcp_session_wait_off(&s->down.wait, sock);
	rcu_assign_sk_user_data(sock->sk, NULL);
	mcp_socket_release(sock);
}

/* The socket that dials from @local to @peer; with a reference. */
static struct sock *mcp_downstream_find(struct net *net,
					const struct mcp_endpoint *local,
					const struct mcp_endpoint *peer)
{
	struct sock *sk = mcp_socket_find(net, local, peer, 0);

	if (sk && (!mcp_downstream_ours(sk) || sk->sk_state != TCP_SYN_SENT)) {
		sock_gen_put(sk);
		sk = NULL;
	}
	return sk;
}

/**
 * mcp_downstream_synack() - note what the server's SYN/ACK says
 * @mnet: the namespace
 * @skb: a SYN/ACK for a local address
 * @thoff: offset of its TCP header
 * @src: its source
 * @dst: its destination
 * @tos: its TOS or traffic class
 *
 * Context: softirq, under rcu_read_lock(). The socket sees the packet after
 * this, so that the worker finds the options when it finds the connection.
 */
void mcp_downstream_synack(struct mcp_net *mnet, struct sk_buff *skb,
			   unsigned int thoff, const struct mcp_endpoint *src,
			   const struct mcp_endpoint *dst, u8 tos)
{
	struct mcp_session *s;
	struct tcphdr _th;
	const struct tcphdr *th;
	struct sock *sk;
	int len;

	th = skb_header_pointer(skb, thoff, sizeof(_th), &_th);
	if (!th)
		return;
	len = th->doff * 4 - sizeof(_th);
	sk = mcp_downstream_find(mnet->net, dst, src);
	if (!sk)
		return;
	s = rcu_dereference_sk_user_data(sk);
	/* Not snd_nxt: the answer can be here before connect() sets that. */
	if (s && len >= 0 &&
	    ntohl(th->ack_seq) == READ_ONCE(tcp_sk(sk)->snd_una) + 1 &&
	    !skb_copy_bits(skb, thoff + sizeof(_th), s->down.synack, len)) {
		s->down.synack_len = len;
		s->down.synack_tos = tos;
	}
	sock_put(sk);
}

/* Takes one SYN off what the session may still send. */
static bool mcp_downstream_may_send(struct mcp_session *s)
{
	bool may = true;

	spin_lock_bh(&s->lock);
	if (!s->answered) {
		may = s->syn_credit;
		if (may)
			s->syn_credit--;
	}
	spin_unlock_bh(&s->lock);
	return may;
}

/**
 * mcp_downstream_syn() - a SYN is about to go out: is it ours?
 * @mnet: the namespace
 * @skb: the SYN
 * @thoff: offset of its TCP header
 *
 * While the client is not answered, the server gets one SYN for each of the
 * client's: nobody can make us send more SYNs than he sends himself (RFC 8803
 * section 9.3). Afterwards the socket's timer has its way. What a Connect TLV
 * asks for is added (RFC 8803 section 6.2.5).
 *
 * Context: BH off, under rcu_read_lock(); the socket may be locked.
 * Return: false if it must not go out.
 */
bool mcp_downstream_syn(struct mcp_net *mnet, struct sk_buff *skb,
			unsigned int thoff)
{
	struct sock *sk = skb->sk;
	struct mcp_session *s;

	if (!sk || !mcp_downstream_ours(sk))
		return true;
	s = rcu_dereference_sk_user_data(sk);
	if (!s)
		return true;
	if (!mcp_downstream_may_send(s)) {
		mcp_count(mnet, MCP_STAT_DIAL_SYN_WITHHELD);
		return false;
	}
	if (s->down.options_len &&
	    mcp_segment_add_options(skb, thoff, s->down.options,
				    s->down.options_len))
		mcp_count(mnet, MCP_STAT_DIAL_OPTIONS_LEFT_OUT);
	return true;
}

/* The addresses and ports of the TCP packet that an ICMP error is about. */
static bool mcp_icmp_subject(struct sk_buff *skb, unsigned int off, int family,
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

/* RFC 1122 section 4.2.3.9 and RFC 5461; the kernel's tables have the rest. */
static bool mcp_icmp_error(const struct sk_buff *skb, unsigned int off,
			   int family, u8 *code, bool *hard)
{
	struct icmphdr _icmph;
	const struct icmphdr *icmph;
	int err;

	icmph = skb_header_pointer(skb, off, sizeof(_icmph), &_icmph);
	if (!icmph)
		return false;
	*code = icmph->code;
	if (family == AF_INET) {
		if (icmph->type == ICMP_TIME_EXCEEDED ||
		    icmph->type == ICMP_PARAMETERPROB) {
			*hard = false;
			return true;
		}
		if (icmph->type != ICMP_DEST_UNREACH ||
		    icmph->code > NR_ICMP_UNREACH ||
		    icmph->code == ICMP_FRAG_NEEDED)
			return false;
		*hard = icmp_err_convert[icmph->code].fatal;
		return true;
	}
	if (icmph->type == ICMPV6_TIME_EXCEED ||
	    icmph->type == ICMPV6_PARAMPROB) {
		*hard = false;
		return true;
	}
	if (icmph->type != ICMPV6_DEST_UNREACH)
		return false;
#if IS_ENABLED(CONFIG_IPV6)
	*hard = icmpv6_err_convert(icmph->type, icmph->code, &err);
#endif
	return true;
}

/**
 * mcp_downstream_icmp() - an ICMP error came in: is it about a dial?
 * @mnet: the namespace
 * @skb: the ICMP packet, for a local address
 * @off: offset of its ICMP header
 * @family: AF_INET or AF_INET6
 *
 * A hard error is noted, and the dial fails with it. A soft one does not
 * reach the socket, which would fail as well: the dial goes on (RFC 1122
 * section 4.2.3.9).
 *
 * Context: softirq, under rcu_read_lock().
 * Return: NF_ACCEPT or NF_DROP.
 */
unsigned int mcp_downstream_icmp(struct mcp_net *mnet, struct sk_buff *skb,
				 unsigned int off, int family)
{
	unsigned int verdict = NF_ACCEPT;
	struct mcp_endpoint src, dst;
	struct mcp_session *s;
	struct sock *sk;
	bool hard;
	u32 seq;
	u8 code;

	if (!mcp_icmp_error(skb, off, family, &code, &hard) ||
	    nf_checksum(skb, NF_INET_LOCAL_IN, off, family == AF_INET ?
			IPPROTO_ICMP : IPPROTO_ICMPV6, family) ||
	    !mcp_icmp_subject(skb, off + sizeof(struct icmphdr), family, &src,
			      &dst, &seq))
		return NF_ACCEPT;
	sk = mcp_downstream_find(mnet->net, &src, &dst);
	if (!sk)
		return NF_ACCEPT;
	s = rcu_dereference_sk_user_data(sk);
	/* Only the SYN is under way; anything else is forged. */
	if (!s || seq != READ_ONCE(tcp_sk(sk)->snd_una)) {
		verdict = NF_DROP;
	} else if (hard) {
		s->down.icmp_code = code;
		WRITE_ONCE(s->down.icmp_hard, true);
		/* A socket that is just being used makes a soft error of it. */
		if (mcp_session_get(s)) {
			mcp_session_kick(s);
			mcp_session_put(s);
		}
	} else {
		mcp_count(mnet, MCP_STAT_DIAL_SOFT_ERROR);
		verdict = NF_DROP;
	}
	sock_put(sk);
	return verdict;
}
