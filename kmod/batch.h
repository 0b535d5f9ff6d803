/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Octets on their way from one socket to the other, in pages that are not copied
 * where that can be helped.
 */
#ifndef MCP_BATCH_H
#define MCP_BATCH_H

#include <linux/bvec.h>
#include <linux/types.h>

struct socket;

/* What is read at once, in octets and in pieces. */
#define MCP_BATCH_OCTETS	131072
#define MCP_BATCH_PIECES	60

/**
 * struct mcp_batch - octets that were taken from one side and not yet by the other
 * @len:	how many
 * @goal:	octets that MPTCP sends in full segments at once; 0: not asked since more
 *		was read
 * @held:	octets of the pages that the pieces hold
 * @first:	the piece that they begin in
 * @end:	behind the last one
 * @more:	there was more to read
 * @piece:	where they are; each holds its page
 */
struct mcp_batch {
	u32 len;
	u32 goal;
	size_t held;
	u8 first;
	u8 end;
	bool more;
	struct bio_vec piece[MCP_BATCH_PIECES];
};

struct mcp_batch *mcp_batch_new(void);
void mcp_batch_free(struct mcp_batch *batch);
bool mcp_batch_nothing(const struct socket *from);
int mcp_batch_receive(struct mcp_batch *batch, struct socket *from, u32 max);
int mcp_batch_send(struct mcp_batch *batch, struct socket *to);

#endif /* MCP_BATCH_H */
