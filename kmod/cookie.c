// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/random.h>

#include "cookie.h"

/**
 * mcp_cookies_init() - be ready to give out cookies
 * @cookies: the keys; there are none until the first is needed
 *
 * Context: process.
 */
void mcp_cookies_init(struct mcp_cookies *cookies)
{
	spin_lock_init(&cookies->lock);
	cookies->born = 0;
}

/*
 * Rotates when the key in use is older than its lifetime. A cookie is thus
 * accepted for one to two lifetimes, unless nobody asked for longer than that:
 * then both keys are new.
 */
static void mcp_cookies_refresh(struct mcp_cookies *cookies, u32 lifetime_s)
{
	u64 now = get_jiffies_64();
	u64 life = (u64)lifetime_s * HZ;

	if (cookies->born && now - cookies->born < life)
		return;
	if (!cookies->born || now - cookies->born >= 2 * life)
		get_random_bytes(&cookies->key[1], sizeof(cookies->key[1]));
	else
		cookies->key[1] = cookies->key[0];
	get_random_bytes(&cookies->key[0], sizeof(cookies->key[0]));
	cookies->born = now;
}

/* A cookie as a number: comparing two takes the same time whatever they are. */
static u64 mcp_cookie_hash(const siphash_key_t *key,
			   const struct mcp_endpoint *client)
{
	struct mcp_endpoint addr = *client;

	addr.port = 0;
	return siphash(&addr, sizeof(addr), key);
}

/**
 * mcp_cookie_make() - the cookie a client is to send
 * @cookies: the namespace's keys
 * @lifetime_s: how long a key is used, in seconds
 * @client: the client; its port does not count
 * @out: where the cookie goes
 *
 * Context: any but hard interrupt.
 */
void mcp_cookie_make(struct mcp_cookies *cookies, u32 lifetime_s,
		     const struct mcp_endpoint *client, u8 out[MCP_COOKIE_LEN])
{
	u64 cookie;

	BUILD_BUG_ON(sizeof(cookie) != MCP_COOKIE_LEN);
	spin_lock_bh(&cookies->lock);
	mcp_cookies_refresh(cookies, lifetime_s);
	cookie = mcp_cookie_hash(&cookies->key[0], client);
	spin_unlock_bh(&cookies->lock);
	memcpy(out, &cookie, sizeof(cookie));
}

/**
 * mcp_cookie_check() - is this the cookie of that client?
 * @cookies: the namespace's keys
 * @lifetime_s: how long a key is used, in seconds
 * @client: the client; its port does not count
 * @cookie: what it sent
 * @len: octets of it
 *
 * Context: any but hard interrupt.
 * Return: true if it was made with the key in use or the one before.
 */
bool mcp_cookie_check(struct mcp_cookies *cookies, u32 lifetime_s,
		      const struct mcp_endpoint *client,
		      const u8 *cookie, size_t len)
{
	u64 got, want[2];
	int i;

	if (len != MCP_COOKIE_LEN)
		return false;
	memcpy(&got, cookie, sizeof(got));
	spin_lock_bh(&cookies->lock);
	mcp_cookies_refresh(cookies, lifetime_s);
	for (i = 0; i < 2; i++)
		want[i] = mcp_cookie_hash(&cookies->key[i], client);
	spin_unlock_bh(&cookies->lock);

	return got == want[0] || got == want[1];
}
