// SPDX-License-Identifier: GPL-2.0
#include <linux/jhash.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <net/sock.h>

#include "intercept.h"
#include "peer_dial.h"
#include "session.h"
#include "socket.h"
#include "withdraw.h"

static struct kmem_cache *mcp_session_cache;
/* Bound to CPUs: a session is worked on where its packet came in. */
static struct workqueue_struct *mcp_wq;

static const struct rhashtable_params mcp_held_params = {
	.head_offset = offsetof(struct mcp_session, node),
	.key_offset = offsetof(struct mcp_session, key),
	.key_len = sizeof(struct mcp_session_key),
	.automatic_shrinking = true,
};

/**
 * mcp_session_module_init() - what all namespaces share
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int mcp_session_module_init(void)
{
	mcp_session_cache = KMEM_CACHE(mcp_session, SLAB_HWCACHE_ALIGN);
	if (!mcp_session_cache)
		return -ENOMEM;
	mcp_wq = alloc_workqueue("mptcpproxy", WQ_MEM_RECLAIM, 0);
	if (!mcp_wq) {
		kmem_cache_destroy(mcp_session_cache);
		return -ENOMEM;
	}
	return 0;
}

/**
 * mcp_session_module_exit() - undo mcp_session_module_init()
 *
 * Context: process; no namespace has a session any more.
 */
void mcp_session_module_exit(void)
{
	destroy_workqueue(mcp_wq);
	rcu_barrier();
	kmem_cache_destroy(mcp_session_cache);
}

/**
 * mcp_session_net_init() - a namespace's tables
 * @mnet: the namespace
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_session_net_init(struct mcp_net *mnet)
{
	xa_init_flags(&mnet->sessions, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
	return rhashtable_init(&mnet->held, &mcp_held_params);
}

/**
 * mcp_session_net_exit() - free a namespace's tables, which are empty
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_session_net_exit(struct mcp_net *mnet)
{
	rhashtable_destroy(&mnet->held);
	xa_destroy(&mnet->sessions);
}

static void mcp_session_timer(struct timer_list *timer)
{
	mcp_session_kick(container_of(timer, struct mcp_session, timer));
}

/**
 * mcp_session_new() - a session that nobody can find yet
 * @mnet: its namespace
 * @key: client and MCP
 * @client: as mcp_policy_admit() gave it; NULL for one that is only told an
 *	    error
 * @work: the worker
 * @gfp: how to allocate
 *
 * The caller has the reference for life: mcp_session_publish() and later
 * mcp_session_end(), or mcp_session_discard().
 *
 * Context: any but hard interrupt, as @gfp allows.
 * Return: the session or NULL; then @client is still the caller's.
 */
struct mcp_session *mcp_session_new(struct mcp_net *mnet,
				    const struct mcp_session_key *key,
				    struct mcp_client *client,
				    work_func_t work, gfp_t gfp)
{
	struct mcp_session *s;

	s = kmem_cache_zalloc(mcp_session_cache, gfp | __GFP_NOWARN);
	if (!s)
		return NULL;
	s->mnet = mnet;
	s->key = *key;
	s->client = client;
	s->half_open = client;
	s->born = jiffies;
	refcount_set(&s->ref, 1);
	spin_lock_init(&s->lock);
	INIT_WORK(&s->work, work);
	timer_setup(&s->timer, mcp_session_timer, 0);
	atomic_inc(&mnet->session_count);
	if (!client)
		atomic_inc(&mnet->refusals);
	return s;
}

static void mcp_session_free(struct rcu_head *rcu)
{
	struct mcp_session *s = container_of(rcu, struct mcp_session, rcu);

	kmem_cache_free(mcp_session_cache, s);
}

/**
 * mcp_session_get() - take a reference, if there is one left
 * @s: a session found under rcu_read_lock()
 *
 * Context: any.
 */
bool mcp_session_get(struct mcp_session *s)
{
	return refcount_inc_not_zero(&s->ref);
}

/**
 * mcp_session_put() - drop a reference; the last one frees the session
 * @s: the session
 *
 * Context: any but hard interrupt.
 */
void mcp_session_put(struct mcp_session *s)
{
	struct mcp_net *mnet = s->mnet;

	if (!refcount_dec_and_test(&s->ref))
		return;
	kfree(s->payload);
	mcp_withdraw_free(s);
	mcp_peer_dial_free(s);
	mcp_intercept_end(s);
	kfree(s->down.synack);
	mcp_relay_free(s);
	if (s->client)
		mcp_policy_release(s->client);
	else
		atomic_dec(&mnet->refusals);
	call_rcu(&s->rcu, mcp_session_free);
	/* @mnet may be gone right after this: only its address is used. */
	if (atomic_dec_and_test(&mnet->session_count))
		wake_up_var(&mnet->session_count);
}

/**
 * mcp_session_mark() - may this session be asked to make room?
 * @s: the session, published
 * @mark: as what: MCP_MARK_...
 * @set: true from now on, or not any more
 *
 * Context: any but hard interrupt.
 */
void mcp_session_mark(struct mcp_session *s, xa_mark_t mark, bool set)
{
	xa_lock_bh(&s->mnet->sessions);
	if (set)
		__xa_set_mark(&s->mnet->sessions, s->id, mark);
	else
		__xa_clear_mark(&s->mnet->sessions, s->id, mark);
	xa_unlock_bh(&s->mnet->sessions);
}

/**
 * mcp_session_publish() - let others find the session
 * @s: the session, complete
 * @held: also by its client's SYN
 * @gfp: how to allocate
 *
 * A half-open one beyond the limit of them has the oldest make room.
 *
 * Context: any but hard interrupt, as @gfp allows.
 * Return: 0, -EEXIST (another one has this client's SYN), -ENOMEM or -EBUSY.
 */
int mcp_session_publish(struct mcp_session *s, bool held, gfp_t gfp)
{
	struct mcp_net *mnet = s->mnet;
	int err;

	err = xa_alloc_cyclic_bh(&mnet->sessions, &s->id, s, xa_limit_32b,
				 &mnet->next_id, gfp | __GFP_NOWARN);
	if (err < 0)
		return err;
	if (held) {
		s->hashed = true;
		err = rhashtable_lookup_insert_fast(&mnet->held, &s->node,
						    mcp_held_params);
		if (err) {
			s->hashed = false;
			xa_erase_bh(&mnet->sessions, s->id);
			return err;
		}
	}
	if (s->half_open) {
		mcp_session_mark(s, MCP_MARK_HALF_OPEN, true);
		if (mcp_policy_crowded(mnet))
			mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN, s,
					      NULL);
	}
	/* Pairs with mcp_session_ready(). */
	smp_store_release(&s->published, true);
	return 0;
}

/**
 * mcp_session_ready() - may the worker begin?
 * @s: the session
 *
 * One who walks all sessions can kick it while it is still being published. Who
 * publishes it kicks it after that.
 *
 * Context: the worker.
 */
bool mcp_session_ready(struct mcp_session *s)
{
	/* Pairs with mcp_session_publish(). */
	return smp_load_acquire(&s->published);
}

/* It does not count as half-open any more. */
static void mcp_session_settle(struct mcp_session *s)
{
	if (s->half_open)
		mcp_policy_bound(s->mnet, s->client);
	s->half_open = false;
}

/**
 * mcp_session_discard() - free a session that could not be published
 * @s: the session
 *
 * Context: any but hard interrupt.
 */
void mcp_session_discard(struct mcp_session *s)
{
	mcp_session_settle(s);
	mcp_session_put(s);
}

/**
 * mcp_session_find() - the session that has not accepted this client's SYN yet
 * @mnet: the namespace
 * @key: client and MCP
 *
 * Context: any but hard interrupt.
 * Return: the session with a reference, or NULL.
 */
struct mcp_session *mcp_session_find(struct mcp_net *mnet,
				     const struct mcp_session_key *key)
{
	struct mcp_session *s;

	rcu_read_lock();
	s = rhashtable_lookup(&mnet->held, key, mcp_held_params);
	if (s && !mcp_session_get(s))
		s = NULL;
	rcu_read_unlock();
	return s;
}

/**
 * mcp_session_next() - walk all sessions
 * @mnet: the namespace
 * @id: number to begin at; becomes the found session's number
 *
 * Context: any but hard interrupt.
 * Return: the session with the least number from @id on, with a reference, or
 * NULL.
 */
struct mcp_session *mcp_session_next(struct mcp_net *mnet, u32 *id)
{
	unsigned long index = *id;
	struct mcp_session *s;

	rcu_read_lock();
	s = xa_find(&mnet->sessions, &index, U32_MAX, XA_PRESENT);
	while (s && !mcp_session_get(s))
		s = xa_find_after(&mnet->sessions, &index, U32_MAX, XA_PRESENT);
	rcu_read_unlock();
	*id = index;
	return s;
}

/**
 * mcp_session_unhash() - the session does not wait for its client's SYN now
 * @s: the session
 *
 * Context: any but hard interrupt.
 */
void mcp_session_unhash(struct mcp_session *s)
{
	spin_lock_bh(&s->lock);
	if (s->hashed)
		rhashtable_remove_fast(&s->mnet->held, &s->node,
				       mcp_held_params);
	s->hashed = false;
	spin_unlock_bh(&s->lock);
}

/**
 * mcp_session_kick() - let the worker have a look
 * @s: the session; the caller has a reference, or knows that it lives
 *
 * Context: any.
 */
void mcp_session_kick(struct mcp_session *s)
{
	refcount_inc(&s->ref);
	if (!queue_work(mcp_wq, &s->work))
		mcp_session_put(s);
}

/**
 * mcp_session_signal() - tell the worker something
 * @s: the session; the caller has a reference
 * @event: MCP_SESSION_CANCELLED, ...
 *
 * Context: any.
 */
void mcp_session_signal(struct mcp_session *s, int event)
{
	set_bit(event, &s->events);
	mcp_session_kick(s);
}

/* The first session of a kind in a range of numbers, but for one. Locked. */
static struct mcp_session *mcp_session_first(struct mcp_net *mnet, xa_mark_t mark,
					     unsigned long from, unsigned long to,
					     const struct mcp_session *but)
{
	struct mcp_session *s;

	s = xa_find(&mnet->sessions, &from, to, mark);
	if (s && s == but)
		s = xa_find_after(&mnet->sessions, &from, to, mark);
	return s;
}

/**
 * mcp_session_make_room() - have the oldest session of a kind end
 * @mnet: the namespace
 * @mark: which kind: MCP_MARK_HALF_OPEN, ...
 * @but: not this one, for which the room is; or NULL
 * @has: does a session have what is wanted? If the oldest has not, nobody is told;
 *	 or NULL
 *
 * Numbers are given out in a circle: the oldest session is the first one from
 * the next number on. It loses its mark, so that nobody is asked twice, and is
 * told MCP_SESSION_EVICTED; what it has is free once its worker has run. The
 * cost does not depend on how many sessions there are: the xarray keeps for each
 * of its nodes whether there is a mark below.
 *
 * Context: any but hard interrupt.
 * Return: false if there is none.
 */
bool mcp_session_make_room(struct mcp_net *mnet, xa_mark_t mark,
			   const struct mcp_session *but,
			   bool (*has)(const struct mcp_session *s))
{
	struct mcp_session *s;

	xa_lock_bh(&mnet->sessions);
	s = mcp_session_first(mnet, mark, mnet->next_id, U32_MAX, but);
	if (!s)
		s = mcp_session_first(mnet, mark, 0, mnet->next_id, but);
	if (s && has && !has(s))
		s = NULL;
	if (s) {
		__xa_clear_mark(&mnet->sessions, s->id, mark);
		/* Who is in there has its reference for life. */
		refcount_inc(&s->ref);
	}
	xa_unlock_bh(&mnet->sessions);
	if (!s)
		return false;
	mcp_session_signal(s, MCP_SESSION_EVICTED);
	mcp_session_put(s);
	return true;
}

static int mcp_session_wake(struct wait_queue_entry *wait, unsigned int mode,
			    int sync, void *key)
{
	mcp_session_kick(wait->private);
	return 0;
}

/**
 * mcp_session_wait_on() - kick the worker for whatever happens on a socket
 * @s: the session
 * @wait: where to wait; belongs to @s
 * @sock: the socket
 *
 * A wait queue sees readability, write space and errors of TCP and MPTCP
 * sockets alike, and their callbacks stay their own.
 *
 * Context: process, the worker.
 */
void mcp_session_wait_on(struct mcp_session *s, struct wait_queue_entry *wait,
			 struct socket *sock)
{
	init_waitqueue_func_entry(wait, mcp_session_wake);
	wait->private = s;
	add_wait_queue(sk_sleep(sock->sk), wait);
}

/**
 * mcp_session_wait_off() - undo mcp_session_wait_on()
 * @wait: where it waited
 * @sock: the socket
 *
 * Context: process, the worker. No kick comes from there afterwards.
 */
void mcp_session_wait_off(struct wait_queue_entry *wait, struct socket *sock)
{
	remove_wait_queue(sk_sleep(sock->sk), wait);
}

/**
 * mcp_deadline() - a time limit as session deadlines have it
 * @ms: from now, in milliseconds
 *
 * Context: any.
 * Return: the lower half of jiffies, but never 0, which is no deadline.
 */
u32 mcp_deadline(u32 ms)
{
	return (u32)(jiffies + msecs_to_jiffies(ms)) ?: 1;
}

/* Until then, in jiffies; negative if it is past. The longest time limit fits. */
static s32 mcp_deadline_left(u32 until)
{
	return until - (u32)jiffies;
}

/**
 * mcp_deadline_passed() - is the time up?
 * @until: of mcp_deadline()
 *
 * Context: any.
 */
bool mcp_deadline_passed(u32 until)
{
	return mcp_deadline_left(until) <= 0;
}

/**
 * mcp_session_event() - feed RFC 6146's state machine
 * @s: the session
 * @event: what happened
 *
 * Context: the worker.
 * Return: what it asks for.
 */
enum mcp_action mcp_session_event(struct mcp_session *s,
				  enum mcp_event_kind event)
{
	const struct mcp_settings *set = &s->mnet->settings;
	struct mcp_transition t = mcp_behave(s->state, event, false);

	WRITE_ONCE(s->state, t.state);
	switch (t.timer) {
	case MCP_TIMER_ESTABLISHED:
		s->idle_until = mcp_deadline(READ_ONCE(set->est_idle));
		break;
	case MCP_TIMER_TRANSITORY:
		s->idle_until = mcp_deadline(READ_ONCE(set->trans_idle));
		break;
	case MCP_TIMER_INCOMING_SYN:
		s->idle_until = mcp_deadline(MCP_INCOMING_SYN_MS);
		break;
	case MCP_TIMER_STOP:
		s->idle_until = 0;
		break;
	}
	return t.action;
}

/**
 * mcp_session_arm() - set the timer to the earliest deadline
 * @s: the session
 *
 * Context: the worker.
 */
void mcp_session_arm(struct mcp_session *s)
{
	const u32 *until[] = {
		&s->hold_until, &s->dial_until, &s->syn_until,
		&s->request_until, &s->accept_until, &s->idle_until, &s->drain_until,
		&s->look_again,
	};
	unsigned long first;
	s32 left = S32_MAX;
	bool none = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(until); i++) {
		if (!*until[i])
			continue;
		left = min(left, mcp_deadline_left(*until[i]));
		none = false;
	}
	first = jiffies + left;
	/*
	 * Each segment puts the end of an idle session off. A timer that is too
	 * early finds nothing to do, and is set anew.
	 */
	if (none)
		timer_delete(&s->timer);
	else if (!timer_pending(&s->timer) || time_before(first, s->timer.expires))
		mod_timer(&s->timer, first);
}

/**
 * mcp_session_bound() - the session is not half-open any more
 * @s: the session
 *
 * Context: the worker.
 */
void mcp_session_bound(struct mcp_session *s)
{
	mcp_session_mark(s, MCP_MARK_HALF_OPEN, false);
	mcp_session_settle(s);
	if (s->down.map)
		mcp_pool_bound(s->mnet, s->down.map);
}

/**
 * mcp_session_end() - take the session out of the world
 * @s: the session; both its sockets are gone
 *
 * Drops the reference for life.
 *
 * Context: the worker.
 */
void mcp_session_end(struct mcp_session *s)
{
	struct sk_buff *held;
	struct socket *accepted;

	spin_lock_bh(&s->lock);
	s->dead = true;
	held = s->held;
	s->held = NULL;
	accepted = s->accepted;
	s->accepted = NULL;
	spin_unlock_bh(&s->lock);

	kfree_skb(held);
	if (accepted)
		mcp_socket_release(accepted);
	else if (s->answered && s->hashed)
		mcp_socket_forget_syn(s->mnet->net, &s->key.mcp, &s->key.client,
				      s->ifindex);
	mcp_session_unhash(s);
	mcp_inbound_settled(s);
	xa_erase_bh(&s->mnet->sessions, s->id);
	timer_shutdown_sync(&s->timer);
	mcp_session_settle(s);
	mcp_session_put(s);
}

/**
 * mcp_session_drain() - end all sessions of a namespace, and wait
 * @mnet: the namespace; nothing makes new ones there any more
 *
 * Context: process.
 */
void mcp_session_drain(struct mcp_net *mnet)
{
	struct mcp_session *s;
	u32 id = 0;

	while ((s = mcp_session_next(mnet, &id))) {
		mcp_session_signal(s, MCP_SESSION_DOWN);
		mcp_session_put(s);
		if (id++ == U32_MAX)
			break;
	}
	wait_var_event(&mnet->session_count,
		       !atomic_read(&mnet->session_count));
}
