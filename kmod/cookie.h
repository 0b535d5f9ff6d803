/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The cookie of RFC 8803 section 4.2.6: a keyed hash of the client's address,
 * so that none has to be stored.
 */
#ifndef MCP_COOKIE_H
#define MCP_COOKIE_H

#include <linux/siphash.h>
#include <linux/spinlock.h>

#include "convert.h"

/**
 * struct mcp_cookies - the keys of one namespace
 * @lock:	guards the rest; taken with BH off
 * @key:	the key in use and the one before it
 * @born:	jiffies (64 bits) when @key[0] was made, 0 before first use
 */
struct mcp_cookies {
	spinlock_t lock;		/* see above */
	siphash_key_t key[2];
	u64 born;
};

void mcp_cookies_init(struct mcp_cookies *cookies);
void mcp_cookie_make(struct mcp_cookies *cookies, u32 lifetime_s,
		     const struct mcp_endpoint *client, u8 out[MCP_COOKIE_LEN]);
bool mcp_cookie_check(struct mcp_cookies *cookies, u32 lifetime_s,
		      const struct mcp_endpoint *client,
		      const u8 *cookie, size_t len);

#endif /* MCP_COOKIE_H */
