// SPDX-License-Identifier: GPL-2.0
#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "block.h"
#include "policy.h"
#include "pool.h"

/**
 * mcp_block_size_valid() - can blocks be as large as this?
 * @ports: ports of a block; 0: no blocks
 *
 * Context: any.
 */
bool mcp_block_size_valid(u32 ports)
{
	return !ports || (is_power_of_2(ports) && ports >= MCP_BLOCK_MIN &&
			  ports <= MCP_BLOCK_MAX);
}

/* The blocks of @client on addresses of this family that have a port left. */
static struct hlist_head *mcp_block_list(struct mcp_client *client,
					 const struct mcp_external *ext)
{
	return &client->blocks[ext->addr.family == AF_INET6];
}

/* A block nobody has, with no port in use. NULL: none is free, or no memory. */
static struct mcp_block *mcp_block_new(struct mcp_external *ext, int *err)
{
	u32 blocks = DIV_ROUND_UP(ext->ports, ext->block);
	struct mcp_block *block;
	unsigned long number;

	*err = -ENOSPC;
	number = find_next_zero_bit(ext->blocks, blocks,
				    get_random_u32() % blocks);
	if (number >= blocks)
		number = find_first_zero_bit(ext->blocks, blocks);
	if (number >= blocks)
		return NULL;
	*err = -ENOMEM;
	block = kzalloc(sizeof(*block), GFP_ATOMIC | __GFP_NOWARN);
	if (!block)
		return NULL;
	__set_bit(number, ext->blocks);
	block->ext = ext;
	block->first = number * ext->block;
	block->ports = min(ext->block, ext->ports - block->first);
	return block;
}

/* Takes a port that nobody has. 0: only the host's listeners have some left. */
static __be16 mcp_block_port(struct net *net, struct mcp_block *block)
{
	__be16 port = mcp_external_take(net, block->ext, block->first,
					block->ports);

	if (port && ++block->used == block->ports)
		hlist_del_init(&block->node);
	return port;
}

/**
 * mcp_block_take() - take a port for a client, out of its blocks
 * @net: the namespace
 * @client: the client
 * @ext: an address with blocks
 * @block: the block it is from; its only port in use if the block is new
 * @port: the port
 *
 * A client gets a new block when those that it has on the address have no port
 * left; those are in no list, so that it may have many of them at no cost. Passed
 * over are blocks with a port left on other addresses: no more than its ports
 * (max-ports-client) once filled.
 *
 * Context: mcp_pool.lock held.
 * Return: 0, -ENOSPC (no port is left for this client) or -ENOMEM.
 */
int mcp_block_take(struct net *net, struct mcp_client *client,
		   struct mcp_external *ext, struct mcp_block **block,
		   __be16 *port)
{
	struct hlist_head *list = mcp_block_list(client, ext);
	struct mcp_block *b;
	int err;

	hlist_for_each_entry(b, list, node) {
		if (b->ext != ext)
			continue;
		*port = mcp_block_port(net, b);
		if (*port)
			goto out;
	}
	b = mcp_block_new(ext, &err);
	if (!b)
		return err;
	*port = mcp_block_port(net, b);
	if (!*port) {
		mcp_block_free(b);
		return -ENOSPC;
	}
	if (b->used < b->ports)
		hlist_add_head(&b->node, list);
out:
	*block = b;
	return 0;
}

/**
 * mcp_block_give() - a port of a block is not needed any more
 * @client: who has the block
 * @block: the block
 *
 * Context: mcp_pool.lock held.
 * Return: true if it was the last: nobody finds the block from now on, and the
 * caller is to free it.
 */
bool mcp_block_give(struct mcp_client *client, struct mcp_block *block)
{
	if (!--block->used) {
		hlist_del_init(&block->node);
		return true;
	}
	if (hlist_unhashed(&block->node))
		hlist_add_head(&block->node, mcp_block_list(client, block->ext));
	return false;
}

/**
 * mcp_block_free() - let others have the ports of a block
 * @block: the block; mcp_block_give() returned true
 *
 * Context: mcp_pool.lock held.
 */
void mcp_block_free(struct mcp_block *block)
{
	struct mcp_external *ext = block->ext;

	__clear_bit(block->first / ext->block, ext->blocks);
	kfree(block);
}
