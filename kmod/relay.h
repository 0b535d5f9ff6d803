/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The byte pump between the two connections of a session.
 */
#ifndef MCP_RELAY_H
#define MCP_RELAY_H

#include <linux/types.h>
#include <linux/wait.h>

struct mcp_batch;
struct mcp_session;
struct socket;

enum mcp_direction { MCP_UP, MCP_DOWN };	/* client to server, and back */

enum mcp_gone { MCP_GONE_NONE, MCP_GONE_UPSTREAM, MCP_GONE_DOWNSTREAM };

/**
 * struct mcp_flow - one direction
 * @data:	what is said first: early data, or what the MCP says itself
 * @len:	how many octets of it are left
 * @chunk:	what @data points into, if that is to be freed
 * @batch:	octets that were taken from one side and not yet by the other; NULL
 *		while the direction is at rest and there are none
 * @bytes:	octets passed on; what the MCP says itself does not count
 * @own:	octets at the head of @data that the MCP says itself
 * @eof:	the reading side has ended
 * @shut:	the end was passed on
 * @broken:	the reading side has ended in an error
 */
struct mcp_flow {
	u8 *data;
	u32 len;
	u32 own;
	void *chunk;
	struct mcp_batch *batch;
	u64 bytes;
	bool eof;
	bool shut;
	bool broken;
};

/**
 * struct mcp_relay - what a session has once there is a socket, or something to say
 * @flow:	the two directions
 * @up_wait:	wakes the worker for the upstream socket
 * @down_wait:	the same for the downstream one; until there is one, it waits for a
 *		port
 * @reply:	Convert message for the client, to be freed
 * @probed:	jiffies; a probe was sent then
 * @owed:	what the sides had not taken when that was last looked at
 */
struct mcp_relay {
	struct mcp_flow flow[2];
	struct wait_queue_entry up_wait;
	struct wait_queue_entry down_wait;
	u8 *reply;
	unsigned long probed;
	u32 owed;
};

enum mcp_relay_result {
	MCP_RELAY_WAIT,			/* nothing more to do now */
	MCP_RELAY_AGAIN,		/* there is more: call again soon */
	MCP_RELAY_DONE,			/* both ends passed on */
	MCP_RELAY_DRAIN,		/* one side is gone, the other not through */
	MCP_RELAY_UPSTREAM_GONE,	/* reset, or timed out */
	MCP_RELAY_DOWNSTREAM_GONE,
};

int mcp_relay_module_init(void);
void mcp_relay_module_exit(void);
bool mcp_relay_new(struct mcp_session *s);
void mcp_relay_free(struct mcp_session *s);
u64 mcp_relay_octets(const struct mcp_session *s, enum mcp_direction dir);
void mcp_flow_free(struct mcp_flow *flow);
enum mcp_relay_result mcp_relay_run(struct mcp_session *s);
enum mcp_relay_result mcp_relay_last_words(struct mcp_session *s);

#endif /* MCP_RELAY_H */
