// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/route.h>

#include "deliver.h"
#include "downstream.h"
#include "net.h"
#include "netlink_event.h"
#include "pool.h"
#include "socket.h"

/* Ports tried before those of the host's own listeners are taken for all. */
#define MCP_PORT_TRIES	16

static const struct rhashtable_params mcp_external_params = {
	.head_offset = offsetof(struct mcp_external, node),
	.key_offset = offsetof(struct mcp_external, addr),
	.key_len = sizeof(struct mcp_endpoint),
	.automatic_shrinking = true,
};

static const struct rhashtable_params mcp_mapping_params = {
	.head_offset = offsetof(struct mcp_mapping, node),
	.key_offset = offsetof(struct mcp_mapping, key),
	.key_len = sizeof(struct mcp_mapping_key),
	.automatic_shrinking = true,
};

static const struct rhashtable_params mcp_owner_params = {
	.head_offset = offsetof(struct mcp_mapping, owner),
	.key_offset = offsetof(struct mcp_mapping, external),
	.key_len = sizeof(struct mcp_endpoint),
	.automatic_shrinking = true,
};

static struct kmem_cache *mcp_mapping_cache;

/**
 * mcp_pool_module_init() - what all namespaces share
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int mcp_pool_module_init(void)
{
	mcp_mapping_cache = KMEM_CACHE(mcp_mapping, 0);
	return mcp_mapping_cache ? 0 : -ENOMEM;
}

/**
 * mcp_pool_module_exit() - undo mcp_pool_module_init()
 *
 * Context: process; no namespace has a mapping any more.
 */
void mcp_pool_module_exit(void)
{
	kmem_cache_destroy(mcp_mapping_cache);
}

/**
 * mcp_pool_init() - set up a pool without addresses
 * @pool: where
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int mcp_pool_init(struct mcp_pool *pool)
{
	int err;

	INIT_LIST_HEAD(&pool->ranges);
	spin_lock_init(&pool->lock);
	init_waitqueue_head(&pool->freed);
	atomic_set(&pool->waiting, 0);
	err = rhashtable_init(&pool->externals, &mcp_external_params);
	if (err)
		return err;
	err = rhashtable_init(&pool->mappings, &mcp_mapping_params);
	if (err)
		goto destroy_externals;
	err = rhashtable_init(&pool->owners, &mcp_owner_params);
	if (err)
		goto destroy_mappings;
	return 0;

destroy_mappings:
	rhashtable_destroy(&pool->mappings);
destroy_externals:
	rhashtable_destroy(&pool->externals);
	return err;
}

/**
 * mcp_pool_exit() - free a pool
 * @pool: which; no session has a mapping of it any more
 *
 * Context: process.
 */
void mcp_pool_exit(struct mcp_pool *pool)
{
	mcp_pool_flush(pool);
	rhashtable_destroy(&pool->owners);
	rhashtable_destroy(&pool->mappings);
	rhashtable_destroy(&pool->externals);
}

/* How many addresses a range has. */
static u32 mcp_range_size(const struct mcp_pool_range *range)
{
	return 1U << (mcp_addr_len(range->addr.family) * 8 - range->prefixlen);
}

static bool mcp_range_has(const struct mcp_pool_range *range,
			  const struct mcp_endpoint *addr)
{
	return mcp_prefix_has(&range->addr, range->prefixlen, addr);
}

static struct mcp_pool_range *mcp_range_find(struct mcp_pool *pool,
					     const struct mcp_endpoint *addr)
{
	struct mcp_pool_range *range;

	list_for_each_entry_rcu(range, &pool->ranges, list)
		if (mcp_range_has(range, addr))
			return range;
	return NULL;
}

/**
 * mcp_pool_add() - give the pool addresses
 * @pool: where
 * @addr: a prefix, host bits and port zero
 * @prefixlen: its length in bits; no more than MCP_POOL_MAX_BITS are left
 * @first: first port of each address
 * @last: last port, not below @first
 *
 * Context: process, mcp_net.lock held.
 * Return: 0, -EEXIST (an address is there already), -ENOSPC or -ENOMEM.
 */
int mcp_pool_add(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		 u8 prefixlen, u16 first, u16 last)
{
	struct mcp_pool_range *range;

	list_for_each_entry(range, &pool->ranges, list)
		if (mcp_range_has(range, addr) ||
		    mcp_prefix_has(addr, prefixlen, &range->addr))
			return -EEXIST;
	if (pool->range_count >= MCP_POOL_MAX_RANGES)
		return -ENOSPC;
	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return -ENOMEM;
	range->addr = *addr;
	range->prefixlen = prefixlen;
	range->first = first;
	range->last = last;
	list_add_tail_rcu(&range->list, &pool->ranges);
	pool->range_count++;
	pool->generation++;
	return 0;
}

static void mcp_range_remove(struct mcp_pool *pool, struct mcp_pool_range *range)
{
	list_del_rcu(&range->list);
	pool->range_count--;
	pool->generation++;
	kfree_rcu(range, rcu);
}

/**
 * mcp_pool_del() - take addresses back
 * @pool: where
 * @addr: as they were added
 * @prefixlen: as they were added
 *
 * Mappings that are there keep them to their end.
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or -ENOENT.
 */
int mcp_pool_del(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		 u8 prefixlen)
{
	struct mcp_pool_range *range;

	list_for_each_entry(range, &pool->ranges, list) {
		if (!mcp_endpoint_equal(&range->addr, addr) ||
		    range->prefixlen != prefixlen)
			continue;
		mcp_range_remove(pool, range);
		return 0;
	}
	return -ENOENT;
}

/**
 * mcp_pool_flush() - take all addresses back
 * @pool: where
 *
 * Context: process, mcp_net.lock held or the namespace going away.
 */
void mcp_pool_flush(struct mcp_pool *pool)
{
	struct mcp_pool_range *range, *next;

	list_for_each_entry_safe(range, next, &pool->ranges, list)
		mcp_range_remove(pool, range);
}

/* Under rcu_read_lock() or the pool's lock. */
static struct mcp_external *mcp_external_find_addr(struct mcp_pool *pool,
						   const struct mcp_endpoint *ep)
{
	struct mcp_endpoint addr = *ep;

	addr.port = 0;
	return rhashtable_lookup_fast(&pool->externals, &addr,
				      mcp_external_params);
}

/**
 * mcp_pool_has() - is this an address of the pool?
 * @pool: where
 * @addr: the address
 *
 * Context: any, under rcu_read_lock().
 */
bool mcp_pool_has(struct mcp_pool *pool, const struct mcp_endpoint *addr)
{
	const struct mcp_external *ext;

	if (mcp_range_find(pool, addr))
		return true;
	/* Of a range that was taken back, while mappings are left. */
	ext = mcp_external_find_addr(pool, addr);
	return ext && ext->pooled;
}

/**
 * mcp_pool_foreign() - is this an address of the pool that the host has not?
 * @mnet: the namespace
 * @addr: the address
 *
 * Context: any, under rcu_read_lock().
 */
bool mcp_pool_foreign(struct mcp_net *mnet, const struct mcp_endpoint *addr)
{
	return mcp_pool_has(&mnet->pool, addr) &&
		mcp_address_type(mnet->net, addr) != RTN_LOCAL;
}

/**
 * mcp_pool_mapped() - has a client this external address and port?
 * @mnet: the namespace
 * @external: address and port
 *
 * Context: any, under rcu_read_lock().
 */
bool mcp_pool_mapped(struct mcp_net *mnet, const struct mcp_endpoint *external)
{
	const struct mcp_external *ext = mcp_external_find_addr(&mnet->pool,
								external);
	u16 port = ntohs(external->port);

	return ext && port >= ext->first && port - ext->first < ext->ports &&
		test_bit(port - ext->first, ext->busy);
}

/**
 * mcp_pool_used() - ports in use
 * @pool: where
 * @range: of these addresses
 *
 * Context: process, mcp_net.lock held.
 */
u64 mcp_pool_used(struct mcp_pool *pool, const struct mcp_pool_range *range)
{
	struct rhashtable_iter iter;
	struct mcp_external *ext;
	u64 used = 0;

	rhashtable_walk_enter(&pool->externals, &iter);
	rhashtable_walk_start(&iter);
	while ((ext = rhashtable_walk_next(&iter))) {
		if (IS_ERR(ext))
			used = 0;	/* resized: it begins anew */
		else if (mcp_range_has(range, &ext->addr))
			used += READ_ONCE(ext->used);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	return used;
}

/*
 * A number that spreads clients over addresses, and clients of a prefix one by
 * one over a range of the same size: 1:1 translation of prefixes.
 */
static u32 mcp_client_number(const struct mcp_endpoint *client)
{
	if (client->family == AF_INET)
		return ntohl(client->addr.ip);
	/* Of an IPv6 client policy knows the /64. */
	return ntohl(client->addr.ip6[1]);
}

/**
 * mcp_pool_choose() - the external address of a client
 * @pool: where
 * @client: the client
 * @from: its address
 * @family: AF_INET or AF_INET6: of the server
 * @addr: the address, port zero
 *
 * A client with mappings keeps the address that these have.
 *
 * Context: any but hard interrupt.
 * Return: false if the pool has no address of that family: the host's own
 * address on the way to the server is to be taken.
 */
bool mcp_pool_choose(struct mcp_pool *pool, struct mcp_client *client,
		     const struct mcp_endpoint *from, u16 family,
		     struct mcp_endpoint *addr)
{
	const struct mcp_external *ext;
	struct mcp_pool_range *range;
	u32 size, n, total = 0;
	bool found = false;

	spin_lock_bh(&pool->lock);
	ext = client->external[family == AF_INET6];
	if (ext)
		*addr = ext->addr;
	spin_unlock_bh(&pool->lock);
	if (ext)
		return true;

	rcu_read_lock();
	list_for_each_entry_rcu(range, &pool->ranges, list)
		if (range->addr.family == family)
			total += mcp_range_size(range);
	n = total ? mcp_client_number(from) % total : 0;
	list_for_each_entry_rcu(range, &pool->ranges, list) {
		if (range->addr.family != family)
			continue;
		size = mcp_range_size(range);
		if (n >= size) {
			n -= size;
			continue;
		}
		*addr = range->addr;
		if (family == AF_INET)
			addr->addr.ip |= htonl(n);
		else
			addr->addr.ip6[3] |= htonl(n);
		found = true;
		break;
	}
	rcu_read_unlock();
	return found;
}

/* An external address with no port in use; NULL if there is no memory. */
static struct mcp_external *mcp_external_new(struct mcp_net *mnet,
					     const struct mcp_endpoint *addr)
{
	u16 first = MCP_POOL_FIRST_PORT, last = MCP_POOL_LAST_PORT;
	const struct mcp_pool_range *range;
	struct mcp_external *ext;
	u32 ports, words, bit;
	bool pooled;

	rcu_read_lock();
	range = mcp_range_find(&mnet->pool, addr);
	if (range) {
		first = range->first;
		last = range->last;
	}
	pooled = range;
	rcu_read_unlock();
	ports = last - first + 1;
	words = BITS_TO_LONGS(ports);
	ext = kvzalloc(struct_size(ext, busy, words), GFP_KERNEL);
	if (!ext)
		return NULL;
	ext->addr = *addr;
	ext->pooled = pooled;
	ext->first = first;
	ext->ports = ports;
	ext->words = words;
	ext->block = READ_ONCE(mnet->settings.port_block);
	for (bit = ports; bit < words * BITS_PER_LONG; bit++)
		__set_bit(bit, ext->busy);
	return ext;
}

/*
 * The first free port from @start on, as an index, of @ports ports from the word
 * on that begins with @first; -1 if there is none.
 */
static int mcp_external_find(const struct mcp_external *ext, u32 first,
			     u32 ports, u32 start)
{
	u32 end = DIV_ROUND_UP(first + ports, BITS_PER_LONG);
	u32 word = start / BITS_PER_LONG;
	unsigned long free;

	free = ~ext->busy[word] & BITMAP_FIRST_WORD_MASK(start);
	if (!free) {
		word = find_next_zero_bit(ext->full, end, word + 1);
		if (word >= end)
			word = find_next_zero_bit(ext->full, end,
						  first / BITS_PER_LONG);
		if (word >= end)
			return -1;
		free = ~ext->busy[word];
	}
	return word * BITS_PER_LONG + __ffs(free);
}

static void mcp_external_mark(struct mcp_external *ext, u32 index, bool busy)
{
	u32 word = index / BITS_PER_LONG;

	__assign_bit(index, ext->busy, busy);
	__assign_bit(word, ext->full, ext->busy[word] == ~0UL);
	WRITE_ONCE(ext->used, ext->used + (busy ? 1 : -1));
}

/**
 * mcp_external_take() - take a port that nobody has, not even a listener of the host
 *			  or a static mapping
 * @net: the namespace
 * @ext: the address
 * @first: first port that will do, counted from that of the address; a multiple
 *	   of BITS_PER_LONG
 * @ports: how many will do; a multiple of that too, or all that are left
 *
 * Context: mcp_pool.lock held.
 * Return: the port, or 0 if there is none.
 */
__be16 mcp_external_take(struct net *net, struct mcp_external *ext, u32 first,
			 u32 ports)
{
	struct mcp_endpoint ep = ext->addr;
	int tries, index;

	for (tries = 0; tries < MCP_PORT_TRIES; tries++) {
		index = mcp_external_find(ext, first, ports,
					  first + get_random_u32() % ports);
		if (index < 0)
			return 0;
		ep.port = htons(ext->first + index);
		if (mcp_socket_listens(net, &ep, 0) ||
		    mcp_forward_reserves(mcp_net(net), &ep))
			continue;
		mcp_external_mark(ext, index, true);
		return ep.port;
	}
	return 0;
}

/* Frees an external address nobody uses. Under the pool's lock. */
static void mcp_external_put(struct mcp_pool *pool, struct mcp_external *ext)
{
	if (ext->used)
		return;
	rhashtable_remove_fast(&pool->externals, &ext->node, mcp_external_params);
	kvfree_rcu(ext, rcu);
}

/* Which of its address's ports a mapping has. */
static u32 mcp_mapping_index(const struct mcp_mapping *map)
{
	return ntohs(map->external.port) - map->ext->first;
}

/* Takes a port for a new mapping: 0, -ENOSPC or -ENOMEM. Locked. */
static int mcp_mapping_take(struct mcp_net *mnet, struct mcp_mapping *map)
{
	struct mcp_external *ext = map->ext;

	map->external = ext->addr;
	if (ext->block)
		return mcp_block_take(mnet->net, map->client, ext, &map->block,
				      &map->external.port);
	map->external.port = mcp_external_take(mnet->net, ext, 0, ext->ports);
	return map->external.port ? 0 : -ENOSPC;
}

/* A mapping gives up its port; true if a log is to have that. Locked. */
static bool mcp_mapping_end(struct mcp_mapping *map)
{
	return !map->block || mcp_block_give(map->client, map->block);
}

/* From now on others may have its port, and, if @ended, its block. Locked. */
static void mcp_mapping_give(struct mcp_mapping *map, bool ended)
{
	mcp_external_mark(map->ext, mcp_mapping_index(map), false);
	if (ended && map->block)
		mcp_block_free(map->block);
}

/* Gives a new mapping a port of its address, and puts it into the table. Locked. */
static bool mcp_mapping_open(struct mcp_net *mnet, struct mcp_mapping *map,
			     bool apart, enum mcp_stat *reason)
{
	u32 limit = READ_ONCE(mnet->settings.max_ports_client);
	bool six = map->key.family == AF_INET6;
	struct mcp_client *client = map->client;
	struct mcp_external *ext = map->ext;
	struct mcp_pool *pool = &mnet->pool;
	int err;

	*reason = MCP_STAT_REFUSED_PORTS_CLIENT;
	if (client->ports >= limit)
		return false;
	err = mcp_mapping_take(mnet, map);
	*reason = err == -ENOSPC ? MCP_STAT_REFUSED_PORTS :
		MCP_STAT_REFUSED_NO_MEMORY;
	if (err)
		return false;
	*reason = MCP_STAT_REFUSED_NO_MEMORY;
	if (rhashtable_insert_fast(&pool->owners, &map->owner,
				   mcp_owner_params))
		goto give;
	if (!apart && rhashtable_insert_fast(&pool->mappings, &map->node,
					     mcp_mapping_params)) {
		rhashtable_remove_fast(&pool->owners, &map->owner,
				       mcp_owner_params);
		goto give;
	}
	map->hashed = !apart;
	client->ports++;
	WRITE_ONCE(mnet->pool.mapping_count, mnet->pool.mapping_count + 1);
	if (ext->pooled &&
	    (!client->external[six] || client->external[six] == ext)) {
		client->external[six] = ext;
		client->mapped[six]++;
		map->paired = true;
	}
	return true;

give:
	mcp_mapping_give(map, mcp_mapping_end(map));
	return false;
}

/* The external address, made if need be of @spare. Locked; NULL: one is needed. */
static struct mcp_external *mcp_external_get(struct mcp_pool *pool,
					     const struct mcp_endpoint *addr,
					     struct mcp_external **spare)
{
	struct mcp_external *ext;

	ext = rhashtable_lookup_fast(&pool->externals, addr,
				     mcp_external_params);
	if (ext || !*spare ||
	    rhashtable_insert_fast(&pool->externals, &(*spare)->node,
				   mcp_external_params))
		return ext;
	swap(ext, *spare);
	return ext;
}

/**
 * mcp_pool_map() - give a client endpoint its external address and port
 * @mnet: the namespace
 * @client: the client's entry in policy; the session holds it until it has
 *	    called mcp_pool_unmap()
 * @from: the client's address and port
 * @addr: the external address, port zero: from mcp_pool_choose(), or the host's
 *	  own
 * @apart: not the port that other sessions of this endpoint have
 * @reason: if refused, the counter that says why
 *
 * Endpoint-independent (RFC 5382 REQ-1): as long as it has a session, the
 * endpoint keeps its address and port; with the host's own addresses, one for
 * each of these.
 *
 * Context: process.
 * Return: the mapping, with a reference; or NULL.
 */
struct mcp_mapping *mcp_pool_map(struct mcp_net *mnet, struct mcp_client *client,
				 const struct mcp_endpoint *from,
				 const struct mcp_endpoint *addr, bool apart,
				 enum mcp_stat *reason)
{
	struct mcp_external *ext, *spare = NULL;
	struct mcp_pool *pool = &mnet->pool;
	struct mcp_mapping *map, *old;
	bool begun;

	*reason = MCP_STAT_REFUSED_NO_MEMORY;
	map = kmem_cache_zalloc(mcp_mapping_cache, GFP_KERNEL);
	if (!map)
		return NULL;
	map->key.client = *from;
	map->key.family = addr->family;
	map->client = client;
	map->sessions = 1;

	spin_lock_bh(&pool->lock);
	ext = mcp_external_get(pool, addr, &spare);
	if (!ext) {
		spin_unlock_bh(&pool->lock);
		spare = mcp_external_new(mnet, addr);
		spin_lock_bh(&pool->lock);
		ext = mcp_external_get(pool, addr, &spare);
	}
	if (!ext)
		goto unlock;
	map->ext = ext;
	if (!ext->pooled)
		map->key.own = *addr;
	old = apart ? NULL : rhashtable_lookup_fast(&pool->mappings, &map->key,
						    mcp_mapping_params);
	if (old) {
		old->sessions++;
		mcp_external_put(pool, ext);
		spin_unlock_bh(&pool->lock);
		kmem_cache_free(mcp_mapping_cache, map);
		map = old;
		goto out;
	}
	if (mcp_mapping_open(mnet, map, apart, reason)) {
		begun = !map->block || map->block->used == 1;
		spin_unlock_bh(&pool->lock);
		if (begun)
			mcp_netlink_mapping(mnet, MCP_EVENT_NEW, map, GFP_KERNEL);
		goto out;
	}
	mcp_external_put(pool, ext);
unlock:
	spin_unlock_bh(&pool->lock);
	kmem_cache_free(mcp_mapping_cache, map);
	map = NULL;
out:
	kvfree(spare);
	return map;
}

/**
 * mcp_pool_bound() - a mapping has a session that is not half-open any more
 * @mnet: the namespace
 * @map: the mapping
 *
 * Context: any but hard interrupt.
 */
void mcp_pool_bound(struct mcp_net *mnet, struct mcp_mapping *map)
{
	struct mcp_pool *pool = &mnet->pool;
	bool full;

	spin_lock_bh(&pool->lock);
	if (!map->bound)
		WRITE_ONCE(map->ext->bound, map->ext->bound + 1);
	map->bound = true;
	full = map->ext->bound == map->ext->ports;
	spin_unlock_bh(&pool->lock);
	/* Who waits for one of these ports waits in vain, see mcp_pool_one_for_one(). */
	if (full)
		wake_up_all(&pool->freed);
}

/**
 * mcp_pool_short() - are there few ports left of an address?
 * @pool: where
 * @addr: the external address, port zero
 *
 * Context: any.
 */
bool mcp_pool_short(struct mcp_pool *pool, const struct mcp_endpoint *addr)
{
	const struct mcp_external *ext;
	bool few;

	rcu_read_lock();
	ext = rhashtable_lookup_fast(&pool->externals, addr,
				     mcp_external_params);
	few = ext && ext->ports - READ_ONCE(ext->used) <= ext->ports / 16;
	rcu_read_unlock();
	return few;
}

/**
 * mcp_pool_crowded() - do half-open sessions leave too few ports?
 * @pool: where
 * @addr: the external address, port zero
 * @mine: one of them is the caller's, and does not count
 *
 * They may have 15 of 16 ports that bound sessions leave. Where these leave few,
 * half-open ones are not pushed out for that alone.
 *
 * Context: any.
 */
bool mcp_pool_crowded(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		      bool mine)
{
	const struct mcp_external *ext;
	bool crowded = false;
	u32 used, bound;

	rcu_read_lock();
	ext = rhashtable_lookup_fast(&pool->externals, addr,
				     mcp_external_params);
	if (ext) {
		used = READ_ONCE(ext->used);
		bound = READ_ONCE(ext->bound);
		crowded = used > bound + mine &&
			ext->ports - used <= (ext->ports - bound) / 16;
	}
	rcu_read_unlock();
	return crowded;
}

/**
 * mcp_pool_one_for_one() - will who waits for a port get one?
 * @pool: where
 * @addr: the external address, port zero
 *
 * If no other address is in use, and ports are given out one by one, then each
 * half-open session that ends leaves a port that any other one can use. There are
 * some as long as not all ports are bound sessions'.
 *
 * Context: any.
 */
bool mcp_pool_one_for_one(struct mcp_pool *pool, const struct mcp_endpoint *addr)
{
	const struct mcp_external *ext;
	bool will;

	rcu_read_lock();
	ext = rhashtable_lookup_fast(&pool->externals, addr,
				     mcp_external_params);
	will = ext && !ext->block && READ_ONCE(ext->bound) < ext->ports &&
		atomic_read(&pool->externals.nelems) == 1;
	rcu_read_unlock();
	return will;
}

/**
 * mcp_pool_unmap() - a session does not need its mapping any more
 * @mnet: the namespace
 * @map: the mapping
 *
 * Context: any but hard interrupt.
 */
void mcp_pool_unmap(struct mcp_net *mnet, struct mcp_mapping *map)
{
	bool six = map->key.family == AF_INET6;
	struct mcp_pool *pool = &mnet->pool;
	struct mcp_client *client = map->client;
	struct mcp_external *ext = map->ext;
	bool ended;

	spin_lock_bh(&pool->lock);
	if (--map->sessions) {
		spin_unlock_bh(&pool->lock);
		return;
	}
	if (map->hashed)
		rhashtable_remove_fast(&pool->mappings, &map->node,
				       mcp_mapping_params);
	rhashtable_remove_fast(&pool->owners, &map->owner, mcp_owner_params);
	client->ports--;
	WRITE_ONCE(pool->mapping_count, pool->mapping_count - 1);
	if (map->paired && !--client->mapped[six])
		client->external[six] = NULL;
	if (map->bound)
		WRITE_ONCE(ext->bound, ext->bound - 1);
	ended = mcp_mapping_end(map);
	/* Nobody finds it now. Told before others can have what it had. */
	if (ended && mcp_netlink_mapping_wanted(mnet)) {
		spin_unlock_bh(&pool->lock);
		mcp_netlink_mapping(mnet, MCP_EVENT_END, map, GFP_ATOMIC);
		spin_lock_bh(&pool->lock);
	}
	mcp_mapping_give(map, ended);
	mcp_external_put(pool, ext);
	spin_unlock_bh(&pool->lock);
	kmem_cache_free(mcp_mapping_cache, map);
	wake_up(&pool->freed);
}

/**
 * mcp_pool_use() - a session's server is known to its mapping
 * @mnet: the namespace
 * @map: the mapping
 * @d: the session's side of the server; its tuple stays until mcp_pool_unuse()
 *
 * Context: any but hard interrupt.
 */
void mcp_pool_use(struct mcp_net *mnet, struct mcp_mapping *map,
		  struct mcp_downstream *d)
{
	spin_lock_bh(&mnet->pool.lock);
	hlist_add_head(&d->use, &map->users);
	spin_unlock_bh(&mnet->pool.lock);
}

/**
 * mcp_pool_unuse() - undo mcp_pool_use(), if it was done
 * @mnet: the namespace
 * @d: the session's side of the server
 *
 * Context: any but hard interrupt.
 */
void mcp_pool_unuse(struct mcp_net *mnet, struct mcp_downstream *d)
{
	if (hlist_unhashed_lockless(&d->use))
		return;
	spin_lock_bh(&mnet->pool.lock);
	hlist_del_init(&d->use);
	spin_unlock_bh(&mnet->pool.lock);
}

/*
 * The mapping of an external endpoint, if it takes a connection of @from. A client
 * endpoint has no more sessions than the MCP has addresses. Locked.
 */
static struct mcp_mapping *mcp_mapping_open_to(struct mcp_pool *pool,
					       const struct mcp_endpoint *external,
					       const struct mcp_endpoint *from,
					       bool dependent)
{
	const struct mcp_downstream *d;
	struct mcp_mapping *map;

	map = rhashtable_lookup_fast(&pool->owners, external, mcp_owner_params);
	/* Its headers are translated no further than its addresses. */
	if (!map || map->key.client.family != external->family)
		return NULL;
	if (!dependent)
		return map;
	hlist_for_each_entry(d, &map->users, use)
		if (!memcmp(&d->tuple.server.addr, &from->addr,
			    sizeof(from->addr)))
			return map;
	return NULL;
}

/**
 * mcp_pool_admits() - does a client take this connection from outside?
 * @mnet: the namespace
 * @external: to which external address and port it is
 * @from: whose it is
 * @dependent: only of servers whose address the client endpoint speaks with
 *
 * Context: any but hard interrupt.
 */
bool mcp_pool_admits(struct mcp_net *mnet, const struct mcp_endpoint *external,
		     const struct mcp_endpoint *from, bool dependent)
{
	bool admits;

	spin_lock_bh(&mnet->pool.lock);
	admits = mcp_mapping_open_to(&mnet->pool, external, from, dependent);
	spin_unlock_bh(&mnet->pool.lock);
	return admits;
}

/**
 * mcp_pool_admit() - the mapping for a connection from outside
 * @mnet: the namespace
 * @external: to which external address and port it is
 * @from: whose it is
 * @dependent: as mcp_pool_admits() has it
 *
 * Context: any but hard interrupt.
 * Return: the mapping, with a reference for a session and one to its client
 * (mcp_policy_release()); or NULL.
 */
struct mcp_mapping *mcp_pool_admit(struct mcp_net *mnet,
				   const struct mcp_endpoint *external,
				   const struct mcp_endpoint *from,
				   bool dependent)
{
	struct mcp_mapping *map;

	spin_lock_bh(&mnet->pool.lock);
	map = mcp_mapping_open_to(&mnet->pool, external, from, dependent);
	/* Some session has the client as long as there is a mapping. */
	if (map && atomic_inc_not_zero(&map->client->refs))
		map->sessions++;
	else
		map = NULL;
	spin_unlock_bh(&mnet->pool.lock);
	return map;
}

/**
 * mcp_pool_charge() - a client dials from a port that is not the pool's
 * @mnet: the namespace
 * @client: the client
 *
 * It counts as one of its external ports.
 *
 * Context: any but hard interrupt.
 * Return: false if it has as many as it may have.
 */
bool mcp_pool_charge(struct mcp_net *mnet, struct mcp_client *client)
{
	u32 limit = READ_ONCE(mnet->settings.max_ports_client);
	struct mcp_pool *pool = &mnet->pool;
	bool ok;

	spin_lock_bh(&pool->lock);
	ok = client->ports < limit;
	if (ok)
		client->ports++;
	spin_unlock_bh(&pool->lock);
	return ok;
}

/**
 * mcp_pool_uncharge() - undo mcp_pool_charge()
 * @mnet: the namespace
 * @client: the client
 *
 * Context: any but hard interrupt.
 */
void mcp_pool_uncharge(struct mcp_net *mnet, struct mcp_client *client)
{
	struct mcp_pool *pool = &mnet->pool;

	spin_lock_bh(&pool->lock);
	client->ports--;
	spin_unlock_bh(&pool->lock);
}
