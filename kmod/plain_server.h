/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Servers that answered our SYN only once MP_CAPABLE was left out, as some behind
 * old middleboxes do: they are dialled without for a day, so that nobody waits for
 * them again.
 */
#ifndef MCP_PLAIN_SERVER_H
#define MCP_PLAIN_SERVER_H

#include <linux/siphash.h>
#include <linux/spinlock.h>

#include "endpoint.h"

/* Two to a slot: a newcomer takes the place of the one that ends sooner. */
#define MCP_PLAIN_SLOTS		512
#define MCP_PLAIN_WAYS		2
#define MCP_PLAIN_MS		(24 * 3600 * 1000)

struct mcp_plain_server {
	struct mcp_endpoint server;
	unsigned long until;
};

/**
 * struct mcp_plain_servers - such servers of one namespace
 * @lock:	guards the rest; taken with BH off
 * @key:	spreads servers over @slots
 * @slots:	a fixed table, there from the first such server on
 */
struct mcp_plain_servers {
	spinlock_t lock;		/* see above */
	siphash_key_t key;
	struct mcp_plain_server (*slots)[MCP_PLAIN_WAYS];
};

void mcp_plain_init(struct mcp_plain_servers *plain);
void mcp_plain_forget(struct mcp_plain_servers *plain);
void mcp_plain_remember(struct mcp_plain_servers *plain,
			const struct mcp_endpoint *server, unsigned long now);
bool mcp_plain_known(struct mcp_plain_servers *plain,
		     const struct mcp_endpoint *server, unsigned long now);

#endif /* MCP_PLAIN_SERVER_H */
