/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blocks: consecutive ports of an external address that one client has, so that
 * a log needs an entry for a block and not for each port (RFC 6888 REQ-14). Who
 * knows one port of a client can guess the others better than without (REQ-15):
 * block and port are chosen at random, and that is all that is left.
 */
#ifndef MCP_BLOCK_H
#define MCP_BLOCK_H

#include <linux/list.h>
#include <linux/types.h>

struct mcp_client;
struct mcp_external;
struct net;

/* Whole words of the bitmap of an address's ports, whatever the word is. */
#define MCP_BLOCK_MIN		64
#define MCP_BLOCK_MAX		4096

/**
 * struct mcp_block - ports that one client has or may have
 * @node:	in mcp_client.blocks; while no port is left, in no list
 * @ext:	the address
 * @first:	first port, counted from that of the address
 * @ports:	how many; the last block of an address may have fewer than others
 * @used:	ports in use; at least one
 *
 * All under mcp_pool.lock.
 */
struct mcp_block {
	struct hlist_node node;
	struct mcp_external *ext;
	u32 first;
	u32 ports;
	u32 used;
};

bool mcp_block_size_valid(u32 ports);
int mcp_block_take(struct net *net, struct mcp_client *client,
		   struct mcp_external *ext, struct mcp_block **block,
		   __be16 *port);
bool mcp_block_give(struct mcp_client *client, struct mcp_block *block);
void mcp_block_free(struct mcp_block *block);

#endif /* MCP_BLOCK_H */
