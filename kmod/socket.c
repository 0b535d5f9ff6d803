// SPDX-License-Identifier: GPL-2.0
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/mptcp.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/inet_ecn.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/mptcp.h>
#include <net/tcp.h>

#include "compat.h"
#include "net.h"
#include "socket.h"

/* Keepalive segments a silent side may leave unanswered. */
#define MCP_PROBES	4
/* Octets of the options that MPTCP puts into a segment with data. */
#define MCP_DSS_OCTETS	28

/**
 * mcp_socket_mptcp() - an MPTCP socket that does not hold its namespace
 * @net: the namespace; the caller has a reference
 * @family: AF_INET or AF_INET6
 * @res: the socket
 *
 * The locks of an MPTCP socket and of its subflows nest. lockdep tells them
 * apart because an ordinary MPTCP socket is not the kernel's, but its subflows
 * are. So this is an ordinary one; connections that it accepts inherit that. Its
 * subflows get a reference to the namespace each, see mcp_sk_unpin_net().
 *
 * Context: process.
 * Return: 0 or a negative error; -ENOPROTOOPT and -EPROTONOSUPPORT mean that
 * MPTCP is off.
 */
int mcp_socket_mptcp(struct net *net, int family, struct socket **res)
{
	int err = __sock_create(net, family, SOCK_STREAM, IPPROTO_MPTCP, res, 0);

	if (err)
		return err;
	lock_sock((*res)->sk);
	mcp_sk_unpin_net((*res)->sk);
	release_sock((*res)->sk);
	return 0;
}

/**
 * mcp_socket_own() - let the subflows of a connection be known as ours
 * @sock: MPTCP, not a user's
 *
 * MPTCP tells nobody which connection a subflow belongs to that it opens by
 * itself. But it gives the subflow's inode the owner of the connection's, so that
 * this shows in /proc; and a group that is none is the owner of no other one.
 *
 * Context: process.
 */
void mcp_socket_own(struct socket *sock)
{
	SOCK_INODE(sock)->i_gid = INVALID_GID;
}

/**
 * mcp_socket_unpin() - let a subflow of ours not hold its namespace
 * @sk: TCP, a full socket that sends its SYN
 *
 * Who sends has it locked, but for a SYN that comes back from user space
 * (NFQUEUE): so two of these exclude each other.
 *
 * Context: any but hard interrupt.
 * Return: true if it is one, and has held its namespace until now.
 */
bool mcp_socket_unpin(struct sock *sk)
{
	bool unpin;

	if (!sk->sk_kern_sock || !sk->sk_net_refcnt)
		return false;
	write_lock_bh(&sk->sk_callback_lock);
	unpin = sk->sk_net_refcnt && sk->sk_socket &&
		!gid_valid(SOCK_INODE(sk->sk_socket)->i_gid);
	if (unpin)
		mcp_sk_unpin_net(sk);
	write_unlock_bh(&sk->sk_callback_lock);
	return unpin;
}

/**
 * mcp_socket_set_option() - set an integer option
 * @sock: a socket of any kind; MPTCP passes it on to its subflows
 * @level: SOL_...
 * @name: the option
 * @value: its value
 *
 * Context: process; takes the socket's lock.
 * Return: 0 or a negative error.
 */
int mcp_socket_set_option(struct socket *sock, int level, int name, int value)
{
	return sock->ops->setsockopt(sock, level, name, KERNEL_SOCKPTR(&value),
				     sizeof(value));
}

/**
 * mcp_socket_set_foreign() - let a socket be bound to an address of others
 * @sock: TCP or MPTCP, not bound yet
 *
 * Context: process; takes the socket's lock.
 * Return: 0 or a negative error.
 */
int mcp_socket_set_foreign(struct socket *sock)
{
	return sock->sk->sk_family == AF_INET ?
		mcp_socket_set_option(sock, SOL_IP, IP_TRANSPARENT, 1) :
		mcp_socket_set_option(sock, SOL_IPV6, IPV6_TRANSPARENT, 1);
}

/**
 * mcp_socket_address() - an endpoint as socket calls want it
 * @ep: the endpoint
 * @addr: where it goes
 *
 * Context: any.
 * Return: the length of the address.
 */
int mcp_socket_address(const struct mcp_endpoint *ep,
		       struct sockaddr_storage *addr)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;
	struct sockaddr_in *in = (struct sockaddr_in *)addr;

	memset(addr, 0, sizeof(*addr));
	addr->ss_family = ep->family;
	in->sin_port = ep->port;
	if (ep->family == AF_INET) {
		in->sin_addr.s_addr = ep->addr.ip;
		return sizeof(*in);
	}
	memcpy(&in6->sin6_addr, ep->addr.ip6, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

/* Address and port of one end; an IPv4-mapped address becomes IPv4. */
static void mcp_endpoint_from_sockaddr(struct mcp_endpoint *ep,
				       const struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;

	memset(ep, 0, sizeof(*ep));
	ep->port = in->sin_port;
	if (addr->ss_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(&in6->sin6_addr)) {
		ep->family = AF_INET6;
		memcpy(ep->addr.ip6, &in6->sin6_addr, sizeof(ep->addr.ip6));
		return;
	}
	ep->family = AF_INET;
	ep->addr.ip = addr->ss_family == AF_INET ? in->sin_addr.s_addr :
		in6->sin6_addr.s6_addr32[3];
}

/**
 * mcp_socket_name() - one end of a connected socket
 * @sock: the socket
 * @peer: the other side's end
 * @ep: where it goes
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_socket_name(struct socket *sock, bool peer, struct mcp_endpoint *ep)
{
	struct sockaddr_storage addr;
	int err;

	/* 2: also of a connection that is reset already. */
	err = sock->ops->getname(sock, (struct sockaddr *)&addr, peer ? 2 : 0);
	if (err < 0)
		return err;
	mcp_endpoint_from_sockaddr(ep, &addr);
	return 0;
}

/**
 * mcp_socket_receive() - read what is there
 * @sock: the socket
 * @buf: where it goes
 * @size: octets that fit
 *
 * Context: process; does not wait.
 * Return: octets read, 0 at the end of the stream, -EAGAIN or another error.
 */
int mcp_socket_receive(struct socket *sock, void *buf, size_t size)
{
	struct kvec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = { };

	return kernel_recvmsg(sock, &msg, &iov, 1, size, MSG_DONTWAIT);
}

/**
 * mcp_socket_keep_urgent() - read urgent octets like any other
 * @sock: TCP or MPTCP
 *
 * Otherwise they are left out of what is read, and MPTCP has no way to pass them
 * on. RFC 6093 section 5 wants them where they stand.
 *
 * Context: process; takes the socket's lock.
 */
void mcp_socket_keep_urgent(struct socket *sock)
{
	if (sock->sk->sk_protocol != IPPROTO_TCP)
		return;
	lock_sock(sock->sk);
	sock_set_flag(sock->sk, SOCK_URGINLINE);
	release_sock(sock->sk);
}

/**
 * mcp_socket_closed() - has the protocol nothing left to do?
 * @sock: a socket that was shut down both ways
 *
 * A kernel socket must not be released earlier: its timers end with it, and
 * with them the retransmission of what is not acknowledged yet.
 *
 * Context: process.
 */
bool mcp_socket_closed(const struct socket *sock)
{
	return inet_sk_state_load(sock->sk) == TCP_CLOSE;
}

/**
 * mcp_socket_find() - the socket of an established or half-open connection
 * @net: the namespace
 * @local: our end
 * @peer: the other end, of the same family
 * @ifindex: the interface that its packets come in by: a socket may be bound to
 *	     it; 0 if it is not
 *
 * Context: any but hard interrupt.
 * Return: the socket with a reference (sock_gen_put()), or NULL. It may be a
 * request socket or one in TIME_WAIT.
 */
struct sock *mcp_socket_find(struct net *net, const struct mcp_endpoint *local,
			     const struct mcp_endpoint *peer, int ifindex)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	struct sock *sk = NULL;

	rcu_read_lock();
	if (local->family == AF_INET)
		sk = __inet_lookup_established(net, hashinfo, peer->addr.ip,
					       peer->port, local->addr.ip,
					       ntohs(local->port), ifindex, 0);
#if IS_ENABLED(CONFIG_IPV6)
	else
		sk = __inet6_lookup_established(net, hashinfo,
						(const struct in6_addr *)&peer->addr,
						peer->port,
						(const struct in6_addr *)&local->addr,
						ntohs(local->port), ifindex, 0);
#endif
	rcu_read_unlock();
	return sk;
}

/**
 * mcp_socket_assign() - the listener for a SYN, whatever its address
 * @listener: a TCP socket
 * @skb: the SYN, at LOCAL_IN
 *
 * Context: BH off, under rcu_read_lock().
 * Return: false if it has just been closed.
 */
bool mcp_socket_assign(struct sock *listener, struct sk_buff *skb)
{
	if (!refcount_inc_not_zero(&listener->sk_refcnt))
		return false;
	skb_orphan(skb);
	skb->sk = listener;
	skb->destructor = sock_edemux;
	return true;
}

/**
 * mcp_socket_listens() - does a program of the host listen there?
 * @net: the namespace
 * @local: address and port
 * @ifindex: the interface that a SYN comes in by: a listener may be bound to it
 *
 * Context: any but hard interrupt.
 */
bool mcp_socket_listens(struct net *net, const struct mcp_endpoint *local,
			int ifindex)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	struct sock *sk = NULL;

	rcu_read_lock();
	if (local->family == AF_INET)
		sk = __inet_lookup_listener(net, hashinfo, NULL, 0, 0, 0,
					    local->addr.ip, ntohs(local->port),
					    ifindex, 0);
#if IS_ENABLED(CONFIG_IPV6)
	else
		sk = inet6_lookup_listener(net, hashinfo, NULL, 0, &in6addr_any,
					   0,
					   (const struct in6_addr *)&local->addr,
					   ntohs(local->port), ifindex, 0);
#endif
	rcu_read_unlock();
	return sk;
}

/**
 * mcp_socket_ack() - send an ACK, whether one is due or not
 * @sock: TCP, established
 *
 * Context: process; takes the socket's lock.
 */
void mcp_socket_ack(struct socket *sock)
{
	lock_sock(sock->sk);
	mcp_tcp_send_ack(sock->sk);
	release_sock(sock->sk);
}

/**
 * mcp_socket_first() - the TCP socket of a connection
 * @sock: TCP or MPTCP, connected
 *
 * Context: process.
 * Return: of MPTCP the first subflow, as long as it is there; with a reference
 * (sock_put()). NULL if there is none.
 */
struct sock *mcp_socket_first(struct socket *sock)
{
	struct mcp_endpoint local, peer;
	struct sock *sk = sock->sk;

	if (sk->sk_protocol != IPPROTO_MPTCP) {
		sock_hold(sk);
		return sk;
	}
	if (mcp_socket_name(sock, false, &local) ||
	    mcp_socket_name(sock, true, &peer))
		return NULL;
	sk = mcp_socket_find(sock_net(sk), &local, &peer,
			     READ_ONCE(sk->sk_bound_dev_if));
	if (sk && !sk_fullsock(sk)) {
		sock_gen_put(sk);
		sk = NULL;
	}
	return sk;
}

/**
 * mcp_socket_goal() - how much goes out at once, in segments that are all full
 * @sock: MPTCP, connected; its first subflow is asked
 * @most: octets that it is to be at most
 *
 * Where MPTCP's options take less than they can, as after a fallback, the last
 * segment is not quite full.
 *
 * Context: process; takes the socket's lock.
 * Return: octets, or 0 if nobody knows.
 */
u32 mcp_socket_goal(struct socket *sock, u32 most)
{
	struct sock *sk = mcp_socket_first(sock);
	u32 mss, segments;

	if (!sk)
		return 0;
	mss = READ_ONCE(tcp_sk(sk)->mss_cache);
	segments = READ_ONCE(tcp_sk(sk)->gso_segs);
	sock_put(sk);
	if (mss <= MCP_DSS_OCTETS)
		return 0;
	mss -= MCP_DSS_OCTETS;
	return mss * min(segments, most / mss);
}

/**
 * mcp_socket_kind() - what a connection has become
 * @sk: TCP or MPTCP, established
 * @subflows: how many subflows it has, 0 if that has no meaning
 *
 * Context: process; takes the socket's lock.
 */
enum mcp_upstream_kind mcp_socket_kind(struct sock *sk, u8 *subflows)
{
	struct mptcp_info info = { };

	*subflows = 0;
	if (sk->sk_protocol != IPPROTO_MPTCP)
		return MCP_UPSTREAM_TCP;
	mptcp_diag_fill_info((struct mptcp_sock *)sk, &info);
	if (info.mptcpi_flags & MPTCP_INFO_FLAG_FALLBACK)
		return MCP_UPSTREAM_FALLBACK;
	*subflows = min(info.mptcpi_subflows + 1, 255);
	return MCP_UPSTREAM_MPTCP;
}

/* MPTCP does not pass IPV6_TCLASS on: at least its first subflow shall have it. */
static void mcp_set_first_tclass(struct socket *sock, u8 tclass)
{
#if IS_ENABLED(CONFIG_IPV6)
	struct sock *sk = mcp_socket_first(sock);

	if (!sk)
		return;
	lock_sock(sk);
	inet6_sk(sk)->tclass = tclass;
	release_sock(sk);
	sock_put(sk);
#endif
}

/**
 * mcp_socket_set_tos() - mark what a socket sends
 * @sock: TCP or MPTCP, IPv4 or IPv6
 * @tos: TOS or traffic class of a packet of the other side
 *
 * The DSCP of a connection goes with it (nam section 5.6.5); ECN does not.
 *
 * Context: process; takes the socket's lock.
 */
void mcp_socket_set_tos(struct socket *sock, u8 tos)
{
	int dscp = tos & ~INET_ECN_MASK;

	if (!dscp)
		return;
	if (sock->sk->sk_family == AF_INET)
		mcp_socket_set_option(sock, SOL_IP, IP_TOS, dscp);
	else if (mcp_socket_set_option(sock, SOL_IPV6, IPV6_TCLASS, dscp))
		mcp_set_first_tclass(sock, dscp);
}

static void mcp_probe_tcp(struct sock *sk, int interval)
{
	tcp_sock_set_keepintvl(sk, interval);
	tcp_sock_set_keepcnt(sk, MCP_PROBES);
	sock_set_keepalive(sk);
	/* The silence is longer than this: the first one goes out at once. */
	tcp_sock_set_keepidle(sk, 1);
}

/*
 * Keepalive of an MPTCP socket, on its subflows. Older kernels have not all of it:
 * there at least the first one shall have it.
 */
static void mcp_probe_mptcp(struct socket *sock, int on, int interval)
{
	struct sock *first;

	if (on) {
		mcp_socket_set_option(sock, SOL_TCP, TCP_KEEPINTVL, interval);
		mcp_socket_set_option(sock, SOL_TCP, TCP_KEEPCNT,
				      MCP_PROBES);
		mcp_socket_set_option(sock, SOL_TCP, TCP_KEEPIDLE, 1);
	}
	mcp_socket_set_option(sock, SOL_SOCKET, SO_KEEPALIVE, on);
	first = on ? mcp_socket_first(sock) : NULL;
	if (first) {
		mcp_probe_tcp(first, interval);
		sock_put(first);
	}
}

/**
 * mcp_socket_probe() - ask the other side for a sign of life
 * @sock: TCP or MPTCP, established and silent for longer than a second
 * @time_ms: how long it has to give one, in milliseconds
 *
 * RFC 6146 section 3.5.2.2: an endpoint is probed before an idle session is given
 * up. Keepalive segments are the probes; a side that answers none of them ends in
 * an error.
 *
 * Context: process; takes the socket's lock.
 */
void mcp_socket_probe(struct socket *sock, u32 time_ms)
{
	int interval = clamp_t(u32, time_ms / 1000 / (MCP_PROBES + 1), 1,
			       MAX_TCP_KEEPINTVL);
	struct sock *sk = sock->sk;

	if (sk->sk_protocol == IPPROTO_MPTCP) {
		mcp_probe_mptcp(sock, 1, interval);
		return;
	}
	mcp_probe_tcp(sk, interval);
}

/**
 * mcp_socket_probe_stop() - undo mcp_socket_probe()
 * @sock: the socket
 *
 * Context: process; takes the socket's lock.
 */
void mcp_socket_probe_stop(struct socket *sock)
{
	struct sock *sk = sock->sk;

	if (sk->sk_protocol == IPPROTO_MPTCP) {
		mcp_probe_mptcp(sock, 0, 0);
		return;
	}
	lock_sock(sk);
	sk->sk_prot->keepalive(sk, 0);
	sock_reset_flag(sk, SOCK_KEEPOPEN);
	release_sock(sk);
}

/**
 * mcp_socket_forget_syn() - the handshake of a connection must not complete
 * @net: the namespace
 * @local: our end
 * @peer: the other end
 * @ifindex: the interface of its SYN
 *
 * Context: process.
 */
void mcp_socket_forget_syn(struct net *net, const struct mcp_endpoint *local,
			   const struct mcp_endpoint *peer, int ifindex)
{
	struct sock *sk = mcp_socket_find(net, local, peer, ifindex);
	struct request_sock *req;

	if (!sk)
		return;
	if (sk->sk_state != TCP_NEW_SYN_RECV) {
		sock_gen_put(sk);
		return;
	}
	req = inet_reqsk(sk);
	local_bh_disable();
	inet_csk_reqsk_queue_drop_and_put(req->rsk_listener, req);
	local_bh_enable();
}

/**
 * mcp_socket_drained() - has the other side acknowledged all we wrote?
 * @sock: TCP or MPTCP
 *
 * An MPTCP socket that fell back leaves it all to its only subflow.
 *
 * Context: process.
 */
bool mcp_socket_drained(struct socket *sock)
{
	struct sock *sk;
	bool drained;

	if (READ_ONCE(sock->sk->sk_wmem_queued))
		return false;
	sk = mcp_socket_first(sock);
	if (!sk)
		return true;
	drained = !READ_ONCE(sk->sk_wmem_queued);
	sock_put(sk);
	return drained;
}

/**
 * mcp_socket_broken() - has the connection ended in an error?
 * @sock: TCP or MPTCP
 *
 * What arrived before can still be read. False also once the error was read.
 *
 * Context: process.
 */
bool mcp_socket_broken(const struct socket *sock)
{
	return mcp_socket_closed(sock) && READ_ONCE(sock->sk->sk_err);
}

/**
 * mcp_socket_release() - be done with a connection
 * @sock: TCP or MPTCP
 *
 * Resets it (RST or MP_FASTCLOSE), unless mcp_socket_closed().
 *
 * Context: process.
 */
void mcp_socket_release(struct socket *sock)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (!mcp_socket_closed(sock)) {
		if (sock->sk->sk_protocol == IPPROTO_MPTCP)
			sock->ops->setsockopt(sock, SOL_SOCKET, SO_LINGER,
					      KERNEL_SOCKPTR(&linger),
					      sizeof(linger));
		else
			sock_no_linger(sock->sk);
	}
	sock_release(sock);
}

/*
 * Ends a socket that nobody owns any more. A timer of it that is just running
 * finds it closed; mcp_socket_reap() waits for that.
 */
static void mcp_orphan_end(struct sock *sk)
{
	lock_sock(sk);
	local_bh_disable();
	bh_lock_sock(sk);
	if (sk->sk_state != TCP_CLOSE)
		tcp_done(sk);
	bh_unlock_sock(sk);
	local_bh_enable();
	release_sock(sk);
}

/* Lets such a socket hold its namespace, as it would had it never been ours. */
static void mcp_orphan_pin(struct sock *sk)
{
	lock_sock(sk);
	mcp_sk_pin_net(sk);
	release_sock(sk);
}

/**
 * mcp_socket_reap() - leave no connection without a namespace
 * @net: the namespace; it, or the module, is going away
 *
 * Connections that were closed in good order may still have octets to send or a
 * FIN to be acknowledged. Their sockets do not hold the namespace (see
 * mcp_sk_unpin_net()), so their timers must not outlive it: they end with the
 * namespace, or from now on hold it like any other socket.
 *
 * Context: process; no session is left.
 */
void mcp_socket_reap(struct net *net)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	bool alive = maybe_get_net(net);
	unsigned int slot;

	for (slot = 0; slot <= hashinfo->ehash_mask; slot++) {
		struct inet_ehash_bucket *head = &hashinfo->ehash[slot];
		spinlock_t *lock = inet_ehash_lockp(hashinfo, slot);
		struct hlist_nulls_node *node;
		struct sock *sk;
again:
		if (hlist_nulls_empty(&head->chain))
			continue;
		spin_lock_bh(lock);
		sk_nulls_for_each(sk, node, &head->chain) {
			if (!net_eq(sock_net(sk), net) || !sk_fullsock(sk) ||
			    sk->sk_net_refcnt || !sock_flag(sk, SOCK_DEAD) ||
			    !refcount_inc_not_zero(&sk->sk_refcnt))
				continue;
			spin_unlock_bh(lock);
			if (alive)
				mcp_orphan_pin(sk);
			else
				mcp_orphan_end(sk);
			sock_put(sk);
			cond_resched();
			goto again;
		}
		spin_unlock_bh(lock);
	}
	if (alive)
		put_net(net);
	else
		synchronize_net();	/* timers run with BH off */
}
