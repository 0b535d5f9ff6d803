/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections to an external address and port that a client has: filtering decides
 * who may open them (RFC 5382 REQ-3), and they are translated to the client
 * endpoint, from another client of the MCP too (hairpinning, REQ-8).
 */
#ifndef MCP_INBOUND_H
#define MCP_INBOUND_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct mcp_net;
struct mcp_session;
struct mcp_tuple;
struct sk_buff;

/* Inbound connections that are not established: no more are let in. */
#define MCP_INBOUND_MAX	1024

/**
 * struct mcp_inbound - such connections of one namespace
 * @lock:	guards @queue; taken with BH off
 * @queue:	SYNs that are let in and wait for the worker
 * @half_open:	SYNs in @queue, and sessions that come of them until they are
 *		established
 * @work:	the worker
 */
struct mcp_inbound {
	spinlock_t lock;		/* see above */
	struct list_head queue;
	atomic_t half_open;
	struct work_struct work;
};

void mcp_inbound_init(struct mcp_net *mnet);
void mcp_inbound_flush(struct mcp_net *mnet);
bool mcp_inbound_take(struct mcp_net *mnet, struct sk_buff *skb,
		      const struct mcp_tuple *tuple);
void mcp_inbound_settled(struct mcp_session *s);

#endif /* MCP_INBOUND_H */
