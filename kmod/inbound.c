// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/dst.h>

#include "conversion.h"
#include "deliver.h"
#include "inbound.h"
#include "netlink_event.h"
#include "pool.h"
#include "session.h"
#include "translate.h"
#include "unsolicited.h"
#include "upstream.h"
#include "withdraw.h"

struct mcp_knock {
	struct list_head list;
	struct sk_buff *skb;
	struct mcp_tuple tuple;
	int ifindex;
};

static bool mcp_inbound_dependent(const struct mcp_net *mnet)
{
	return READ_ONCE(mnet->settings.filtering) == MCP_FILTERING_ADDRESS;
}

/* The session of a connection that is let in; the caller publishes it. */
static struct mcp_session *mcp_inbound_session(struct mcp_net *mnet,
					       const struct mcp_tuple *tuple)
{
	struct mcp_session_key key = { .mcp = tuple->server };
	struct mcp_mapping *map;
	struct mcp_session *s;

	map = mcp_pool_admit(mnet, &tuple->external, &tuple->server,
			     mcp_inbound_dependent(mnet));
	if (!map)
		return NULL;
	key.client = map->key.client;
	s = mcp_session_new(mnet, &key, map->client, mcp_conversion_work,
			    GFP_KERNEL);
	if (!s) {
		struct mcp_client *client = map->client;

		mcp_pool_unmap(mnet, map);
		mcp_policy_release(client);
		return NULL;
	}
	/* Strangers take nothing of what a client may have half-open itself. */
	s->half_open = false;
	s->inbound = true;
	s->requested = true;
	s->dialled = true;
	s->answered = true;
	s->request.server = tuple->server;
	s->down.tuple = *tuple;
	s->down.map = map;
	s->accept_until = mcp_deadline(MCP_INCOMING_SYN_MS);
	WRITE_ONCE(s->state, MCP_STATE_EXTERNAL_INIT);
	return s;
}

static void mcp_inbound_open(struct mcp_net *mnet, struct mcp_knock *knock)
{
	struct sk_buff *skb = knock->skb;
	struct mcp_session *s;

	s = mcp_inbound_session(mnet, &knock->tuple);
	if (!s) {
		atomic_dec(&mnet->inbound.half_open);
		kfree_skb(skb);
		return;
	}
	s->ifindex = knock->ifindex;
	s->announced = true;
	/* From here on it is found by others: keep it for the last lines. */
	mcp_session_get(s);
	if (!mcp_withdraw_inbound(s, skb) ||
	    mcp_session_publish(s, false, GFP_KERNEL)) {
		/* Another SYN of it was faster, or there is no memory. */
		kfree_skb(skb);
		mcp_inbound_settled(s);
		mcp_withdraw_end(s, MCP_END_CLOSED);
		mcp_downstream_release(s);
		mcp_session_put(s);
		mcp_session_discard(s);
		return;
	}
	mcp_count(mnet, MCP_STAT_SESSION_INBOUND);
	mcp_netlink_notify(s, MCP_EVENT_NEW, MCP_END_NONE);
	mcp_withdraw_admit(s, skb);
	mcp_session_kick(s);
	mcp_session_put(s);
}

static void mcp_inbound_work(struct work_struct *work)
{
	struct mcp_net *mnet = container_of(work, struct mcp_net, inbound.work);
	struct mcp_inbound *in = &mnet->inbound;
	struct mcp_knock *knock;

	for (;;) {
		spin_lock_bh(&in->lock);
		knock = list_first_entry_or_null(&in->queue, struct mcp_knock,
						 list);
		if (knock)
			list_del(&knock->list);
		spin_unlock_bh(&in->lock);
		if (!knock)
			return;
		mcp_inbound_open(mnet, knock);
		kfree(knock);
		cond_resched();
	}
}

/**
 * mcp_inbound_init() - be ready for such connections
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_inbound_init(struct mcp_net *mnet)
{
	struct mcp_inbound *in = &mnet->inbound;

	spin_lock_init(&in->lock);
	INIT_LIST_HEAD(&in->queue);
	INIT_WORK(&in->work, mcp_inbound_work);
}

/**
 * mcp_inbound_flush() - forget the SYNs that wait
 * @mnet: the namespace; no packet is seen any more
 *
 * Context: process.
 */
void mcp_inbound_flush(struct mcp_net *mnet)
{
	struct mcp_inbound *in = &mnet->inbound;
	struct mcp_knock *knock, *next;

	cancel_work_sync(&in->work);
	list_for_each_entry_safe(knock, next, &in->queue, list) {
		atomic_dec(&in->half_open);
		kfree_skb(knock->skb);
		kfree(knock);
	}
	INIT_LIST_HEAD(&in->queue);
}

/**
 * mcp_inbound_take() - a SYN came to an external endpoint: is it let in?
 * @mnet: the namespace
 * @skb: the SYN, at PRE_ROUTING
 * @tuple: who sent it, and to which external address and port
 *
 * Context: BH off, under rcu_read_lock().
 * Return: true if it was taken over; else nobody has asked for it.
 */
bool mcp_inbound_take(struct mcp_net *mnet, struct sk_buff *skb,
		      const struct mcp_tuple *tuple)
{
	struct mcp_inbound *in = &mnet->inbound;
	struct mcp_knock *knock;

	if (atomic_read(&mnet->session_count) >=
	    READ_ONCE(mnet->settings.max_sessions) ||
	    !mcp_pool_admits(mnet, &tuple->external, &tuple->server,
			     mcp_inbound_dependent(mnet)))
		return false;
	if (atomic_inc_return(&in->half_open) > MCP_INBOUND_MAX)
		goto refuse;
	knock = kzalloc(sizeof(*knock), GFP_ATOMIC | __GFP_NOWARN);
	if (!knock)
		goto refuse;
	/* It may come from the host itself, with a route that is not counted. */
	if (skb_dst(skb) && !skb_dst_force(skb)) {
		kfree(knock);
		goto refuse;
	}
	skb_orphan(skb);
	knock->skb = skb;
	knock->tuple = *tuple;
	knock->ifindex = skb->dev->ifindex;
	spin_lock(&in->lock);
	list_add_tail(&knock->list, &in->queue);
	spin_unlock(&in->lock);
	queue_work(system_wq, &in->work);
	return true;

refuse:
	atomic_dec(&in->half_open);
	return false;
}

/**
 * mcp_inbound_settled() - an inbound connection is half-open no more
 * @s: the session, inbound or not; established, or at its end
 *
 * Context: the worker.
 */
void mcp_inbound_settled(struct mcp_session *s)
{
	if (s->inbound)
		atomic_dec(&s->mnet->inbound.half_open);
	s->inbound = false;
}
