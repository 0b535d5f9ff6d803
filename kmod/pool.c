// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/inetdevice.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/route.h>

#include "net.h"
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
	err = rhashtable_init(&pool->externals, &mcp_external_params);
	if (err)
		return err;
	err = rhashtable_init(&pool->mappings, &mcp_mapping_params);
	if (err)
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
 * mcp_pool_foreign() - is this an address of the pool that the host has not?
 * @mnet: the namespace
 * @addr: the address
 *
 * Context: any, under rcu_read_lock().
 */
bool mcp_pool_foreign(struct mcp_net *mnet, const struct mcp_endpoint *addr)
{
	struct in6_addr in6;

	if (!mcp_range_find(&mnet->pool, addr)) {
		/* Of a range that was taken back, while mappings are left. */
		const struct mcp_external *ext = mcp_external_find_addr(&mnet->pool,
									addr);

		if (!ext || !ext->pooled)
			return false;
	}
	if (addr->family == AF_INET)
		return inet_addr_type(mnet->net, addr->addr.ip) != RTN_LOCAL;
	memcpy(&in6, addr->addr.ip6, sizeof(in6));
	return !ipv6_chk_addr(mnet->net, &in6, NULL, 0);
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
static struct mcp_external *mcp_external_new(struct mcp_pool *pool,
					     const struct mcp_endpoint *addr)
{
	u16 first = MCP_POOL_FIRST_PORT, last = MCP_POOL_LAST_PORT;
	const struct mcp_pool_range *range;
	struct mcp_external *ext;
	u32 ports, words, bit;
	bool pooled;

	rcu_read_lock();
	range = mcp_range_find(pool, addr);
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
	for (bit = ports; bit < words * BITS_PER_LONG; bit++)
		__set_bit(bit, ext->busy);
	return ext;
}

/* The first free port from @start on, as an index; -1 if there is none. */
static int mcp_external_find(const struct mcp_external *ext, u32 start)
{
	u32 word = start / BITS_PER_LONG;
	unsigned long free;

	free = ~ext->busy[word] & BITMAP_FIRST_WORD_MASK(start);
	if (!free) {
		word = find_next_zero_bit(ext->full, ext->words, word + 1);
		if (word >= ext->words)
			word = find_first_zero_bit(ext->full, ext->words);
		if (word >= ext->words)
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

/*
 * Takes a port that nobody has, not even a listener of the host. Returns 0 if
 * there is none.
 */
static __be16 mcp_external_take(struct net *net, struct mcp_external *ext)
{
	struct mcp_endpoint ep = ext->addr;
	int tries, index;

	for (tries = 0; tries < MCP_PORT_TRIES; tries++) {
		index = mcp_external_find(ext, get_random_u32() % ext->ports);
		if (index < 0)
			return 0;
		ep.port = htons(ext->first + index);
		if (mcp_socket_listens(net, &ep, 0))
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

/* Gives a new mapping a port of its address, and puts it into the table. Locked. */
static bool mcp_mapping_open(struct mcp_net *mnet, struct mcp_mapping *map,
			     bool apart, enum mcp_stat *reason)
{
	u32 limit = READ_ONCE(mnet->settings.max_ports_client);
	bool six = map->key.family == AF_INET6;
	struct mcp_client *client = map->client;
	struct mcp_external *ext = map->ext;
	struct mcp_pool *pool = &mnet->pool;

	*reason = MCP_STAT_REFUSED_PORTS_CLIENT;
	if (client->ports >= limit)
		return false;
	*reason = MCP_STAT_REFUSED_PORTS;
	map->external = ext->addr;
	map->external.port = mcp_external_take(mnet->net, ext);
	if (!map->external.port)
		return false;
	*reason = MCP_STAT_REFUSED_NO_MEMORY;
	if (!apart && rhashtable_insert_fast(&pool->mappings, &map->node,
					     mcp_mapping_params)) {
		mcp_external_mark(ext, mcp_mapping_index(map), false);
		return false;
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

	*reason = MCP_STAT_REFUSED_NO_MEMORY;
	map = kzalloc(sizeof(*map), GFP_KERNEL);
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
		spare = mcp_external_new(pool, addr);
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
		kfree(map);
		map = old;
		goto out;
	}
	if (mcp_mapping_open(mnet, map, apart, reason)) {
		spin_unlock_bh(&pool->lock);
		goto out;
	}
	mcp_external_put(pool, ext);
unlock:
	spin_unlock_bh(&pool->lock);
	kfree(map);
	map = NULL;
out:
	kvfree(spare);
	return map;
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

	spin_lock_bh(&pool->lock);
	if (--map->sessions) {
		spin_unlock_bh(&pool->lock);
		return;
	}
	if (map->hashed)
		rhashtable_remove_fast(&pool->mappings, &map->node,
				       mcp_mapping_params);
	client->ports--;
	WRITE_ONCE(pool->mapping_count, pool->mapping_count - 1);
	if (map->paired && !--client->mapped[six])
		client->external[six] = NULL;
	mcp_external_mark(ext, mcp_mapping_index(map), false);
	mcp_external_put(pool, ext);
	spin_unlock_bh(&pool->lock);
	kfree(map);
}
