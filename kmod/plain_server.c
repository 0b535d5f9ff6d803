// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>

#include "plain_server.h"

/**
 * mcp_plain_init() - no such server is known
 * @plain: where
 *
 * Context: process.
 */
void mcp_plain_init(struct mcp_plain_servers *plain)
{
	spin_lock_init(&plain->lock);
	get_random_bytes(&plain->key, sizeof(plain->key));
	plain->slots = NULL;
}

/**
 * mcp_plain_forget() - forget them all
 * @plain: where; nobody asks any more
 *
 * Context: process.
 */
void mcp_plain_forget(struct mcp_plain_servers *plain)
{
	kvfree(plain->slots);
	plain->slots = NULL;
}

/* Locked. */
static struct mcp_plain_server *
mcp_plain_slot(struct mcp_plain_servers *plain, const struct mcp_endpoint *server)
{
	return plain->slots[siphash(server, sizeof(*server), &plain->key) %
			    MCP_PLAIN_SLOTS];
}

static bool mcp_plain_is(const struct mcp_plain_server *entry,
			 const struct mcp_endpoint *server, unsigned long now)
{
	return mcp_endpoint_equal(&entry->server, server) &&
		time_before(now, entry->until);
}

/**
 * mcp_plain_remember() - a server has answered only without MP_CAPABLE
 * @plain: where
 * @server: its address and port
 * @now: jiffies
 *
 * Without memory for the table nothing is remembered.
 *
 * Context: process.
 */
void mcp_plain_remember(struct mcp_plain_servers *plain,
			const struct mcp_endpoint *server, unsigned long now)
{
	struct mcp_plain_server (*fresh)[MCP_PLAIN_WAYS] = NULL;
	struct mcp_plain_server *slot;
	bool first;

	if (!READ_ONCE(plain->slots)) {
		fresh = kvcalloc(MCP_PLAIN_SLOTS, sizeof(*fresh), GFP_KERNEL);
		if (!fresh)
			return;
	}
	spin_lock_bh(&plain->lock);
	if (!plain->slots)
		swap(plain->slots, fresh);
	slot = mcp_plain_slot(plain, server);
	first = mcp_plain_is(&slot[0], server, now) ||
		(!mcp_plain_is(&slot[1], server, now) &&
		 time_before(slot[0].until, slot[1].until));
	slot += !first;
	slot->server = *server;
	slot->until = now + msecs_to_jiffies(MCP_PLAIN_MS);
	spin_unlock_bh(&plain->lock);
	kvfree(fresh);
}

/**
 * mcp_plain_known() - does this server answer only without MP_CAPABLE?
 * @plain: where
 * @server: its address and port
 * @now: jiffies
 *
 * Context: any but hard interrupt.
 */
bool mcp_plain_known(struct mcp_plain_servers *plain,
		     const struct mcp_endpoint *server, unsigned long now)
{
	const struct mcp_plain_server *slot;
	bool known;

	if (!READ_ONCE(plain->slots))
		return false;
	spin_lock_bh(&plain->lock);
	slot = mcp_plain_slot(plain, server);
	known = mcp_plain_is(&slot[0], server, now) ||
		mcp_plain_is(&slot[1], server, now);
	spin_unlock_bh(&plain->lock);
	return known;
}
