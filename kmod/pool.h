/* SPDX-License-Identifier: GPL-2.0 */
/*
 * External addresses and ports, and which client endpoint has which of them
 * (the BIB of RFC 6146): endpoint-independent mapping (RFC 5382 REQ-1), no port
 * for two (REQ-7), one external address for all sessions of a client (RFC 4787
 * REQ-2, RFC 6888 REQ-2), chosen at random (RFC 6056).
 */
#ifndef MCP_POOL_H
#define MCP_POOL_H

#include <linux/list.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "block.h"
#include "endpoint.h"
#include "stats.h"

struct mcp_client;
struct mcp_downstream;
struct mcp_net;
struct net;

/* Ports of an address of the host: above those of the kernel's sockets. */
#define MCP_POOL_FIRST_PORT	61001
#define MCP_POOL_LAST_PORT	65535
/* First port of an entry that names none: above the well-known ones. */
#define MCP_POOL_DEFAULT_FIRST	1024
#define MCP_POOL_MAX_RANGES	64
/* Addresses of one entry; with IPv6, that is a /112. */
#define MCP_POOL_MAX_BITS	16

/**
 * struct mcp_pool_range - external addresses, as an operator gave them
 * @list:	in mcp_pool.ranges
 * @rcu:	for freeing
 * @addr:	prefix; host bits and port zero
 * @prefixlen:	its length in bits
 * @first:	first port of each address
 * @last:	last port
 */
struct mcp_pool_range {
	struct list_head list;
	struct rcu_head rcu;
	struct mcp_endpoint addr;
	u8 prefixlen;
	u16 first;
	u16 last;
};

/**
 * struct mcp_external - an external address that is in use
 * @node:	in mcp_pool.externals
 * @rcu:	for freeing
 * @addr:	the address, port zero
 * @pooled:	an operator gave it; false: an address of the host
 * @first:	its first port
 * @ports:	how many ports it has from there on
 * @words:	words of @busy
 * @used:	ports in use
 * @block:	ports of a block, as port-block was when it came into use; 0: ports
 *		are given out one by one
 * @blocks:	blocks that a client has
 * @bound:	those of them that are not only half-open sessions'
 * @full:	words of @busy without a zero
 * @busy:	ports in use, and bits that stand for no port
 *
 * The second bitmap makes a port cost the same however many are in use.
 */
struct mcp_external {
	struct rhash_head node;
	struct rcu_head rcu;
	struct mcp_endpoint addr;
	bool pooled;
	u16 first;
	u32 ports;
	u32 words;
	u32 used;
	u32 block;
	unsigned long blocks[BITS_TO_LONGS(65536 / MCP_BLOCK_MIN)];
	u32 bound;
	unsigned long full[BITS_TO_LONGS(65536 / BITS_PER_LONG)];
	unsigned long busy[];
};

/**
 * struct mcp_mapping - what a client endpoint looks like from outside
 * @node:	in mcp_pool.mappings
 * @key:	the client's address and port, the family of its servers, and the
 *		address, if that is one of the host
 * @hashed:	@node is in mcp_pool.mappings: other sessions of the endpoint use
 *		it too
 * @paired:	@ext is the one that @client keeps
 * @bound:	a session that has it is or was more than half-open
 * @client:	the client's entry in policy; the sessions hold it
 * @ext:	its external address
 * @block:	the block that its port is from; NULL: of none
 * @external:	that address, and its port there
 * @owner:	in mcp_pool.owners
 * @users:	mcp_downstream.use of its sessions: with whom they speak
 * @sessions:	who uses it
 */
struct mcp_mapping {
	struct rhash_head node;
	struct mcp_mapping_key {
		struct mcp_endpoint client;
		u32 family;
		struct mcp_endpoint own;
	} key;
	bool hashed;
	bool paired;
	bool bound;
	struct mcp_client *client;
	struct mcp_external *ext;
	struct mcp_block *block;
	struct mcp_endpoint external;
	struct rhash_head owner;
	struct hlist_head users;
	u32 sessions;
};

/**
 * struct mcp_pool - external addresses of one namespace
 * @ranges:	RCU list of struct mcp_pool_range; written under mcp_net.lock
 * @range_count: its length
 * @generation:	grows with each change of it
 * @lock:	guards what follows; taken with BH off
 * @externals:	struct mcp_external, by address
 * @mappings:	struct mcp_mapping, by key
 * @owners:	the same, by external address and port
 * @mapping_count: all mappings, also those without others' sessions; read
 *		anywhere
 * @freed:	where sessions wait for a port, first come, first served: one of
 *		them is woken for each that is free again
 * @waiting:	how many do, and have been woken and did not look yet
 */
struct mcp_pool {
	struct list_head ranges;
	unsigned int range_count;
	unsigned int generation;
	spinlock_t lock;		/* see above */
	struct rhashtable externals;
	struct rhashtable mappings;
	struct rhashtable owners;
	u32 mapping_count;
	wait_queue_head_t freed;
	atomic_t waiting;
};

int mcp_pool_module_init(void);
void mcp_pool_module_exit(void);
int mcp_pool_init(struct mcp_pool *pool);
void mcp_pool_exit(struct mcp_pool *pool);

int mcp_pool_add(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		 u8 prefixlen, u16 first, u16 last);
int mcp_pool_del(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		 u8 prefixlen);
void mcp_pool_flush(struct mcp_pool *pool);
bool mcp_pool_has(struct mcp_pool *pool, const struct mcp_endpoint *addr);
bool mcp_pool_foreign(struct mcp_net *mnet, const struct mcp_endpoint *addr);
bool mcp_pool_mapped(struct mcp_net *mnet, const struct mcp_endpoint *external);
u64 mcp_pool_used(struct mcp_pool *pool, const struct mcp_pool_range *range);

__be16 mcp_external_take(struct net *net, struct mcp_external *ext, u32 first,
			 u32 ports);

bool mcp_pool_choose(struct mcp_pool *pool, struct mcp_client *client,
		     const struct mcp_endpoint *from, u16 family,
		     struct mcp_endpoint *addr);
struct mcp_mapping *mcp_pool_map(struct mcp_net *mnet, struct mcp_client *client,
				 const struct mcp_endpoint *from,
				 const struct mcp_endpoint *addr, bool apart,
				 enum mcp_stat *reason);
void mcp_pool_bound(struct mcp_net *mnet, struct mcp_mapping *map);
bool mcp_pool_short(struct mcp_pool *pool, const struct mcp_endpoint *addr);
bool mcp_pool_crowded(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		      bool mine);
bool mcp_pool_one_for_one(struct mcp_pool *pool,
			  const struct mcp_endpoint *addr);
void mcp_pool_unmap(struct mcp_net *mnet, struct mcp_mapping *map);
void mcp_pool_use(struct mcp_net *mnet, struct mcp_mapping *map,
		  struct mcp_downstream *d);
void mcp_pool_unuse(struct mcp_net *mnet, struct mcp_downstream *d);
bool mcp_pool_admits(struct mcp_net *mnet, const struct mcp_endpoint *external,
		     const struct mcp_endpoint *from, bool dependent);
struct mcp_mapping *mcp_pool_admit(struct mcp_net *mnet,
				   const struct mcp_endpoint *external,
				   const struct mcp_endpoint *from,
				   bool dependent);
bool mcp_pool_charge(struct mcp_net *mnet, struct mcp_client *client);
void mcp_pool_uncharge(struct mcp_net *mnet, struct mcp_client *client);

#endif /* MCP_POOL_H */
