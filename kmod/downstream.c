// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <linux/tcp.h>
#include <net/sock.h>

#include "adopt.h"
#include "connect.h"
#include "downstream.h"
#include "nat.h"
#include "peer_dial.h"
#include "pool.h"
#include "preserve.h"
#include "session.h"
#include "socket.h"
#include "steer.h"
#include "withdraw.h"

/* RFC 6298 section 2.1: our SYN is repeated after a second, then after two, ... */
#define MCP_SYN_INTERVAL	1	/* seconds */
/*
 * Ports tried for a server with which the endpoint's own port has a connection
 * already, or lately had one.
 */
#define MCP_DIAL_TRIES		16
/* Half-open sessions told to make room, until one of them had a port we can use. */
#define MCP_CROWDED_TRIES	8

/**
 * mcp_downstream_synack() - what the server has answered
 * @d: the server's side; of a session whose outcome is known, or locked
 *
 * Context: any.
 * Return: never NULL: of a socket that has dialled, its SYN/ACK need not be known.
 */
const struct mcp_synack *mcp_downstream_synack(const struct mcp_downstream *d)
{
	static const struct mcp_synack unknown;

	return d->synack ?: &unknown;
}

/**
 * mcp_downstream_attach() - the connection has a socket from now on
 * @s: the session, with a relay
 * @sock: its socket; what happens there wakes the worker
 *
 * Context: the worker.
 */
void mcp_downstream_attach(struct mcp_session *s, struct socket *sock)
{
	mcp_socket_keep_urgent(sock);
	/* Others look at it too, see mcp_downstream_kind(). */
	spin_lock_bh(&s->lock);
	s->down.sock = sock;
	spin_unlock_bh(&s->lock);
	mcp_session_wait_on(s, &s->relay->down_wait, sock);
}

/**
 * mcp_downstream_detach() - undo mcp_downstream_attach()
 * @s: the session
 *
 * Context: the worker.
 * Return: the socket, which is the caller's; NULL if there was none.
 */
struct socket *mcp_downstream_detach(struct mcp_session *s)
{
	struct socket *sock = s->down.sock;

	if (!sock)
		return NULL;
	mcp_session_wait_off(&s->relay->down_wait, sock);
	spin_lock_bh(&s->lock);
	s->down.sock = NULL;
	spin_unlock_bh(&s->lock);
	return sock;
}

/**
 * mcp_downstream_options() - what the client wants in our SYN beside what is there anyway
 * @s: the session; its SYN is not answered, or not bound
 * @options: room for MCP_CONNECT_OPTIONS_MAX octets
 *
 * Context: any; mcp_session.lock held, unless it is the worker's.
 * Return: octets, padded.
 */
unsigned int mcp_downstream_options(const struct mcp_session *s, u8 *options)
{
	const struct mcp_request *req = &s->request;
	unsigned int len = 0;

	/* What a peer is asked for is in its own request. */
	if (mcp_peer_dial_active(s))
		return 0;
	if (req->wanted & MCP_WANTED_MPTCP)
		len = mcp_tcpopt_put_mp_capable(options, MCP_MP_HMAC_SHA256);
	if (req->wanted & MCP_WANTED_TFO) {
		memcpy(options + len, s->payload + req->tfo_off, req->tfo_len);
		len += req->tfo_len;
	}
	while (len % 4)
		options[len++] = MCP_TCPOPT_NOP;
	return len;
}

/*
 * Does the server learn that the client speaks MPTCP (nam section 5.6.1)? Not
 * where a Connect TLV has asked for that anyway.
 */
static bool mcp_downstream_relays(struct mcp_session *s)
{
	if (!s->mptcp || s->request.wanted & MCP_WANTED_MPTCP ||
	    !READ_ONCE(s->mnet->settings.relay_mp_capable))
		return false;
	if (!mcp_plain_known(&s->mnet->plain, &s->request.server, jiffies))
		return true;
	mcp_count(s->mnet, MCP_STAT_DIAL_PLAIN_KNOWN);
	return false;
}

/**
 * mcp_downstream_foreign() - has our end an address that the host need not have?
 * @s: the session; down.tuple is complete
 *
 * One of the pool, or a client's own.
 *
 * Context: any.
 */
bool mcp_downstream_foreign(const struct mcp_session *s)
{
	bool foreign;

	rcu_read_lock();
	foreign = s->down.preserved ||
		mcp_pool_foreign(s->mnet, &s->down.tuple.external);
	rcu_read_unlock();
	return foreign;
}

/*
 * Who keeps a port only to remember a connection that is over makes room where
 * there are few left.
 */
static bool mcp_downstream_reclaim(struct mcp_session *s,
				   const struct mcp_endpoint *addr)
{
	return mcp_pool_short(&s->mnet->pool, addr) &&
		mcp_session_make_room(s->mnet, MCP_MARK_CLOSING, s, NULL);
}

/* A port is free again, and it is this session's turn. */
static int mcp_downstream_port_freed(struct wait_queue_entry *wait,
				     unsigned int mode, int sync, void *key)
{
	struct mcp_session *s = wait->private;

	/* The next one is another's. From here on, the worker may wait anew. */
	list_del_init_careful(&wait->entry);
	mcp_session_kick(s);
	return 1;
}

/* Until there is a socket, the relay does not wait for one. */
static void mcp_downstream_await_port(struct mcp_session *s)
{
	struct wait_queue_entry *wait = &s->relay->down_wait;
	struct mcp_pool *pool = &s->mnet->pool;
	struct mcp_downstream *d = &s->down;

	if (!d->queued)
		atomic_inc(&pool->waiting);
	else if (!list_empty_careful(&wait->entry))
		return;
	d->queued = true;
	init_waitqueue_func_entry(wait, mcp_downstream_port_freed);
	wait->private = s;
	add_wait_queue_exclusive(&pool->freed, wait);
}

/* If it waits, it does not any more. @served: it has a port. */
static void mcp_downstream_leave_queue(struct mcp_session *s, bool served)
{
	struct mcp_pool *pool = &s->mnet->pool;
	struct mcp_downstream *d = &s->down;
	bool woken;

	if (!d->queued)
		return;
	d->queued = false;
	spin_lock_irq(&pool->freed.lock);
	woken = list_empty(&s->relay->down_wait.entry);
	list_del_init(&s->relay->down_wait.entry);
	spin_unlock_irq(&pool->freed.lock);
	atomic_dec(&pool->waiting);
	/* What it was woken for is the next one's. */
	if (woken && !served)
		wake_up(&pool->freed);
}

/**
 * mcp_downstream_begin() - be ready for what the server answers, in either way
 * @s: the session; down.tuple is complete
 *
 * Context: the worker.
 * Return: 0, or as mcp_nat_open() and mcp_connect() say.
 */
int mcp_downstream_begin(struct mcp_session *s)
{
	/* From here on, the relay may wait for a socket. */
	mcp_downstream_leave_queue(s, s->down.map);
	return s->down.by_socket ? mcp_connect(s) : mcp_nat_open(s);
}

/*
 * Where half-open sessions have nearly all ports, the oldest makes room: one for
 * one, and not for a client that has had its share. True if the session waits for
 * that.
 *
 * One for one: who comes while others wait, and is faster than who is woken, has
 * another session make room too. So who is woken in vain need only wait on. Where
 * ports are not alike, the one that is free need not be of use; then there are some
 * more tries.
 */
static bool mcp_downstream_crowded(struct mcp_session *s,
				   const struct mcp_endpoint *addr,
				   enum mcp_stat reason)
{
	struct mcp_downstream *d = &s->down;
	struct mcp_pool *pool = &s->mnet->pool;
	bool alike, wanted;

	if (d->map ? d->crowded : reason != MCP_STAT_REFUSED_PORTS)
		return false;
	alike = mcp_pool_one_for_one(pool, addr);
	if (d->crowded && alike)
		return true;
	if (d->crowded >= MCP_CROWDED_TRIES)
		return false;
	wanted = mcp_pool_crowded(pool, addr, d->map) ||
		(d->map && alike && atomic_read(&pool->waiting) > d->queued);
	/* It may also be that a port has become free since there was none. */
	if (!mcp_downstream_reclaim(s, addr) &&
	    (!wanted ||
	     !mcp_session_make_room(s->mnet, MCP_MARK_HALF_OPEN, s,
				    NULL)))
		return !d->map && alike;
	d->crowded++;
	if (d->map)
		return false;
	/* Behind the work of who makes room; and it may have been before us. */
	mcp_session_kick(s);
	return true;
}

/**
 * mcp_downstream_open() - find an external port, and be ready for what comes there
 * @s: the session
 * @server: who is to be dialled
 * @addr: our address, port zero
 *
 * Context: the worker.
 * Return: MCP_OUTCOME_PENDING; MCP_OUTCOME_CROWDED, but not if it is steered: that
 * need not wait; or why not.
 */
enum mcp_outcome mcp_downstream_open(struct mcp_session *s,
				     const struct mcp_endpoint *server,
				     const struct mcp_endpoint *addr)
{
	struct mcp_downstream *d = &s->down;
	struct mcp_tuple tuple = { .server = *server };
	enum mcp_stat reason = MCP_STAT_REFUSED_PORTS;
	int tries, err;

	for (tries = 0; tries < MCP_DIAL_TRIES; tries++) {
		d->map = mcp_pool_map(s->mnet, s->client, &s->key.client, addr,
				      tries, &reason);
		if (!mcp_steered(s) && mcp_downstream_crowded(s, addr, reason))
			return MCP_OUTCOME_CROWDED;
		if (!d->map)
			break;
		tuple.external = d->map->external;
		spin_lock_bh(&s->lock);
		d->tuple = tuple;
		spin_unlock_bh(&s->lock);
		err = mcp_downstream_begin(s);
		if (!err) {
			mcp_pool_use(s->mnet, d->map, d);
			return MCP_OUTCOME_PENDING;
		}
		mcp_pool_unmap(s->mnet, d->map);
		d->map = NULL;
		reason = MCP_STAT_REFUSED_PORTS;
		if (d->by_socket && err != -EEXIST)
			return mcp_connect_failure(err);
	}
	mcp_count(s->mnet, reason);
	return MCP_OUTCOME_NO_RESOURCES;
}

static enum mcp_outcome mcp_downstream_try(struct mcp_session *s)
{
	const struct mcp_endpoint *server = &s->request.server;
	struct mcp_endpoint addr;
	bool preserve;

	preserve = mcp_preserve_source(s, &addr);
	if (!preserve &&
	    !mcp_pool_choose(&s->mnet->pool, s->client, &s->key.client,
			     server->family, &addr) &&
	    !mcp_nat_source(s->mnet, server, s->tos, &addr))
		return MCP_OUTCOME_NO_ROUTE;
	return preserve ? mcp_preserve_open(s, &addr) :
		mcp_downstream_open(s, server, &addr);
}

static void mcp_downstream_send(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;

	if (d->outcome != MCP_OUTCOME_PENDING || d->by_socket)
		return;
	d->syn_interval = MCP_SYN_INTERVAL;
	if (mcp_nat_syn(s))
		d->outcome = MCP_OUTCOME_NO_ROUTE;
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

	mcp_count(s->mnet, MCP_STAT_DIAL);
	if (mcp_peer_dial_active(s)) {
		d->by_socket = !mcp_steered(s);
		d->outcome = mcp_peer_dial_begin(s);
		return;
	}
	d->by_socket = READ_ONCE(s->mnet->settings.server_leg) ==
		MCP_SERVER_LEG_MPTCP;
	if (d->by_socket && s->request.wanted & MCP_WANTED_TFO)
		mcp_count(s->mnet, MCP_STAT_DIAL_OPTIONS_LEFT_OUT);
	d->relay = !d->by_socket && mcp_downstream_relays(s);
	d->withdraw = mcp_withdraw_intended(s);
	d->outcome = mcp_downstream_try(s);
	if (d->outcome == MCP_OUTCOME_CROWDED && !mcp_relay_new(s))
		d->outcome = MCP_OUTCOME_NO_RESOURCES;
	if (d->outcome == MCP_OUTCOME_CROWDED) {
		mcp_downstream_await_port(s);
		/* A port may have become free in between. */
		mcp_session_kick(s);
	}
	mcp_downstream_send(s);
}

/**
 * mcp_downstream_dial_again() - the session that was to make room may have ended
 * @s: the session; its dial came to MCP_OUTCOME_CROWDED
 *
 * Context: the worker.
 */
void mcp_downstream_dial_again(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;

	/* Before it looks, or it would miss the port that is free afterwards. */
	mcp_downstream_await_port(s);
	d->outcome = mcp_downstream_try(s);
	if (d->outcome == MCP_OUTCOME_CROWDED)
		mcp_downstream_await_port(s);
	else
		mcp_downstream_leave_queue(s, false);
	mcp_downstream_send(s);
}

/**
 * mcp_downstream_dial_directly() - no peer can dial: so do we
 * @s: the session; its dial came to MCP_OUTCOME_PASS
 *
 * Context: the worker.
 */
void mcp_downstream_dial_directly(struct mcp_session *s)
{
	mcp_peer_dial_stop(s);
	s->down.outcome = MCP_OUTCOME_NONE;
	mcp_downstream_dial(s);
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

	if (d->outcome == MCP_OUTCOME_PENDING && mcp_peer_dial_active(s)) {
		d->outcome = mcp_peer_dial_outcome(s);
	} else if (d->outcome == MCP_OUTCOME_PENDING && d->by_socket) {
		d->outcome = mcp_connect_outcome(s);
	} else if (d->outcome == MCP_OUTCOME_PENDING) {
		spin_lock_bh(&s->lock);
		d->outcome = d->heard;
		spin_unlock_bh(&s->lock);
		/* It may also have been a matter of chance, but for a day only. */
		if (d->outcome == MCP_OUTCOME_ACCEPTED && d->bare &&
		    !mcp_downstream_speaks_mptcp(s)) {
			mcp_count(s->mnet, MCP_STAT_DIAL_PLAIN_LEARNT);
			mcp_plain_remember(&s->mnet->plain, &d->tuple.server,
					   jiffies);
		}
	}
	return d->outcome;
}

/**
 * mcp_downstream_repeat() - send our SYN again, if it is our turn
 * @s: the session; the server has not answered
 *
 * As long as the client's SYN is held, it repeats that, and hook.c has ours
 * follow. Once it is answered, that is for our own timer to do. A socket that
 * dials has one itself.
 *
 * Context: the worker.
 */
void mcp_downstream_repeat(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;

	if (!s->answered || d->by_socket)
		return;
	if (s->syn_until) {
		if (!mcp_deadline_passed(s->syn_until))
			return;
		mcp_nat_syn(s);
		d->syn_interval *= 2;
	}
	s->syn_until = mcp_deadline(d->syn_interval * MSEC_PER_SEC);
}

/**
 * mcp_downstream_adopt() - make a socket of the connection
 * @s: the session; the server has accepted
 *
 * Context: the worker.
 * Return: false if there is no memory for it.
 */
bool mcp_downstream_adopt(struct mcp_session *s)
{
	struct socket *sock;

	if (s->down.by_socket) {
		mcp_nat_close(s, false);
		return true;
	}
	if (!mcp_relay_new(s) || mcp_adopt(s, &sock))
		return false;
	mcp_nat_close(s, false);
	mcp_downstream_attach(s, sock);
	/* Not before the socket gets what the server answers. */
	mcp_socket_ack(sock);
	return true;
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
 * mcp_downstream_speaks_mptcp() - has the server's SYN/ACK an MP_CAPABLE?
 * @s: the session; the server has accepted
 *
 * Context: the worker.
 */
bool mcp_downstream_speaks_mptcp(const struct mcp_session *s)
{
	const struct mcp_synack *synack = mcp_downstream_synack(&s->down);
	struct mcp_tcpopt opt;

	mcp_tcpopt_parse(synack->options, synack->len, &opt);
	return opt.mp_capable && opt.has_key;
}

/**
 * mcp_downstream_kind() - what the server's connection has become
 * @s: the session
 *
 * Context: process; takes the socket's lock. Not only for the worker.
 */
enum mcp_upstream_kind mcp_downstream_kind(struct mcp_session *s)
{
	enum mcp_upstream_kind kind;
	struct sock *sk = NULL;
	u8 subflows;

	spin_lock_bh(&s->lock);
	if (s->down.sock && READ_ONCE(s->dialled)) {
		sk = s->down.sock->sk;
		sock_hold(sk);
	}
	spin_unlock_bh(&s->lock);
	if (!sk)
		return MCP_UPSTREAM_PENDING;
	kind = mcp_socket_kind(sk, &subflows);
	sock_put(sk);
	return kind;
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
	struct sock *sk = mcp_socket_first(s->down.sock);
	bool heard = false;
	u8 subflows;

	if (sk) {
		heard = (s32)(READ_ONCE(tcp_sk(sk)->rcv_tstamp) - (u32)when) >= 0;
		sock_put(sk);
	}
	/* Other subflows: what an unanswered probe would have ended is there. */
	return heard || (mcp_socket_kind(s->down.sock->sk, &subflows) ==
			 MCP_UPSTREAM_MPTCP && subflows > 1);
}

/* Who waits for a port himself has none to give. Another's worker may change it. */
static bool mcp_downstream_has_port(const struct mcp_session *s)
{
	return READ_ONCE(s->down.map);
}

/**
 * mcp_downstream_keep_room() - the session was told to make room, and does not
 * @s: the session
 *
 * If others wait for a port, the next one that has one is told instead. Where there
 * is none, these hear it when the last port is a bound session's.
 *
 * Context: the worker.
 */
void mcp_downstream_keep_room(struct mcp_session *s)
{
	if (wq_has_sleeper(&s->mnet->pool.freed))
		mcp_session_make_room(s->mnet, MCP_MARK_HALF_OPEN, s,
				      mcp_downstream_has_port);
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
	struct mcp_downstream *d = &s->down;
	struct socket *sock;

	mcp_downstream_leave_queue(s, false);
	mcp_nat_close(s, true);
	sock = mcp_downstream_detach(s);
	if (sock)
		mcp_socket_release(sock);
	mcp_pool_unuse(s->mnet, d);
	if (d->map)
		mcp_pool_unmap(s->mnet, d->map);
	d->map = NULL;
	mcp_preserve_close(s);
}
