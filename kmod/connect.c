// SPDX-License-Identifier: GPL-2.0
#include <linux/in.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <net/dsfield.h>
#include <net/inet_ecn.h>
#include <net/ipv6.h>
#include <net/tcp.h>

#include "connect.h"
#include "nat.h"
#include "peer_dial.h"
#include "session.h"
#include "socket.h"

/*
 * An MPTCP socket of the kernel dials, without waiting; its own state tells the
 * outcome. Packets find the session in mcp_net.dials as if nat.c had dialled: what
 * the server's SYN/ACK says, and the codes of ICMP errors, no socket would tell.
 *
 * The TCP socket that does the work is MPTCP's own. The one moment at which it can
 * be reached is when its SYN goes out, see mcp_connect_syn().
 */

/* Bound to the external endpoint, which other sockets may have as well. */
static int mcp_connect_bind_external(struct mcp_session *s, struct socket *sock)
{
	const struct mcp_endpoint *external = &s->down.tuple.external;
	struct sockaddr_storage addr;
	int len, err;

	/* Also for what is left of earlier connections of that port. */
	err = mcp_socket_set_option(sock, SOL_SOCKET, SO_REUSEADDR, 1) ?:
		(mcp_downstream_foreign(s) ? mcp_socket_set_foreign(sock) : 0);
	if (err)
		return err;
	len = mcp_socket_address(external, &addr);
	return kernel_bind(sock, (struct sockaddr *)&addr, len);
}

/* Bound to an address of the host, and to a port that the kernel chooses. */
static int mcp_connect_bind_any(struct mcp_session *s, struct socket *sock,
				const struct mcp_endpoint *source,
				const struct mcp_endpoint *to)
{
	struct mcp_tuple tuple = { .server = *to };
	struct sockaddr_storage addr;
	int len, err;

	len = mcp_socket_address(source, &addr);
	err = kernel_bind(sock, (struct sockaddr *)&addr, len) ?:
		mcp_socket_name(sock, false, &tuple.external);
	if (err)
		return err;
	spin_lock_bh(&s->lock);
	s->down.tuple = tuple;
	spin_unlock_bh(&s->lock);
	return mcp_nat_open(s);
}

static void mcp_connect_prepare(struct mcp_session *s, struct socket *sock)
{
	mcp_socket_own(sock);
	mcp_socket_set_tos(sock, s->tos);
	mcp_socket_set_option(sock, SOL_TCP, TCP_NODELAY, 1);
}

static int mcp_connect_by(struct mcp_session *s, struct socket *sock)
{
	struct sockaddr_storage addr;
	int len, err;

	if (!mcp_relay_new(s))
		return -ENOMEM;
	mcp_downstream_attach(s, sock);
	len = mcp_socket_address(&s->down.tuple.server, &addr);
	err = kernel_connect(sock, (struct sockaddr *)&addr, len, O_NONBLOCK);
	if (!err || err == -EINPROGRESS)
		return 0;
	mcp_downstream_detach(s);
	return err;
}

/**
 * mcp_connect() - dial by an MPTCP socket
 * @s: the session; down.tuple is complete, down.by_socket set
 *
 * Context: the worker.
 * Return: 0: it dials. -EEXIST: from this endpoint, that server cannot be dialled
 * now. Another error: see mcp_connect_failure().
 */
int mcp_connect(struct mcp_session *s)
{
	/* MPTCP's own socket takes a reference: of a namespace that has one left. */
	struct net *net = maybe_get_net(s->mnet->net);
	struct socket *sock;
	int err;

	if (!net)
		return -ENETDOWN;
	err = mcp_nat_open(s);
	if (err)
		goto put_net;
	err = mcp_socket_mptcp(net, s->down.tuple.server.family, &sock);
	if (err)
		goto close;
	mcp_connect_prepare(s, sock);
	err = mcp_connect_bind_external(s, sock) ?: mcp_connect_by(s, sock);
	if (!err)
		goto put_net;
	mcp_socket_release(sock);
close:
	mcp_nat_close(s, false);
	if (err == -EADDRINUSE || err == -EADDRNOTAVAIL)
		err = -EEXIST;
put_net:
	put_net(net);
	return err;
}

/**
 * mcp_connect_from() - dial by an MPTCP socket, as any program of the host
 * @s: the session; it has no external endpoint yet, and gets one here
 * @source: the address of the host to dial from
 * @to: whom
 *
 * Context: the worker.
 * Return: 0: it dials; or a negative error.
 */
int mcp_connect_from(struct mcp_session *s, const struct mcp_endpoint *source,
		     const struct mcp_endpoint *to)
{
	/* As in mcp_connect(). */
	struct net *net = maybe_get_net(s->mnet->net);
	struct socket *sock;
	int err;

	if (!net)
		return -ENETDOWN;
	err = mcp_socket_mptcp(net, to->family, &sock);
	if (err)
		goto put_net;
	mcp_connect_prepare(s, sock);
	err = mcp_connect_bind_any(s, sock, source, to) ?:
		mcp_connect_by(s, sock);
	if (!err)
		goto put_net;
	mcp_nat_close(s, false);
	mcp_socket_release(sock);
put_net:
	put_net(net);
	return err;
}

/**
 * mcp_connect_failure() - what an error of a socket that dials means
 * @err: the error, negative
 *
 * Context: any.
 */
enum mcp_outcome mcp_connect_failure(int err)
{
	switch (err) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -ENETDOWN:
	case -EACCES:
	case -EPERM:
	case -EINVAL:
		return MCP_OUTCOME_NO_ROUTE;
	case -ETIMEDOUT:
		return MCP_OUTCOME_TIMED_OUT;
	case -ECONNREFUSED:
		return MCP_OUTCOME_REFUSED;
	default:
		return MCP_OUTCOME_NO_RESOURCES;
	}
}

/**
 * mcp_connect_outcome() - what has come of the dial so far
 * @s: the session, whose socket dials
 *
 * Context: the worker.
 */
enum mcp_outcome mcp_connect_outcome(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;
	struct sock *sk = d->sock->sk;
	int state, err;
	u8 heard;

	state = inet_sk_state_load(sk);
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV) {
		spin_lock_bh(&s->lock);
		heard = d->heard;
		spin_unlock_bh(&s->lock);
		return heard;
	}
	if (state != TCP_CLOSE)
		return MCP_OUTCOME_ACCEPTED;
	/* A SYN is refused, a connection is reset: of that the relay tells. */
	err = READ_ONCE(sk->sk_err);
	if (err == ECONNRESET || err == EPIPE)
		return MCP_OUTCOME_ACCEPTED;
	return mcp_connect_failure(err ? -err : -ECONNREFUSED);
}

/* MPTCP passes on neither of these. */
static void mcp_connect_set_first(const struct mcp_session *s, struct sock *sk,
				  struct sk_buff *skb)
{
	/* It is syn-timeout that ends a dial. */
	WRITE_ONCE(inet_csk(sk)->icsk_syn_retries, MAX_TCP_SYNCNT);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		u8 dscp = s->tos & ~INET_ECN_MASK;

		inet6_sk(sk)->tclass = dscp;
		if (!skb_ensure_writable(skb, sizeof(struct ipv6hdr)))
			ipv6_change_dsfield(ipv6_hdr(skb), INET_ECN_MASK, dscp);
	}
#endif
}

/**
 * mcp_connect_syn() - a socket sends a SYN: is it one of ours?
 * @mnet: the namespace
 * @skb: the SYN, at LOCAL_OUT
 * @thoff: offset of its TCP header
 * @tuple: its source and destination
 * @seq: its sequence number
 * @mptcp: it has MP_CAPABLE
 *
 * The first of a dial, or one that MPTCP sends for a subflow more: see
 * mcp_socket_unpin(). One to a peer gets its request each time.
 *
 * Context: any but hard interrupt.
 * Return: false if it is not to go out.
 */
bool mcp_connect_syn(struct mcp_net *mnet, struct sk_buff *skb,
		     unsigned int thoff, const struct mcp_tuple *tuple, u32 seq,
		     bool mptcp)
{
	struct sock *sk = skb->sk;
	struct mcp_session *s;
	bool first, go = true;

	if (!sk || !sk_fullsock(sk) || !sk->sk_kern_sock)
		return true;
	first = mcp_socket_unpin(sk);
	if (!first && !atomic_read(&mnet->peers.dials))
		return true;
	s = mcp_nat_find(mnet, tuple);
	if (!s)
		return true;
	if (first) {
		spin_lock_bh(&s->lock);
		s->down.isn = seq;
		spin_unlock_bh(&s->lock);
		mcp_connect_set_first(s, sk, skb);
	}
	if (s->peer_dial)
		go = mcp_peer_dial_syn(s, skb, thoff, mptcp, first);
	mcp_session_put(s);
	return go;
}
