// SPDX-License-Identifier: GPL-2.0
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "forward.h"
#include "net.h"
#include "pool.h"
#include "socket.h"

static bool mcp_forward_over(const struct mcp_forward *forward)
{
	return forward->until && ktime_get_boottime_seconds() >= forward->until;
}

static void mcp_forward_remove(struct mcp_forwards *forwards,
			       struct mcp_forward *forward)
{
	list_del_rcu(&forward->list);
	WRITE_ONCE(forwards->count, forwards->count - 1);
	forwards->generation++;
	kfree_rcu(forward, rcu);
}

/* Removes those whose time is over, and is there when the next one's is. */
static void mcp_forwards_sweep(struct work_struct *work)
{
	struct mcp_net *mnet = container_of(to_delayed_work(work),
					    struct mcp_net, forwards.sweep);
	struct mcp_forward *forward, *next;
	time64_t first = 0;
	u32 left;

	mutex_lock(&mnet->lock);
	list_for_each_entry_safe(forward, next, &mnet->forwards.list, list) {
		if (mcp_forward_over(forward))
			mcp_forward_remove(&mnet->forwards, forward);
		else if (forward->until && (!first || forward->until < first))
			first = forward->until;
	}
	if (first) {
		left = max_t(s64, first - ktime_get_boottime_seconds(), 1);
		schedule_delayed_work(&mnet->forwards.sweep,
				      min(left, 86400U) * HZ);
	}
	mutex_unlock(&mnet->lock);
}

/**
 * mcp_forwards_init() - a namespace without static mappings
 * @forwards: where
 *
 * Context: process.
 */
void mcp_forwards_init(struct mcp_forwards *forwards)
{
	INIT_LIST_HEAD(&forwards->list);
	INIT_DELAYED_WORK(&forwards->sweep, mcp_forwards_sweep);
}

/**
 * mcp_forwards_exit() - free them
 * @mnet: the namespace, going away
 *
 * Context: process.
 */
void mcp_forwards_exit(struct mcp_net *mnet)
{
	cancel_delayed_work_sync(&mnet->forwards.sweep);
	mcp_forwards_flush(&mnet->forwards);
}

/* Under rcu_read_lock() or mcp_net.lock. */
static struct mcp_forward *mcp_forward_find(struct mcp_net *mnet,
					    const struct mcp_endpoint *external)
{
	struct mcp_forward *forward;

	list_for_each_entry_rcu(forward, &mnet->forwards.list, list,
				lockdep_is_held(&mnet->lock))
		if (mcp_endpoint_equal(&forward->external, external) &&
		    !mcp_forward_over(forward))
			return forward;
	return NULL;
}

/**
 * mcp_forward_add() - there is one more static mapping
 * @mnet: the namespace
 * @spec: which; copied
 * @lifetime: in seconds; 0: for ever
 *
 * Context: process, mcp_net.lock held.
 * Return: 0, -EEXIST (the endpoint has one), -EADDRINUSE (a client's session has the
 * endpoint, or a program listens there), -ENOSPC or -ENOMEM.
 */
int mcp_forward_add(struct mcp_net *mnet, const struct mcp_forward *spec,
		    u32 lifetime)
{
	struct mcp_forwards *forwards = &mnet->forwards;
	struct mcp_forward *forward;
	bool taken;

	if (mcp_forward_find(mnet, &spec->external))
		return -EEXIST;
	if (forwards->count >= MCP_MAX_FORWARDS)
		return -ENOSPC;
	rcu_read_lock();
	taken = spec->external.port &&
		(mcp_pool_mapped(mnet, &spec->external) ||
		 mcp_socket_listens(mnet->net, &spec->external, 0));
	rcu_read_unlock();
	if (taken)
		return -EADDRINUSE;
	forward = kmemdup(spec, sizeof(*spec), GFP_KERNEL_ACCOUNT);
	if (!forward)
		return -ENOMEM;
	if (lifetime)
		forward->until = ktime_get_boottime_seconds() + lifetime;
	list_add_tail_rcu(&forward->list, &forwards->list);
	WRITE_ONCE(forwards->count, forwards->count + 1);
	forwards->generation++;
	if (lifetime)
		mod_delayed_work(system_wq, &forwards->sweep, HZ);
	return 0;
}

/**
 * mcp_forward_del() - a static mapping is no more; its connections go on
 * @mnet: the namespace
 * @external: its external endpoint
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or -ENOENT.
 */
int mcp_forward_del(struct mcp_net *mnet, const struct mcp_endpoint *external)
{
	struct mcp_forward *forward = mcp_forward_find(mnet, external);

	if (!forward)
		return -ENOENT;
	mcp_forward_remove(&mnet->forwards, forward);
	return 0;
}

/**
 * mcp_forwards_flush() - there is no static mapping any more
 * @forwards: where
 *
 * Context: process, mcp_net.lock held or the namespace going away.
 */
void mcp_forwards_flush(struct mcp_forwards *forwards)
{
	struct mcp_forward *forward, *next;

	list_for_each_entry_safe(forward, next, &forwards->list, list)
		mcp_forward_remove(forwards, forward);
}

/**
 * mcp_forward_left() - how long a static mapping has left
 * @forward: which
 *
 * Context: any.
 * Return: seconds; 0: it has no end.
 */
u32 mcp_forward_left(const struct mcp_forward *forward)
{
	if (!forward->until)
		return 0;
	return max_t(s64, forward->until - ktime_get_boottime_seconds(), 1);
}

/**
 * mcp_forward_match() - whose is a connection to this address and port?
 * @mnet: the namespace
 * @external: address and port
 *
 * A static mapping of the port counts before one of the whole address, which has no
 * port that a client or a program of the host has.
 *
 * Context: any but hard interrupt, under rcu_read_lock().
 * Return: the static mapping, or NULL.
 */
struct mcp_forward *mcp_forward_match(struct mcp_net *mnet,
				      const struct mcp_endpoint *external)
{
	struct mcp_endpoint all = *external;
	struct mcp_forward *forward;

	if (!READ_ONCE(mnet->forwards.count))
		return NULL;
	forward = mcp_forward_find(mnet, external);
	if (forward)
		return forward;
	all.port = 0;
	forward = mcp_forward_find(mnet, &all);
	if (forward && (external->port == READ_ONCE(mnet->settings.port) ||
			mcp_pool_mapped(mnet, external) ||
			mcp_socket_listens(mnet->net, external, 0)))
		return NULL;
	return forward;
}

/**
 * mcp_forward_reserves() - is an external port not to be given to a session?
 * @mnet: the namespace
 * @external: address and port
 *
 * Context: any but hard interrupt.
 */
bool mcp_forward_reserves(struct mcp_net *mnet,
			  const struct mcp_endpoint *external)
{
	bool reserves;

	if (!READ_ONCE(mnet->forwards.count))
		return false;
	rcu_read_lock();
	reserves = mcp_forward_find(mnet, external);
	rcu_read_unlock();
	return reserves;
}
