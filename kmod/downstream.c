// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <linux/tcp.h>
#include <net/sock.h>

#include "adopt.h"
#include "downstream.h"
#include "nat.h"
#include "pool.h"
#include "session.h"
#include "socket.h"

/* RFC 6298 section 2.1: our SYN is repeated after a second, then after two, ... */
#define MCP_SYN_INTERVAL_MS	1000
/*
 * Ports tried for a server with which the endpoint's own port has a connection
 * already, or lately had one.
 */
#define MCP_DIAL_TRIES		16

static int mcp_downstream_wake(struct wait_queue_entry *wait, unsigned int mode,
			       int sync, void *key)
{
	mcp_session_kick(container_of(wait, struct mcp_session, down.wait));
	return 0;
}

/* What the client wants in our SYN and would not be there anyway. */
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

/* Finds an external port and makes it known. False: outcome and reason are set. */
static bool mcp_downstream_open(struct mcp_session *s,
				const struct mcp_endpoint *addr)
{
	struct mcp_downstream *d = &s->down;
	struct mcp_tuple tuple = { .server = s->request.server };
	enum mcp_stat reason;
	int tries;

	for (tries = 0; tries < MCP_DIAL_TRIES; tries++) {
		d->map = mcp_pool_map(s->mnet, s->client, &s->key.client, addr,
				      tries, &reason);
		if (!d->map) {
			mcp_count(s->mnet, reason);
			return false;
		}
		tuple.external = d->map->external;
		spin_lock_bh(&s->lock);
		d->tuple = tuple;
		spin_unlock_bh(&s->lock);
		if (!mcp_nat_open(s))
			return true;
		mcp_pool_unmap(s->mnet, d->map);
		d->map = NULL;
	}
	mcp_count(s->mnet, MCP_STAT_REFUSED_PORTS);
	return false;
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
	const struct mcp_endpoint *server = &s->request.server;
	struct mcp_downstream *d = &s->down;
	struct mcp_endpoint addr;

	mcp_count(s->mnet, MCP_STAT_DIAL);
	d->outcome = MCP_OUTCOME_NO_ROUTE;
	if (!mcp_pool_choose(&s->mnet->pool, s->client, &s->key.client,
			     server->family, &addr) &&
	    !mcp_nat_source(s->mnet, server, s->tos, &addr))
		return;
	mcp_downstream_set_options(s);
	if (!mcp_downstream_open(s, &addr)) {
		d->outcome = MCP_OUTCOME_NO_RESOURCES;
		return;
	}
	d->syn_interval = MCP_SYN_INTERVAL_MS;
	if (!mcp_nat_syn(s))
		d->outcome = MCP_OUTCOME_PENDING;
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

	if (d->outcome == MCP_OUTCOME_PENDING) {
		spin_lock_bh(&s->lock);
		d->outcome = d->heard;
		spin_unlock_bh(&s->lock);
	}
	return d->outcome;
}

/**
 * mcp_downstream_repeat() - send our SYN again, if it is our turn
 * @s: the session; the server has not answered
 *
 * As long as the client's SYN is held, it repeats that, and hook.c has ours
 * follow. Once it is answered, that is for our own timer to do.
 *
 * Context: the worker.
 */
void mcp_downstream_repeat(struct mcp_session *s)
{
	struct mcp_downstream *d = &s->down;

	if (!s->answered)
		return;
	if (s->syn_until) {
		if (time_before(jiffies, s->syn_until))
			return;
		mcp_nat_syn(s);
		d->syn_interval *= 2;
	}
	s->syn_until = mcp_deadline(d->syn_interval);
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
	struct mcp_downstream *d = &s->down;
	int err;

	err = mcp_adopt(s, &d->sock);
	if (err)
		return false;
	mcp_nat_close(s, false);
	mcp_session_wait_on(s, &d->wait, mcp_downstream_wake, d->sock);
	/* Not before the socket gets what the server answers. */
	mcp_socket_ack(d->sock);
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
	struct mcp_downstream *d = &s->down;

	mcp_nat_close(s, true);
	if (d->sock) {
		mcp_session_wait_off(&d->wait, d->sock);
		mcp_socket_release(d->sock);
		d->sock = NULL;
	}
	if (d->map)
		mcp_pool_unmap(s->mnet, d->map);
	d->map = NULL;
}
