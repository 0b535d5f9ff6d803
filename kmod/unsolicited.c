// SPDX-License-Identifier: GPL-2.0
#include <linux/jhash.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/netfilter/ipv4/nf_reject.h>
#include <net/netfilter/ipv6/nf_reject.h>

#include "behave.h"
#include "downstream.h"
#include "net.h"
#include "unsolicited.h"

struct mcp_stray {
	struct list_head queue;
	struct hlist_node node;
	struct mcp_tuple tuple;
	struct sk_buff *skb;
	int ifindex;
	unsigned long until;
};

static struct hlist_head *mcp_stray_bucket(struct mcp_unsolicited *u,
					   const struct mcp_tuple *tuple)
{
	u32 hash = jhash(tuple, sizeof(*tuple), (u32)(unsigned long)u);

	return &u->buckets[hash % MCP_UNSOLICITED_BUCKETS];
}

/* Locked. */
static struct mcp_stray *mcp_stray_find(struct mcp_unsolicited *u,
					const struct mcp_tuple *tuple)
{
	struct mcp_stray *stray;

	hlist_for_each_entry(stray, mcp_stray_bucket(u, tuple), node)
		if (!memcmp(&stray->tuple, tuple, sizeof(*tuple)))
			return stray;
	return NULL;
}

/* Locked. */
static void mcp_stray_unlink(struct mcp_unsolicited *u, struct mcp_stray *stray)
{
	list_del(&stray->queue);
	hlist_del(&stray->node);
	u->count--;
}

static void mcp_stray_free(struct mcp_stray *stray)
{
	kfree_skb(stray->skb);
	kfree(stray);
}

/**
 * mcp_unsolicited_refuse() - tell whose SYN nobody wants
 * @mnet: the namespace
 * @skb: the SYN, as at PRE_ROUTING; stays the caller's
 * @family: AF_INET or AF_INET6
 * @ifindex: the interface it came in by
 *
 * Context: process.
 */
void mcp_unsolicited_refuse(struct mcp_net *mnet, struct sk_buff *skb,
			    u16 family, int ifindex)
{
	struct net_device *dev;

	mcp_count(mnet, MCP_STAT_UNSOLICITED_REFUSED);
	local_bh_disable();
	rcu_read_lock();
	dev = dev_get_by_index_rcu(mnet->net, ifindex);
	if (dev) {
		skb->dev = dev;
		if (family == AF_INET)
			nf_send_unreach(skb, ICMP_PORT_UNREACH,
					NF_INET_PRE_ROUTING);
#if IS_ENABLED(CONFIG_IPV6)
		else
			nf_send_unreach6(mnet->net, skb, ICMPV6_PORT_UNREACH,
					 NF_INET_PRE_ROUTING);
#endif
	}
	rcu_read_unlock();
	local_bh_enable();
}

static void mcp_unsolicited_work(struct work_struct *work)
{
	struct mcp_net *mnet = container_of(work, struct mcp_net,
					    unsolicited.work.work);
	struct mcp_unsolicited *u = &mnet->unsolicited;
	struct mcp_stray *stray;

	for (;;) {
		spin_lock_bh(&u->lock);
		stray = list_first_entry_or_null(&u->queue, struct mcp_stray,
						 queue);
		if (!stray || time_before(jiffies, stray->until))
			break;
		mcp_stray_unlink(u, stray);
		spin_unlock_bh(&u->lock);
		mcp_unsolicited_refuse(mnet, stray->skb,
				       stray->tuple.external.family,
				       stray->ifindex);
		mcp_stray_free(stray);
		cond_resched();
	}
	if (stray)
		schedule_delayed_work(&u->work, stray->until - jiffies);
	spin_unlock_bh(&u->lock);
}

/**
 * mcp_unsolicited_init() - be ready for such SYNs
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_unsolicited_init(struct mcp_net *mnet)
{
	struct mcp_unsolicited *u = &mnet->unsolicited;

	spin_lock_init(&u->lock);
	INIT_LIST_HEAD(&u->queue);
	INIT_DELAYED_WORK(&u->work, mcp_unsolicited_work);
}

/**
 * mcp_unsolicited_flush() - forget them all, without an answer
 * @mnet: the namespace; no packet is seen any more
 *
 * Context: process.
 */
void mcp_unsolicited_flush(struct mcp_net *mnet)
{
	struct mcp_unsolicited *u = &mnet->unsolicited;
	struct mcp_stray *stray, *next;

	cancel_delayed_work_sync(&u->work);
	list_for_each_entry_safe(stray, next, &u->queue, queue) {
		mcp_stray_unlink(u, stray);
		mcp_stray_free(stray);
	}
}

/**
 * mcp_unsolicited_hold() - keep a SYN that nobody asked for
 * @mnet: the namespace
 * @skb: the SYN, at PRE_ROUTING
 * @tuple: who sent it, and to which external address and port
 *
 * Its repetitions are dropped meanwhile: the first one's six seconds count.
 *
 * Context: BH off, under rcu_read_lock().
 * Return: true if @skb is taken over; false: it is to be dropped.
 */
bool mcp_unsolicited_hold(struct mcp_net *mnet, struct sk_buff *skb,
			  const struct mcp_tuple *tuple)
{
	struct mcp_unsolicited *u = &mnet->unsolicited;
	struct mcp_stray *stray;
	bool first;

	mcp_count(mnet, MCP_STAT_UNSOLICITED);
	stray = kzalloc(sizeof(*stray), GFP_ATOMIC | __GFP_NOWARN);
	if (!stray)
		return false;
	stray->tuple = *tuple;
	stray->skb = skb;
	stray->ifindex = skb->dev->ifindex;
	stray->until = jiffies + msecs_to_jiffies(MCP_INCOMING_SYN_MS);
	spin_lock(&u->lock);
	first = u->count < MCP_UNSOLICITED_MAX && !mcp_stray_find(u, tuple);
	if (first) {
		list_add_tail(&stray->queue, &u->queue);
		hlist_add_head(&stray->node, mcp_stray_bucket(u, tuple));
		if (!u->count++)
			schedule_delayed_work(&u->work,
					      msecs_to_jiffies(MCP_INCOMING_SYN_MS));
	}
	spin_unlock(&u->lock);
	if (!first) {
		kfree(stray);
		return false;
	}
	skb_orphan(skb);
	return true;
}

/**
 * mcp_unsolicited_forget() - the client dials the server that sent a SYN
 * @mnet: the namespace
 * @tuple: the connection
 *
 * Context: any but hard interrupt.
 */
void mcp_unsolicited_forget(struct mcp_net *mnet, const struct mcp_tuple *tuple)
{
	struct mcp_unsolicited *u = &mnet->unsolicited;
	struct mcp_stray *stray;

	if (!READ_ONCE(u->count))
		return;
	spin_lock_bh(&u->lock);
	stray = mcp_stray_find(u, tuple);
	if (stray)
		mcp_stray_unlink(u, stray);
	spin_unlock_bh(&u->lock);
	if (stray)
		mcp_stray_free(stray);
}
