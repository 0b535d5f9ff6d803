// SPDX-License-Identifier: GPL-2.0
#include <linux/inetdevice.h>
#include <linux/jhash.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/route.h>

#include "convert.h"
#include "net.h"
#include "policy.h"

#define MCP_TOKEN		1000000ULL
/* Resets a second for one client that is refused; a flood needs no answer. */
#define MCP_RESET_RATE		100
#define MCP_SWEEP_INTERVAL	(10 * HZ)
#define MCP_SWEEP_PAUSE		(HZ / 10)
#define MCP_MANY_CLIENTS	(MCP_MAX_CLIENTS / 4 * 3)
/*
 * Half-open sessions beyond their limit that may wait for the oldest ones to end:
 * as many as come in before the workers do.
 */
#define MCP_HALF_OPEN_RESERVE(most)	((most) / 16 + 16)

/* Fills the bucket up to @now; returns what it can hold. @rate is not 0. */
static u64 mcp_bucket_fill(struct mcp_bucket *bucket, u32 rate, u32 burst,
			   unsigned long now)
{
	u64 full = max(burst, 1U) * MCP_TOKEN;
	u64 elapsed = now - bucket->filled;
	u64 refill;

	refill = div_u64(div_u64(full, rate) * HZ, MCP_TOKEN) + HZ;
	/* @filled is 0 but once in a jiffies cycle: then a bucket is full. */
	if (!bucket->filled || elapsed >= refill)
		bucket->tokens = full;
	else
		bucket->tokens = min(full, bucket->tokens +
				     div_u64(elapsed * rate * MCP_TOKEN, HZ));
	bucket->filled = now;
	return full;
}

/**
 * mcp_bucket_take() - take one token, if there is one
 * @bucket: all zero before its first use: then it is full
 * @rate: tokens a second; 0: no limit
 * @burst: what the bucket holds; at least 1 is assumed
 * @now: jiffies
 *
 * Context: any; the caller serialises.
 * Return: true if there was one.
 */
bool mcp_bucket_take(struct mcp_bucket *bucket, u32 rate, u32 burst,
		     unsigned long now)
{
	if (!rate)
		return true;
	mcp_bucket_fill(bucket, rate, burst, now);
	if (bucket->tokens < MCP_TOKEN)
		return false;
	bucket->tokens -= MCP_TOKEN;
	return true;
}

static const struct rhashtable_params mcp_client_params = {
	.head_offset = offsetof(struct mcp_client, node),
	.key_offset = offsetof(struct mcp_client, key),
	.key_len = sizeof(struct mcp_endpoint),
	.automatic_shrinking = true,
};

static void mcp_client_key(struct mcp_endpoint *key,
			   const struct mcp_endpoint *client)
{
	*key = *client;
	key->port = 0;
	if (key->family == AF_INET6)
		memset(&key->addr.octets[8], 0, 8);
}

/* A client with a full bucket is like one that was never here. */
static bool mcp_client_refilled(struct mcp_policy *policy,
				struct mcp_client *client)
{
	struct mcp_net *mnet = container_of(policy, struct mcp_net, policy);
	u32 burst = READ_ONCE(mnet->settings.session_burst);
	u32 rate = READ_ONCE(mnet->settings.session_rate);
	bool full = true;

	if (!rate)
		return true;
	spin_lock_bh(&client->lock);
	full = mcp_bucket_fill(&client->bucket, rate, burst, jiffies) ==
		client->bucket.tokens;
	spin_unlock_bh(&client->lock);
	return full;
}

/*
 * A client without sessions is remembered for a while; when there are many, as in
 * a flood from forged addresses, only while that makes a difference.
 */
static void mcp_policy_sweep(struct work_struct *work)
{
	struct mcp_policy *policy =
		container_of(work, struct mcp_policy, sweep.work);
	struct rhashtable_iter iter;
	struct mcp_client *client;
	bool many = atomic_read(&policy->client_count) >= MCP_MANY_CLIENTS;

	WRITE_ONCE(policy->swept, jiffies);
	rhashtable_walk_enter(&policy->clients, &iter);
	rhashtable_walk_start(&iter);
	while ((client = rhashtable_walk_next(&iter))) {
		if (IS_ERR(client))
			continue;
		if (atomic_read(&client->refs))
			continue;
		if (time_before(jiffies, READ_ONCE(client->used) +
				MCP_SWEEP_INTERVAL) &&
		    (!many || !mcp_client_refilled(policy, client)))
			continue;
		if (atomic_cmpxchg(&client->refs, 0, -1))
			continue;
		rhashtable_remove_fast(&policy->clients, &client->node,
				       mcp_client_params);
		atomic_dec(&policy->client_count);
		kfree_rcu(client, rcu);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);

	if (atomic_read(&policy->client_count))
		schedule_delayed_work(&policy->sweep, MCP_SWEEP_INTERVAL);
}

/**
 * mcp_policy_init() - set up an empty policy: nobody may do anything
 * @policy: where
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_policy_init(struct mcp_policy *policy)
{
	int err;

	INIT_LIST_HEAD(&policy->acl);
	INIT_DELAYED_WORK(&policy->sweep, mcp_policy_sweep);
	policy->swept = jiffies;
	spin_lock_init(&policy->reply_lock);
	get_random_bytes(&policy->reply_key, sizeof(policy->reply_key));
	policy->replies = kvcalloc(MCP_REPLY_BUCKETS, sizeof(*policy->replies),
				   GFP_KERNEL);
	if (!policy->replies)
		return -ENOMEM;
	err = rhashtable_init(&policy->clients, &mcp_client_params);
	if (err)
		kvfree(policy->replies);
	return err;
}

static void mcp_client_free(void *ptr, void *arg)
{
	kfree(ptr);
}

/**
 * mcp_policy_exit() - free all of a policy
 * @policy: which; no session has a client of it any more
 *
 * Context: process.
 */
void mcp_policy_exit(struct mcp_policy *policy)
{
	cancel_delayed_work_sync(&policy->sweep);
	mcp_acl_flush(policy);
	rhashtable_free_and_destroy(&policy->clients, mcp_client_free, NULL);
	kvfree(policy->replies);
}

static struct mcp_acl *mcp_acl_find(struct mcp_policy *policy,
				    const struct mcp_endpoint *addr,
				    u8 prefixlen, const char *ifname)
{
	struct mcp_acl *acl;

	list_for_each_entry(acl, &policy->acl, list)
		if (mcp_endpoint_equal(&acl->addr, addr) &&
		    acl->prefixlen == prefixlen && !strcmp(acl->ifname, ifname))
			return acl;
	return NULL;
}

/**
 * mcp_acl_add() - let the clients of a prefix use the MCP
 * @policy: where
 * @addr: the prefix, host bits and port zero
 * @prefixlen: its length in bits, valid for the family
 * @ifname: only from this ingress interface; "": from any
 * @origin: prefix of originators that they may name; NULL: none
 * @origin_len: its length in bits
 * @via: name of the peers that dial for them; "": none
 *
 * Context: process, mcp_net.lock held.
 * Return: 0, -EEXIST, -ENOSPC (MCP_MAX_ACL) or -ENOMEM.
 */
int mcp_acl_add(struct mcp_policy *policy, const struct mcp_endpoint *addr,
		u8 prefixlen, const char *ifname,
		const struct mcp_endpoint *origin, u8 origin_len,
		const char *via)
{
	struct mcp_acl *acl;

	if (mcp_acl_find(policy, addr, prefixlen, ifname))
		return -EEXIST;
	if (policy->acl_count >= MCP_MAX_ACL)
		return -ENOSPC;
	acl = kzalloc(sizeof(*acl), GFP_KERNEL_ACCOUNT);
	if (!acl)
		return -ENOMEM;
	acl->addr = *addr;
	acl->prefixlen = prefixlen;
	strscpy(acl->ifname, ifname, sizeof(acl->ifname));
	if (origin) {
		acl->origin = *origin;
		acl->origin_len = origin_len;
	}
	strscpy(acl->via, via, sizeof(acl->via));
	list_add_tail_rcu(&acl->list, &policy->acl);
	policy->acl_count++;
	policy->acl_generation++;
	return 0;
}

static void mcp_acl_remove(struct mcp_policy *policy, struct mcp_acl *acl)
{
	list_del_rcu(&acl->list);
	policy->acl_count--;
	policy->acl_generation++;
	kfree_rcu(acl, rcu);
}

/**
 * mcp_acl_del() - take back what mcp_acl_add() allowed
 * @policy: where
 * @addr: as it was added
 * @prefixlen: as it was added
 * @ifname: as it was added
 *
 * Sessions that are there go on.
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or -ENOENT.
 */
int mcp_acl_del(struct mcp_policy *policy, const struct mcp_endpoint *addr,
		u8 prefixlen, const char *ifname)
{
	struct mcp_acl *acl = mcp_acl_find(policy, addr, prefixlen, ifname);

	if (!acl)
		return -ENOENT;
	mcp_acl_remove(policy, acl);
	return 0;
}

/**
 * mcp_acl_flush() - let nobody use the MCP
 * @policy: where
 *
 * Context: process, mcp_net.lock held or the namespace going away.
 */
void mcp_acl_flush(struct mcp_policy *policy)
{
	struct mcp_acl *acl, *next;

	list_for_each_entry_safe(acl, next, &policy->acl, list)
		mcp_acl_remove(policy, acl);
}

/**
 * mcp_acl_match() - may this client use the MCP?
 * @policy: where
 * @client: its address
 * @ifname: interface its packet came in by
 *
 * Context: any, under rcu_read_lock().
 * Return: the first entry that lets it in, or NULL.
 */
struct mcp_acl *mcp_acl_match(struct mcp_policy *policy,
			      const struct mcp_endpoint *client,
			      const char *ifname)
{
	struct mcp_acl *acl;

	list_for_each_entry_rcu(acl, &policy->acl, list)
		if ((!acl->ifname[0] ||
		     !strncmp(acl->ifname, ifname, IFNAMSIZ)) &&
		    mcp_prefix_has(&acl->addr, acl->prefixlen, client))
			return acl;
	return NULL;
}

/**
 * mcp_policy_forbidden() - is this a destination nobody may name?
 * @mnet: the namespace
 * @server: the destination
 *
 * Multicast, broadcast, unspecified and loopback addresses (plain mode section
 * 5, RFC 8803 section 5.1), and the MCP's own port, which would be a loop.
 *
 * Context: any but hard interrupt.
 */
bool mcp_policy_forbidden(struct mcp_net *mnet,
			  const struct mcp_endpoint *server)
{
	bool own = server->port == READ_ONCE(mnet->settings.port);
	struct in6_addr in6;
	unsigned int type;

	if (mcp_endpoint_forbidden(server))
		return true;
	if (server->family == AF_INET) {
		type = inet_addr_type(mnet->net, server->addr.ip);
		return type == RTN_BROADCAST || type == RTN_MULTICAST ||
		       (own && type == RTN_LOCAL);
	}
	memcpy(&in6, server->addr.ip6, sizeof(in6));
	return own && ipv6_chk_addr(mnet->net, &in6, NULL, 0);
}

/* So many clients that the sweep is not to wait; but it is not to do nothing else. */
static void mcp_policy_sweep_soon(struct mcp_policy *policy)
{
	if (atomic_read(&policy->client_count) >= MCP_MANY_CLIENTS &&
	    time_after(jiffies, READ_ONCE(policy->swept) + MCP_SWEEP_PAUSE))
		mod_delayed_work(system_wq, &policy->sweep, 0);
}

/* The client's entry with a reference, made if need be. */
static struct mcp_client *mcp_client_get(struct mcp_policy *policy,
					 const struct mcp_endpoint *key,
					 enum mcp_stat *reason)
{
	struct mcp_client *client, *old;

	rcu_read_lock();
	client = rhashtable_lookup(&policy->clients, key, mcp_client_params);
	if (client && atomic_inc_unless_negative(&client->refs))
		goto out;

	client = NULL;
	mcp_policy_sweep_soon(policy);
	*reason = MCP_STAT_REFUSED_MAX_CLIENTS;
	if (atomic_read(&policy->client_count) >= MCP_MAX_CLIENTS)
		goto out;
	*reason = MCP_STAT_REFUSED_NO_MEMORY;
	client = kzalloc(sizeof(*client), GFP_ATOMIC | __GFP_NOWARN);
	if (!client)
		goto out;
	client->key = *key;
	spin_lock_init(&client->lock);
	atomic_set(&client->refs, 1);
	old = rhashtable_lookup_get_insert_fast(&policy->clients, &client->node,
						mcp_client_params);
	if (old) {
		kfree(client);
		client = NULL;
		if (!IS_ERR(old) && atomic_inc_unless_negative(&old->refs))
			client = old;
		goto out;
	}
	if (atomic_inc_return(&policy->client_count) == 1)
		schedule_delayed_work(&policy->sweep, MCP_SWEEP_INTERVAL);
out:
	rcu_read_unlock();
	return client;
}

/*
 * Half-open sessions there may be: max-half-open, and no more than 15 of 16 that
 * max-sessions leaves to them.
 */
static int mcp_policy_most_half_open(struct mcp_net *mnet)
{
	const struct mcp_settings *set = &mnet->settings;
	int others = max(atomic_read(&mnet->session_count) -
			 atomic_read(&mnet->half_open), 0);
	int room = max((int)READ_ONCE(set->max_sessions) - others, 0);

	return min((int)READ_ONCE(set->max_half_open), room - room / 16);
}

/**
 * mcp_policy_crowded() - are there more half-open sessions than there may be?
 * @mnet: the namespace
 *
 * Context: any.
 */
bool mcp_policy_crowded(struct mcp_net *mnet)
{
	return atomic_read(&mnet->half_open) > mcp_policy_most_half_open(mnet);
}

/**
 * mcp_policy_admit() - may this client have one more session now?
 * @mnet: the namespace
 * @client: the client, which the ACL lets in
 *
 * On success the session counts as half-open, for its client and in all. One
 * beyond the limit in all is let in too, since the oldest makes room for it
 * (mcp_session_publish()); but not more than so many before that has happened.
 * One client's limits refuse: it is not to push others out.
 *
 * Context: any but hard interrupt.
 * Return: see struct mcp_admission.
 */
struct mcp_admission mcp_policy_admit(struct mcp_net *mnet,
				      const struct mcp_endpoint *client)
{
	const struct mcp_settings *set = &mnet->settings;
	struct mcp_admission adm = { };
	struct mcp_endpoint key;
	struct mcp_client *c;
	int most;
	bool ok;

	if (atomic_read(&mnet->session_count) >= READ_ONCE(set->max_sessions)) {
		adm.reason = MCP_STAT_REFUSED_MAX_SESSIONS;
		return adm;
	}
	most = mcp_policy_most_half_open(mnet);
	if (atomic_inc_return(&mnet->half_open) >
	    most + MCP_HALF_OPEN_RESERVE(most)) {
		adm.reason = MCP_STAT_REFUSED_HALF_OPEN;
		goto undo_all;
	}
	mcp_client_key(&key, client);
	c = mcp_client_get(&mnet->policy, &key, &adm.reason);
	if (!c)
		goto undo_all;
	if (atomic_inc_return(&c->half_open) >
	    READ_ONCE(set->max_half_open_client)) {
		adm.reason = MCP_STAT_REFUSED_HALF_OPEN_CLIENT;
		goto undo_client;
	}
	spin_lock_bh(&c->lock);
	ok = mcp_bucket_take(&c->bucket, READ_ONCE(set->session_rate),
			     READ_ONCE(set->session_burst), jiffies);
	spin_unlock_bh(&c->lock);
	if (!ok) {
		adm.reason = MCP_STAT_REFUSED_RATE;
		goto undo_client;
	}
	adm.client = c;
	return adm;

undo_client:
	atomic_dec(&c->half_open);
	mcp_policy_release(c);
undo_all:
	atomic_dec(&mnet->half_open);
	return adm;
}

/**
 * mcp_policy_bound() - a session is not half-open any more
 * @mnet: the namespace
 * @client: its client
 *
 * Called once for each success of mcp_policy_admit(): when the session is
 * bound, or when it ends before that.
 *
 * Context: any.
 */
void mcp_policy_bound(struct mcp_net *mnet, struct mcp_client *client)
{
	atomic_dec(&client->half_open);
	atomic_dec(&mnet->half_open);
}

/**
 * mcp_policy_release() - a session gives its client back
 * @client: the client; may be freed at any time from now on
 *
 * Context: any.
 */
void mcp_policy_release(struct mcp_client *client)
{
	WRITE_ONCE(client->used, jiffies);
	atomic_dec(&client->refs);
}

/**
 * mcp_policy_may_reply() - is there something left to tell this client?
 * @mnet: the namespace
 * @client: whom we would refuse
 * @kind: how
 *
 * Context: any but hard interrupt.
 */
bool mcp_policy_may_reply(struct mcp_net *mnet,
			  const struct mcp_endpoint *client,
			  enum mcp_reply_kind kind)
{
	struct mcp_policy *policy = &mnet->policy;
	u32 rate = kind == MCP_REPLY_RESET ? MCP_RESET_RATE :
		READ_ONCE(mnet->settings.error_rate);
	struct mcp_endpoint key;
	u32 slot;
	bool ok;

	if (!rate)
		return false;
	mcp_client_key(&key, client);
	slot = siphash(&key, sizeof(key), &policy->reply_key) %
		MCP_REPLY_BUCKETS;
	spin_lock_bh(&policy->reply_lock);
	ok = mcp_bucket_take(&policy->replies[slot][kind], rate, rate, jiffies);
	spin_unlock_bh(&policy->reply_lock);
	return ok;
}
