/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Address mode "preserve" (nam section 5.4): servers see the client's own address
 * and port, or those of the originator that its request names. Such an address is
 * not the MCP's: of the packets to it, those of its sessions are taken, and all
 * others go on to whom they are for.
 */
#ifndef MCP_PRESERVE_H
#define MCP_PRESERVE_H

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/types.h>

#include "downstream.h"

struct mcp_acl;
struct mcp_endpoint;
struct mcp_net;
struct mcp_request;
struct mcp_session;
struct mcp_tuple;
struct sk_buff;

/**
 * struct mcp_preserve - sessions of one namespace with such an address
 * @sessions:	how many there are
 * @until:	jiffies; the last one that ended may have left a TIME_WAIT up to
 *		then; 0: none has ended yet
 */
struct mcp_preserve {
	atomic_t sessions;
	unsigned long until;
};

/**
 * mcp_preserve_busy() - could a packet be for such a session?
 * @preserve: the namespace's
 *
 * Others pay no more than this.
 *
 * Context: any.
 */
static inline bool mcp_preserve_busy(const struct mcp_preserve *preserve)
{
	unsigned long until;

	/* Paired with the end of the last one: its @until is seen then. */
	if (atomic_read_acquire(&preserve->sessions))
		return true;
	until = READ_ONCE(preserve->until);
	return until && time_before(jiffies, until);
}

bool mcp_preserve_vet(struct mcp_net *mnet, const struct mcp_acl *acl,
		      const struct mcp_endpoint *client,
		      struct mcp_request *req);
bool mcp_preserve_source(struct mcp_session *s, struct mcp_endpoint *source);
enum mcp_outcome mcp_preserve_open(struct mcp_session *s,
				   const struct mcp_endpoint *source);
void mcp_preserve_close(struct mcp_session *s);
bool mcp_preserve_has(struct mcp_net *mnet, const struct mcp_tuple *tuple);

#endif /* MCP_PRESERVE_H */
