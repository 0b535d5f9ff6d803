// SPDX-License-Identifier: GPL-2.0
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/net.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/tcp.h>

#include "compat.h"
#include "conversion.h"
#include "deliver.h"
#include "icmp.h"
#include "reply.h"
#include "session.h"
#include "socket.h"
#include "steer.h"
#include "trace.h"

#define MCP_BACKLOG		8192
/* Connections accepted before others get the CPU. */
#define MCP_ACCEPTS_PER_RUN	64

static int mcp_listener_family(enum mcp_listener listener)
{
	return listener == MCP_LISTENER_IP || listener == MCP_LISTENER_ANY_IP ?
		AF_INET : AF_INET6;
}

static bool mcp_listener_any(enum mcp_listener listener)
{
	return listener >= MCP_LISTENER_ANY_IP;
}

/* The TCP socket behind an MPTCP listener: not reachable but by its port. */
static struct sock *mcp_tcp_listener(struct net *net, int family, __be16 port)
{
	struct inet_hashinfo *hashinfo = net->ipv4.tcp_death_row.hashinfo;
	__be32 lo = htonl(INADDR_LOOPBACK);
	struct sock *sk = NULL;

	rcu_read_lock();
	if (family == AF_INET)
		sk = __inet_lookup_listener(net, hashinfo, NULL, 0, lo, port,
					    lo, ntohs(port), LOOPBACK_IFINDEX, 0);
#if IS_ENABLED(CONFIG_IPV6)
	else
		sk = inet6_lookup_listener(net, hashinfo, NULL, 0,
					   &in6addr_loopback, port,
					   &in6addr_loopback, ntohs(port),
					   LOOPBACK_IFINDEX, 0);
#endif
	if (sk && (!sk->sk_kern_sock || !refcount_inc_not_zero(&sk->sk_refcnt)))
		sk = NULL;
	rcu_read_unlock();
	return sk;
}

/*
 * Where a listener is bound: to the MCP's port, or where no packet of a stranger gets
 * to. There it takes what mcp_upstream_assign() gives it.
 */
static int mcp_listener_bind(struct socket *sock, enum mcp_listener listener,
			     __be16 port)
{
	struct mcp_endpoint ep = { .port = port };
	struct sockaddr_storage addr;
	int len, err;

	ep.family = mcp_listener_family(listener);
	if (mcp_listener_any(listener)) {
		ep.port = 0;
		if (ep.family == AF_INET)
			ep.addr.ip = htonl(INADDR_LOOPBACK);
		else
			memcpy(ep.addr.ip6, &in6addr_loopback, 16);
		err = mcp_socket_set_foreign(sock);
		if (err)
			return err;
	}
	len = mcp_socket_address(&ep, &addr);
	return kernel_bind(sock, (struct sockaddr *)&addr, len);
}

/* Opens one listener, and finds the TCP socket behind it, with a reference. */
static int mcp_listen_on(struct net *net, enum mcp_listener listener, __be16 port,
			 struct socket **res, struct sock **tcp)
{
	int family = mcp_listener_family(listener);
	struct mcp_endpoint bound;
	struct socket *sock;
	int err;

	err = mcp_socket_mptcp(net, family, &sock);
	if (err)
		return err;
	mcp_socket_set_option(sock, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6) {
		err = mcp_socket_set_option(sock, SOL_IPV6, IPV6_V6ONLY, 1);
		if (err)
			goto out;
	}
	err = mcp_listener_bind(sock, listener, port) ?:
		kernel_listen(sock, MCP_BACKLOG) ?:
		mcp_socket_name(sock, false, &bound);
	if (err)
		goto out;

	*tcp = mcp_tcp_listener(net, family, bound.port);
	if (!*tcp) {
		err = -EADDRINUSE;
		goto out;
	}
	lock_sock(*tcp);
	mcp_sk_unpin_net(*tcp);
	/* What setsockopt(TCP_SAVE_SYN) does, if it were passed on. */
	tcp_sk(*tcp)->save_syn = 1;
	/* Its children read urgent octets like any other, from the first one on. */
	sock_set_flag(*tcp, SOCK_URGINLINE);
	release_sock(*tcp);
	*res = sock;
	return 0;
out:
	sock_release(sock);
	return err;
}

static int mcp_wake_accept(struct wait_queue_entry *wait, unsigned int mode,
			   int sync, void *key)
{
	struct mcp_net *mnet = wait->private;

	queue_work(system_wq, &mnet->upstream.accept);
	return 0;
}

/* Hands an accepted connection to the session whose SYN began it. */
static bool mcp_upstream_hand_over(struct mcp_net *mnet,
				   const struct mcp_session_key *key,
				   struct socket *sock)
{
	struct mcp_session *s = mcp_session_find(mnet, key);
	bool taken = false;

	if (!s)
		return false;
	spin_lock_bh(&s->lock);
	if (!s->dead && s->answered && !s->accepted) {
		s->accepted = sock;
		taken = true;
	}
	spin_unlock_bh(&s->lock);
	if (taken) {
		mcp_session_unhash(s);
		mcp_session_kick(s);
	}
	mcp_session_put(s);
	return taken;
}

/* A listener's connections. @late: who has no session may ask for one. */
static bool mcp_accept_from(struct mcp_net *mnet, struct socket *listener,
			    bool late)
{
	int budget = MCP_ACCEPTS_PER_RUN;
	int err;

	while (!READ_ONCE(mnet->upstream.accept_stop)) {
		struct mcp_session_key key;
		struct socket *sock;

		if (!budget--)
			return false;
		err = kernel_accept(listener, &sock, O_NONBLOCK);
		if (err == -EAGAIN)
			break;
		if (err)
			continue;
		mcp_socket_own(sock);
		if (mcp_socket_name(sock, true, &key.client) ||
		    mcp_socket_name(sock, false, &key.mcp)) {
			/* It was reset before we came to it. */
			mcp_socket_release(sock);
			continue;
		}
		if (mcp_upstream_hand_over(mnet, &key, sock))
			continue;
		if (late)
			mcp_conversion_late(mnet, &key, sock);
		else
			mcp_socket_release(sock);
	}
	return true;
}

/**
 * mcp_upstream_accept_from() - give connections to the sessions whose SYNs began them
 * @mnet: the namespace
 * @listener: whose connections; of mcp_upstream_listen_apart()
 *
 * Context: process.
 * Return: false if there may be more, and others should get the CPU first.
 */
bool mcp_upstream_accept_from(struct mcp_net *mnet, struct socket *listener)
{
	return mcp_accept_from(mnet, listener, false);
}

static void mcp_upstream_accept(struct work_struct *work)
{
	struct mcp_net *mnet = container_of(work, struct mcp_net,
					    upstream.accept);
	struct mcp_upstream *up = &mnet->upstream;
	bool more = false;
	int i;

	for (i = 0; i < MCP_LISTENERS; i++)
		if (up->sock[i])
			more |= !mcp_accept_from(mnet, up->sock[i],
						 !mcp_listener_any(i));
	if (more)
		queue_work(system_wq, work);
}

/**
 * mcp_upstream_init() - before the first mcp_upstream_listen()
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_upstream_init(struct mcp_net *mnet)
{
	INIT_WORK(&mnet->upstream.accept, mcp_upstream_accept);
}

/**
 * mcp_upstream_listen_apart() - one more listener that nobody can address
 * @mnet: the namespace
 * @family: AF_INET or AF_INET6
 * @sock: the MPTCP listener; sock_release()
 * @tcp: the TCP socket behind it; with a reference
 *
 * It takes the connections whose SYNs mcp_socket_assign() gives to @tcp, to whatever
 * address.
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_upstream_listen_apart(struct mcp_net *mnet, u16 family,
			      struct socket **sock, struct sock **tcp)
{
	return mcp_listen_on(mnet->net, family == AF_INET ?
			     MCP_LISTENER_ANY_IP : MCP_LISTENER_ANY_IP6, 0,
			     sock, tcp);
}

/**
 * mcp_upstream_listen() - open the listeners
 * @mnet: the namespace; its settings have the port
 *
 * Plain MPTCP listeners, without Fast Open: what the hook gives them are SYNs
 * without payload. Without IPv6 in the kernel there is only every other one.
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or a negative error; -ENOPROTOOPT and -EPROTONOSUPPORT mean that
 * MPTCP is off.
 */
int mcp_upstream_listen(struct mcp_net *mnet)
{
	struct mcp_upstream *up = &mnet->upstream;
	struct sock *tcp;
	int err, i;

	up->accept_stop = false;
	for (i = 0; i < MCP_LISTENERS; i++) {
		err = mcp_listen_on(mnet->net, i, mnet->settings.port,
				    &up->sock[i], &tcp);
		if (err == -EAFNOSUPPORT &&
		    mcp_listener_family(i) == AF_INET6)
			continue;
		if (err) {
			mcp_upstream_stop(mnet);
			return err;
		}
		if (mcp_listener_any(i))
			WRITE_ONCE(up->tcp[i - MCP_LISTENER_ANY_IP], tcp);
		else
			sock_put(tcp);
		init_waitqueue_func_entry(&up->wait[i], mcp_wake_accept);
		up->wait[i].private = mnet;
		add_wait_queue(sk_sleep(up->sock[i]->sk), &up->wait[i]);
	}
	return 0;
}

/**
 * mcp_upstream_stop() - close the listeners
 * @mnet: the namespace
 *
 * Context: process, mcp_net.lock held or the namespace going away.
 */
void mcp_upstream_stop(struct mcp_net *mnet)
{
	struct mcp_upstream *up = &mnet->upstream;
	int i;

	WRITE_ONCE(up->accept_stop, true);
	for (i = 0; i < ARRAY_SIZE(up->tcp); i++) {
		struct sock *tcp = xchg(&up->tcp[i], NULL);

		/* Packets take a reference of their own, if there is one left. */
		if (tcp)
			sock_put(tcp);
	}
	for (i = 0; i < MCP_LISTENERS; i++)
		if (up->sock[i])
			remove_wait_queue(sk_sleep(up->sock[i]->sk),
					  &up->wait[i]);
	cancel_work_sync(&up->accept);
	for (i = 0; i < MCP_LISTENERS; i++) {
		if (up->sock[i])
			sock_release(up->sock[i]);
		up->sock[i] = NULL;
	}
}

/**
 * mcp_upstream_assign() - the listener for whatever address has this SYN
 * @mnet: the namespace
 * @skb: the SYN, at LOCAL_IN, without payload
 * @family: AF_INET or AF_INET6
 *
 * Context: BH off, under rcu_read_lock().
 * Return: false if there is no such listener any more.
 */
bool mcp_upstream_assign(struct mcp_net *mnet, struct sk_buff *skb, u16 family)
{
	struct sock *tcp = READ_ONCE(mnet->upstream.tcp[family == AF_INET6]);

	return tcp && mcp_socket_assign(tcp, skb);
}

/* A SYN that was held at PRE_ROUTING is for the host. */
static void mcp_upstream_bring(struct mcp_session *s, struct sk_buff *skb,
			       int (*okfn)(struct net *net, struct sock *sk,
					   struct sk_buff *skb))
{
	if (skb_dst(skb) || mcp_deliver(skb, s->key.client.family))
		okfn(s->mnet->net, NULL, skb);
	else
		kfree_skb(skb);
}

/**
 * mcp_upstream_resume() - let a SYN that was kept go on
 * @s: the session
 * @skb: the SYN; taken over
 * @ifindex: the interface it came in by
 * @okfn: where it goes behind the chain in which it was held
 *
 * It takes the way from the INPUT chain's beginning on, if it was held there once
 * more, because connection tracking confirms it at the end of that way. So does
 * what is steered, which goes nowhere else.
 *
 * Context: process.
 */
void mcp_upstream_resume(struct mcp_session *s, struct sk_buff *skb, int ifindex,
			 int (*okfn)(struct net *net, struct sock *sk,
				     struct sk_buff *skb))
{
	struct net_device *dev;

	local_bh_disable();
	rcu_read_lock();
	dev = dev_get_by_index_rcu(s->mnet->net, ifindex);
	skb->dev = dev;
	if (dev && s->ingress != MCP_INGRESS_EXPLICIT && !mcp_steered(s)) {
		mcp_upstream_bring(s, skb, okfn);
	} else if (dev && (skb_dst(skb) ||
			   mcp_deliver(skb, s->key.client.family))) {
		NF_HOOK(s->key.client.family == AF_INET ? NFPROTO_IPV4 :
			NFPROTO_IPV6, NF_INET_LOCAL_IN, s->mnet->net, NULL, skb,
			dev, NULL, okfn);
	} else {
		kfree_skb(skb);
	}
	rcu_read_unlock();
	local_bh_enable();
}

/* The SYN that is held, which is answered from here on; NULL if there is none. */
static struct sk_buff *mcp_upstream_take_held(struct mcp_session *s)
{
	struct sk_buff *skb;

	spin_lock_bh(&s->lock);
	skb = s->held;
	s->held = NULL;
	if (skb)
		s->answered = true;
	spin_unlock_bh(&s->lock);
	return skb;
}

/**
 * mcp_upstream_answer() - give the client's SYN to the stack
 * @s: the session
 * @as: the counter for it
 *
 * hook.c takes the payload out. Nothing happens if the SYN was answered before.
 *
 * Context: the worker.
 */
void mcp_upstream_answer(struct mcp_session *s, enum mcp_stat as)
{
	struct sk_buff *skb = mcp_upstream_take_held(s);

	if (!skb)
		return;
	mcp_count(s->mnet, as);
	/* To be told an error, a client is not waited for that long. */
	s->accept_until = mcp_deadline(s->refusal ?
				       READ_ONCE(s->mnet->settings.request_timeout) :
				       READ_ONCE(s->mnet->settings.syn_timeout));
	mcp_upstream_resume(s, skb, s->ifindex, s->okfn);
}

/**
 * mcp_upstream_swallow() - the client's SYN is answered, but not by the stack
 * @s: the session
 * @okfn: gets the SYN in the stack's place
 *
 * Connection tracking is to know of it all the same.
 *
 * Context: the worker.
 */
void mcp_upstream_swallow(struct mcp_session *s,
			  int (*okfn)(struct net *net, struct sock *sk,
				      struct sk_buff *skb))
{
	struct sk_buff *skb = mcp_upstream_take_held(s);

	if (skb)
		mcp_upstream_resume(s, skb, s->ifindex, okfn);
}

/* The SYN that is held, which is not answered; NULL if there is none. */
static struct sk_buff *mcp_upstream_drop_held(struct mcp_session *s)
{
	struct sk_buff *skb;

	spin_lock_bh(&s->lock);
	skb = s->held;
	s->held = NULL;
	spin_unlock_bh(&s->lock);
	return skb;
}

/* Does something with a SYN that was held, as if it had just come in. */
static void mcp_upstream_with(struct mcp_session *s, struct sk_buff *skb,
			      void (*what)(struct mcp_session *s,
					   struct sk_buff *skb))
{
	local_bh_disable();
	rcu_read_lock();
	skb->dev = dev_get_by_index_rcu(s->mnet->net, s->ifindex);
	if (skb->dev)
		what(s, skb);
	else
		kfree_skb(skb);
	rcu_read_unlock();
	local_bh_enable();
}

static void mcp_held_reset(struct mcp_session *s, struct sk_buff *skb)
{
	/* Who answers needs to know how it would have come. */
	if (skb_dst(skb) || mcp_deliver(skb, s->key.client.family))
		mcp_reply_reset(s->mnet, skb, &s->key.client);
	kfree_skb(skb);
}

/*
 * The code for the client: what the server's network, or a peer, has said, if it
 * means the same there; else that the port is unreachable, which is as final.
 */
static u8 mcp_held_code(const struct mcp_session *s)
{
	u16 family = s->key.client.family;
	u8 code = s->down.icmp_code;

	if (s->request.server.family == family &&
	    mcp_icmp_kind(family, family == AF_INET ? ICMP_DEST_UNREACH :
			  ICMPV6_DEST_UNREACH, code) == MCP_ICMP_HARD)
		return code;
	return family == AF_INET ? ICMP_PORT_UNREACH : ICMPV6_PORT_UNREACH;
}

static void mcp_held_unreachable(struct mcp_session *s, struct sk_buff *skb)
{
	/* Errors have no way to one of the host's own, which is on none. */
	if (skb->dev->flags & IFF_LOOPBACK) {
		mcp_held_reset(s, skb);
		return;
	}
	mcp_reply_unreachable(s->mnet, skb, &s->key.client, mcp_held_code(s));
	kfree_skb(skb);
}

static void mcp_held_pass(struct mcp_session *s, struct sk_buff *skb)
{
	/* One of the host's own has come by a way that is not the server's. */
	if (!(skb->dev->flags & IFF_LOOPBACK))
		s->okfn(s->mnet->net, NULL, skb);
	else if (!mcp_deliver_out(s->mnet->net, skb, s->key.client.family))
		kfree_skb(skb);
}

/**
 * mcp_upstream_refuse() - refuse the client's SYN
 * @s: the session; its SYN is not answered
 * @reset: with a RST; else in silence
 *
 * Context: the worker.
 */
void mcp_upstream_refuse(struct mcp_session *s, bool reset)
{
	struct sk_buff *skb = mcp_upstream_drop_held(s);

	if (skb && reset)
		mcp_upstream_with(s, skb, mcp_held_reset);
	else
		kfree_skb(skb);
}

/**
 * mcp_upstream_unreachable() - tell the client's host what the server's network said
 * @s: the session; down.icmp_code is the code of a hard error. Its SYN is not
 *     answered
 *
 * Context: the worker.
 */
void mcp_upstream_unreachable(struct mcp_session *s)
{
	struct sk_buff *skb = mcp_upstream_drop_held(s);

	if (skb)
		mcp_upstream_with(s, skb, mcp_held_unreachable);
}

/**
 * mcp_upstream_pass() - let the client's SYN go where it was going
 * @s: the session; its SYN was taken off the path and is not answered
 *
 * Context: the worker.
 * Return: false if there is none.
 */
bool mcp_upstream_pass(struct mcp_session *s)
{
	struct sk_buff *skb = mcp_upstream_drop_held(s);

	if (skb)
		mcp_upstream_with(s, skb, mcp_held_pass);
	return skb;
}

/* Others look at the socket too, see mcp_upstream_kind(). */
static struct socket *mcp_upstream_set(struct mcp_session *s,
				       struct socket *sock)
{
	struct socket *old = s->upstream;

	spin_lock_bh(&s->lock);
	s->upstream = sock;
	spin_unlock_bh(&s->lock);
	return old;
}

/**
 * mcp_upstream_open() - take the accepted connection, if there is one
 * @s: the session; without a relay, the connection stays where it is
 *
 * Context: the worker.
 * Return: true if there is an upstream connection, from now or before.
 */
bool mcp_upstream_open(struct mcp_session *s)
{
	struct socket *sock;

	if (s->upstream)
		return true;
	if (!s->relay)
		return false;
	spin_lock_bh(&s->lock);
	sock = s->accepted;
	s->accepted = NULL;
	spin_unlock_bh(&s->lock);
	if (!sock)
		return false;

	mcp_session_unhash(s);
	s->accept_until = 0;
	/* What arrives in one piece goes on in one piece: nothing to wait for. */
	mcp_socket_set_option(sock, SOL_TCP, TCP_NODELAY, 1);
	mcp_socket_keep_urgent(sock);
	mcp_upstream_set(s, sock);
	mcp_session_wait_on(s, &s->relay->up_wait, sock);
	return true;
}

/**
 * mcp_upstream_complete() - has the client completed its handshake?
 * @s: the session; its SYN is answered
 *
 * Also if the connection waits for being accepted.
 *
 * Context: the worker.
 */
bool mcp_upstream_complete(struct mcp_session *s)
{
	bool complete;
	struct sock *sk;

	if (s->upstream)
		return true;
	sk = mcp_socket_find(s->mnet->net, &s->key.mcp, &s->key.client,
			     s->ifindex);
	if (!sk)
		return false;
	complete = sk_fullsock(sk);
	sock_gen_put(sk);
	return complete;
}

/**
 * mcp_upstream_release() - give up the client's connection, if there is one
 * @s: the session
 *
 * It is reset, unless it has ended by itself.
 *
 * Context: the worker.
 */
void mcp_upstream_release(struct mcp_session *s)
{
	mcp_implicit_release(s);
	if (!s->upstream)
		return;
	mcp_session_wait_off(&s->relay->up_wait, s->upstream);
	mcp_socket_release(mcp_upstream_set(s, NULL));
}

/* What a SYN that was kept says: MP_CAPABLE, TOS or traffic class. */
static void mcp_read_saved_syn(const struct saved_syn *syn,
			       struct mcp_arrival *arr)
{
	const u8 *ip = syn->data + syn->mac_hdrlen;
	const u8 *tcp = ip + syn->network_hdrlen;
	struct mcp_tcpopt opt;

	mcp_tcpopt_parse(tcp + sizeof(struct tcphdr),
			 syn->tcp_hdrlen - sizeof(struct tcphdr), &opt);
	arr->mptcp |= opt.mp_capable;
	if (opt.mp_capable)
		arr->mp_flags = opt.mp_flags;
	arr->tos = ip[0] >> 4 == 4 ? ip[1] : (ip[0] << 4 | ip[1] >> 4);
}

/**
 * mcp_upstream_arrival() - how a connection came that no SYN has announced
 * @sock: an accepted connection
 * @arr: what is found; zero where it cannot be
 *
 * Having asked for MPTCP is not the same as being MPTCP: a Linux client whose
 * first SYN, with a payload, was lost falls back although it wanted MPTCP and
 * its next SYN said so.
 *
 * Context: process; takes the socket's lock.
 */
void mcp_upstream_arrival(struct socket *sock, struct mcp_arrival *arr)
{
	struct sock *sk = mcp_socket_first(sock);
	struct net_device *dev;

	memset(arr, 0, sizeof(*arr));
	arr->mptcp = sock->sk->sk_protocol == IPPROTO_MPTCP;
	arr->mp_flags = MCP_MP_HMAC_SHA256;
	if (!sk)
		return;
	lock_sock(sk);
	if (tcp_sk(sk)->saved_syn) {
		mcp_read_saved_syn(tcp_sk(sk)->saved_syn, arr);
		tcp_saved_syn_free(tcp_sk(sk));
	}
	release_sock(sk);
	rcu_read_lock();
	dev = dev_get_by_index_rcu(sock_net(sk),
				   READ_ONCE(sk->sk_rx_dst_ifindex));
	if (dev) {
		strscpy(arr->ifname, dev->name, IFNAMSIZ);
		arr->ifindex = dev->ifindex;
	}
	rcu_read_unlock();
	sock_put(sk);
}

/**
 * mcp_upstream_kind() - what the client's connection has become
 * @s: the session
 * @subflows: how many subflows it has, 0 if that has no meaning
 *
 * Context: process; takes the socket's lock. Not only for the worker.
 */
enum mcp_upstream_kind mcp_upstream_kind(struct mcp_session *s, u8 *subflows)
{
	enum mcp_upstream_kind kind;
	struct sock *sk = NULL;

	*subflows = 0;
	spin_lock_bh(&s->lock);
	if (s->upstream) {
		sk = s->upstream->sk;
		sock_hold(sk);
	}
	spin_unlock_bh(&s->lock);
	if (!sk)
		return MCP_UPSTREAM_PENDING;
	kind = mcp_socket_kind(sk, subflows);
	sock_put(sk);
	return kind;
}
