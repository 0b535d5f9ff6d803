/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The differences between the kernels we build for (6.1 to 6.12), in one place.
 */
#ifndef MCP_COMPAT_H
#define MCP_COMPAT_H

#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/version.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>
#if KERNEL_VERSION(6, 5, 0) <= LINUX_VERSION_CODE
#include <net/gso.h>
#endif

/**
 * mcp_sk_unpin_net() - let a kernel socket not hold its namespace
 * @sk: the socket, locked by the caller
 *
 * An MPTCP socket made by the kernel gives its first subflow a reference to
 * the namespace; on a listener, every connection inherits it, and the
 * namespace could never be deleted. This undoes sk_net_refcnt_upgrade(). Who
 * calls it closes the socket before the namespace goes away, and waits for the
 * connections' timers (see mcp_socket_reap()).
 *
 * Context: any, @sk locked.
 */
static inline void mcp_sk_unpin_net(struct sock *sk)
{
	struct net *net = sock_net(sk);

	if (!sk->sk_net_refcnt)
		return;
	sk->sk_net_refcnt = 0;
	sock_inuse_add(net, -1);
	/* Kbuild looks for it: stable kernels got it in between. */
#ifdef MCP_HAVE_NET_PASSIVE
	net_passive_inc(net);
#endif
	put_net_track(net, &sk->ns_tracker);
#ifdef MCP_HAVE_NET_PASSIVE
	__netns_tracker_alloc(net, &sk->ns_tracker, false, GFP_ATOMIC);
#endif
}

/**
 * mcp_sk_pin_net() - undo mcp_sk_unpin_net()
 * @sk: the socket, locked by the caller; its namespace is alive
 *
 * Context: process, @sk locked.
 */
static inline void mcp_sk_pin_net(struct sock *sk)
{
	if (sk->sk_net_refcnt)
		return;
#ifdef MCP_HAVE_NET_PASSIVE
	sk_net_refcnt_upgrade(sk);
#else
	struct net *net = sock_net(sk);

	sk->sk_net_refcnt = 1;
	get_net_track(net, &sk->ns_tracker, GFP_KERNEL);
	sock_inuse_add(net, 1);
#endif
}

/**
 * mcp_tcp_use_ms_timestamps() - timestamps in milliseconds, whatever the route says
 * @tp: the socket, locked by the caller
 *
 * Context: process.
 */
static inline void mcp_tcp_use_ms_timestamps(struct tcp_sock *tp)
{
#if KERNEL_VERSION(6, 7, 0) <= LINUX_VERSION_CODE
	tp->tcp_usec_ts = 0;
#endif
}

/**
 * mcp_tcp_send_ack() - send an ACK
 * @sk: the socket, locked by the caller
 *
 * Context: process.
 */
static inline void mcp_tcp_send_ack(struct sock *sk)
{
	/* Kbuild looks for it: stable kernels got the third one in between. */
#ifdef MCP_HAVE_ACK_FLAGS
	__tcp_send_ack(sk, tcp_sk(sk)->rcv_nxt, 0);
#else
	__tcp_send_ack(sk, tcp_sk(sk)->rcv_nxt);
#endif
}

/**
 * mcp_skb_readable() - can the CPU read what a packet carries?
 * @skb: the packet
 *
 * Context: any.
 */
static inline bool mcp_skb_readable(const struct sk_buff *skb)
{
#if KERNEL_VERSION(6, 12, 0) <= LINUX_VERSION_CODE
	return skb_frags_readable(skb);
#else
	return true;
#endif
}

/**
 * mcp_shrinker_new() - be asked for memory when it gets scarce
 * @name: how it is called in debugfs
 * @count: how many objects there are
 * @scan: gives some back
 *
 * Context: process.
 * Return: NULL without memory.
 */
static inline struct shrinker *
mcp_shrinker_new(const char *name,
		 unsigned long (*count)(struct shrinker *shrinker,
					struct shrink_control *sc),
		 unsigned long (*scan)(struct shrinker *shrinker,
				       struct shrink_control *sc))
{
	struct shrinker *shrinker;

#if KERNEL_VERSION(6, 7, 0) <= LINUX_VERSION_CODE
	shrinker = shrinker_alloc(0, "%s", name);
#else
	shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);
#endif
	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
#if KERNEL_VERSION(6, 7, 0) <= LINUX_VERSION_CODE
	shrinker_register(shrinker);
#else
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
#endif
	return shrinker;
}

/**
 * mcp_shrinker_free() - be asked no more
 * @shrinker: of mcp_shrinker_new()
 *
 * Context: process.
 */
static inline void mcp_shrinker_free(struct shrinker *shrinker)
{
#if KERNEL_VERSION(6, 7, 0) <= LINUX_VERSION_CODE
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

/*
 * Pages that a socket may keep instead of copying them. Older kernels copy: some
 * have the flag in their headers, and no more.
 */
#if KERNEL_VERSION(6, 5, 0) <= LINUX_VERSION_CODE
#define MCP_MSG_SPLICE_PAGES	MSG_SPLICE_PAGES
#else
#define MCP_MSG_SPLICE_PAGES	0
#endif

#endif /* MCP_COMPAT_H */
