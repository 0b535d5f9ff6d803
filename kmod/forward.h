/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Static mappings: an external address and port whose connections go to a client,
 * whether it has dialled anybody or not.
 */
#ifndef MCP_FORWARD_H
#define MCP_FORWARD_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/workqueue.h>

#include "endpoint.h"
#include "peer.h"

struct mcp_net;

#define MCP_MAX_FORWARDS	1024
/* Seconds: a year. */
#define MCP_FORWARD_LIFETIME_MAX	31536000

/**
 * struct mcp_forward - a static mapping
 * @list:	in mcp_forwards.list
 * @rcu:	for freeing
 * @external:	address and port; port 0: all that nobody else has
 * @client:	to whom; port 0: the same port
 * @peer:	name of the peers that dial the client; empty: this MCP does
 * @until:	seconds since boot; when it ends, 0: never
 * @hits:	connections that were taken
 */
struct mcp_forward {
	struct list_head list;
	struct rcu_head rcu;
	struct mcp_endpoint external;
	struct mcp_endpoint client;
	char peer[MCP_PEER_NAME_LEN];
	time64_t until;
	atomic64_t hits;
};

/**
 * struct mcp_forwards - those of one namespace
 * @list:	RCU list of struct mcp_forward; written under mcp_net.lock
 * @count:	how many; read anywhere
 * @generation:	grows with each change
 * @sweep:	removes those whose time is over
 */
struct mcp_forwards {
	struct list_head list;
	unsigned int count;
	unsigned int generation;
	struct delayed_work sweep;
};

void mcp_forwards_init(struct mcp_forwards *forwards);
void mcp_forwards_exit(struct mcp_net *mnet);
int mcp_forward_add(struct mcp_net *mnet, const struct mcp_forward *spec,
		    u32 lifetime);
int mcp_forward_del(struct mcp_net *mnet, const struct mcp_endpoint *external);
void mcp_forwards_flush(struct mcp_forwards *forwards);
u32 mcp_forward_left(const struct mcp_forward *forward);

struct mcp_forward *mcp_forward_match(struct mcp_net *mnet,
				      const struct mcp_endpoint *external);
bool mcp_forward_reserves(struct mcp_net *mnet,
			  const struct mcp_endpoint *external);

#endif /* MCP_FORWARD_H */
