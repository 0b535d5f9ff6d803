// SPDX-License-Identifier: GPL-2.0
#include <linux/random.h>
#include <net/route.h>
#include <net/tcp.h>

#include "connect.h"
#include "deliver.h"
#include "downstream.h"
#include "nat.h"
#include "policy.h"
#include "pool.h"
#include "preserve.h"
#include "session.h"
#include "socket.h"

/*
 * Ports tried for a server with which the client's own has a connection already,
 * or lately had one: that, and random ones.
 */
#define MCP_PRESERVE_TRIES	16
#define MCP_PRESERVE_FIRST_PORT	1024

static bool mcp_same_address(const struct mcp_endpoint *a,
			     const struct mcp_endpoint *b)
{
	return a->family == b->family &&
		!memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

/*
 * Addresses that are not a client's to name, whatever prefix its ACL entry has:
 * the host's, on which others rely, those of the pool, which belong to other
 * clients, and a subnet's broadcast address.
 */
static bool mcp_origin_is_taken(struct mcp_net *mnet,
				const struct mcp_endpoint *origin)
{
	return mcp_address_type(mnet->net, origin) != RTN_UNICAST ||
		mcp_pool_has(&mnet->pool, origin);
}

/**
 * mcp_preserve_vet() - may this request name its originator?
 * @mnet: the namespace
 * @acl: the entry that lets its client in; NULL: it was taken back meanwhile
 * @client: who sent it
 * @req: the request; it has no originator afterwards if that is not to be used
 *
 * An originator (MP_CONVERT, D = 1) is for information only, unless servers are to
 * see it and the operator lets the client speak for others. Then it must be one
 * of those: nobody is served from an address that was not allowed.
 *
 * Context: any but hard interrupt, under rcu_read_lock().
 * Return: false: it is to be refused.
 */
bool mcp_preserve_vet(struct mcp_net *mnet, const struct mcp_acl *acl,
		      const struct mcp_endpoint *client,
		      struct mcp_request *req)
{
	if (!req->origin.family)
		return true;
	if (READ_ONCE(mnet->settings.source) != MCP_SOURCE_PRESERVE ||
	    (acl && !acl->origin.family)) {
		memset(&req->origin, 0, sizeof(req->origin));
		return true;
	}
	if (!acl || !mcp_prefix_has(&acl->origin, acl->origin_len, &req->origin))
		return false;
	return mcp_same_address(&req->origin, client) ||
		!mcp_origin_is_taken(mnet, &req->origin);
}

/**
 * mcp_preserve_source() - is the server to see the client's own address?
 * @s: the session; its request is vetted
 * @source: that address and port
 *
 * Not if it is of the other family, or one that no server could answer: then the
 * session is one as in mode "share".
 *
 * Context: process.
 */
bool mcp_preserve_source(struct mcp_session *s, struct mcp_endpoint *source)
{
	const struct mcp_endpoint *server = &s->request.server;
	const struct mcp_endpoint *origin = &s->request.origin;

	if (READ_ONCE(s->mnet->settings.source) != MCP_SOURCE_PRESERVE)
		return false;
	*source = origin->family ? *origin : s->key.client;
	if (!source->port)
		source->port = s->key.client.port;
	/*
	 * What a server on this host answers would go straight to the client, and
	 * what one at the very same address answers goes nowhere.
	 */
	if (source->family == server->family &&
	    !mcp_endpoint_forbidden(source) &&
	    !mcp_same_address(source, server) &&
	    mcp_address_type(s->mnet->net, server) != RTN_LOCAL)
		return true;
	mcp_count(s->mnet, MCP_STAT_SOURCE_NOT_PRESERVED);
	return false;
}

/**
 * mcp_preserve_open() - be ready to dial from the client's own address
 * @s: the session
 * @source: from mcp_preserve_source()
 *
 * There is no mapping to look up: that an endpoint looks the same to all servers
 * (RFC 5382 REQ-1) is so by itself. Each session counts as a port of its client
 * (RFC 6888 REQ-4). Only if there is a connection between the two ends already,
 * another port is taken.
 *
 * Context: the worker.
 * Return: MCP_OUTCOME_PENDING, or why it fails; counted. mcp_preserve_close() is
 * due all the same.
 */
enum mcp_outcome mcp_preserve_open(struct mcp_session *s,
				   const struct mcp_endpoint *source)
{
	struct mcp_tuple tuple = {
		.external = *source,
		.server = s->request.server,
	};
	struct mcp_downstream *d = &s->down;
	u16 port;
	int tries, err = -EEXIST;

	if (!mcp_pool_charge(s->mnet, s->client)) {
		mcp_count(s->mnet, MCP_STAT_REFUSED_PORTS_CLIENT);
		return MCP_OUTCOME_NO_RESOURCES;
	}
	d->preserved = true;
	/* Before there is anything that a packet could be for. */
	atomic_inc(&s->mnet->preserve.sessions);
	for (tries = 0; tries < MCP_PRESERVE_TRIES && err == -EEXIST; tries++) {
		if (tries) {
			port = MCP_PRESERVE_FIRST_PORT + get_random_u32() %
				(U16_MAX + 1 - MCP_PRESERVE_FIRST_PORT);
			tuple.external.port = htons(port);
		}
		spin_lock_bh(&s->lock);
		d->tuple = tuple;
		spin_unlock_bh(&s->lock);
		err = mcp_downstream_begin(s);
	}
	if (!err)
		return MCP_OUTCOME_PENDING;
	if (d->by_socket && err != -EEXIST)
		return mcp_connect_failure(err);
	mcp_count(s->mnet, err == -EEXIST ? MCP_STAT_REFUSED_PORTS :
		  MCP_STAT_REFUSED_NO_MEMORY);
	return MCP_OUTCOME_NO_RESOURCES;
}

/**
 * mcp_preserve_close() - the session does not need the address any more
 * @s: the session; it has neither dial nor socket. Nothing happens if it never
 *     had such an address
 *
 * Context: the worker.
 */
void mcp_preserve_close(struct mcp_session *s)
{
	struct mcp_preserve *preserve = &s->mnet->preserve;

	if (!s->down.preserved)
		return;
	s->down.preserved = false;
	mcp_pool_uncharge(s->mnet, s->client);
	/* What is left in TIME_WAIT still gets its packets. */
	WRITE_ONCE(preserve->until, (jiffies + TCP_TIMEWAIT_LEN) ?: 1);
	atomic_dec_return_release(&preserve->sessions);
}

/**
 * mcp_preserve_has() - is a packet for the socket of such a session?
 * @mnet: the namespace
 * @tuple: its connection
 *
 * Sockets that have or had another's address are transparent, TIME_WAITs of them
 * too. One that is a program's own is delivered to the host as well.
 *
 * Context: any but hard interrupt.
 */
bool mcp_preserve_has(struct mcp_net *mnet, const struct mcp_tuple *tuple)
{
	struct sock *sk;
	bool ours;

	if (!mcp_preserve_busy(&mnet->preserve))
		return false;
	sk = mcp_socket_find(mnet->net, &tuple->external, &tuple->server, 0);
	if (!sk)
		return false;
	ours = inet_sk_transparent(sk);
	sock_gen_put(sk);
	return ours;
}
