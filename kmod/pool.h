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

#include "endpoint.h"
#include "stats.h"

struct mcp_client;
struct mcp_net;

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
 * @client:	the client's entry in policy; the sessions hold it
 * @ext:	its external address
 * @external:	that address, and its port there
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
	struct mcp_client *client;
	struct mcp_external *ext;
	struct mcp_endpoint external;
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
 * @mapping_count: all mappings, also those without others' sessions; read
 *		anywhere
 */
struct mcp_pool {
	struct list_head ranges;
	unsigned int range_count;
	unsigned int generation;
	spinlock_t lock;		/* see above */
	struct rhashtable externals;
	struct rhashtable mappings;
	u32 mapping_count;
};

int mcp_pool_init(struct mcp_pool *pool);
void mcp_pool_exit(struct mcp_pool *pool);

int mcp_pool_add(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		 u8 prefixlen, u16 first, u16 last);
int mcp_pool_del(struct mcp_pool *pool, const struct mcp_endpoint *addr,
		 u8 prefixlen);
void mcp_pool_flush(struct mcp_pool *pool);
bool mcp_pool_foreign(struct mcp_net *mnet, const struct mcp_endpoint *addr);
bool mcp_pool_mapped(struct mcp_net *mnet, const struct mcp_endpoint *external);
u64 mcp_pool_used(struct mcp_pool *pool, const struct mcp_pool_range *range);

bool mcp_pool_choose(struct mcp_pool *pool, struct mcp_client *client,
		     const struct mcp_endpoint *from, u16 family,
		     struct mcp_endpoint *addr);
struct mcp_mapping *mcp_pool_map(struct mcp_net *mnet, struct mcp_client *client,
				 const struct mcp_endpoint *from,
				 const struct mcp_endpoint *addr, bool apart,
				 enum mcp_stat *reason);
void mcp_pool_unmap(struct mcp_net *mnet, struct mcp_mapping *map);

#endif /* MCP_POOL_H */
