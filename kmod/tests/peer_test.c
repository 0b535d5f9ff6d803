// SPDX-License-Identifier: GPL-2.0
/* KUnit: peers, which of them is asked, and what is remembered of it. */
#include <kunit/test.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>

#include "net.h"
#include "peer.h"
#include "suites.h"

static int mcp_peer_test_init(struct kunit *test)
{
	struct mcp_net *mnet = kunit_kzalloc(test, sizeof(*mnet), GFP_KERNEL);

	if (!mnet)
		return -ENOMEM;
	mnet->net = &init_net;
	mnet->settings = mcp_settings_default;
	mnet->stats = alloc_percpu(struct mcp_stats);
	if (!mnet->stats)
		return -ENOMEM;
	mcp_peers_init(&mnet->peers);
	test->priv = mnet;
	return 0;
}

static void mcp_peer_test_exit(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;

	if (!mnet)
		return;
	mcp_peers_flush(&mnet->peers);
	free_percpu(mnet->stats);
}

/* 192.0.2.@host, asked by MP_CONVERT. */
static struct mcp_peer_spec mcp_test_peer(const char *name, u8 host, u32 prio)
{
	struct mcp_peer_spec spec = {
		.addr.family = AF_INET,
		.addr.addr.ip = htonl(0xc0000200 + host),
		.addr.port = htons(5124),
		.codec = MCP_CODEC_MP_CONVERT,
		.prio = prio,
	};

	strscpy(spec.name, name, sizeof(spec.name));
	return spec;
}

static int mcp_test_peer_add(struct mcp_net *mnet, const char *name, u8 host,
			     u32 prio)
{
	const struct mcp_peer_spec spec = mcp_test_peer(name, host, prio);

	return mcp_peer_add(&mnet->peers, &spec);
}

/* The last octet of the address of who is asked next; 0: nobody. */
static u8 mcp_test_pick(struct mcp_net *mnet, const char *name, u64 *tried,
			u16 steered)
{
	struct mcp_peer *peer = mcp_peer_pick(mnet, name, *tried, steered);
	u8 host;

	if (!peer)
		return 0;
	*tried |= BIT_ULL(peer->id);
	host = peer->spec.addr.addr.octets[3];
	mcp_peer_put(peer);
	return host;
}

static struct mcp_peer *mcp_test_first(struct mcp_net *mnet)
{
	return list_first_entry(&mnet->peers.list, struct mcp_peer, list);
}

static void mcp_peer_by_priority(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	u64 tried = 0;

	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 3, 7), 0);
	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 1, 0), 0);
	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "other", 9, 0), 0);
	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 4, 7), 0);
	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 2, 5), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_peer_add(mnet, "net", 2, 1), -EEXIST);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 1);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 2);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 3);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 4);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "nobody", &tried, 0), 0);
	KUNIT_EXPECT_TRUE(test, mcp_peer_usable(mnet, "other", 0));
	KUNIT_EXPECT_FALSE(test, mcp_peer_usable(mnet, "nobody", 0));
}

static void mcp_peer_full(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint any = { };
	int i;

	for (i = 0; i < MCP_MAX_PEERS; i++)
		KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", i + 1, 0), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_peer_add(mnet, "net", 200, 0), -ENOSPC);
	KUNIT_EXPECT_EQ(test, mcp_peer_del(&mnet->peers, "net",
					   &mcp_test_first(mnet)->spec.addr), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_peer_add(mnet, "net", 200, 0), 0);
	KUNIT_EXPECT_EQ(test, mcp_peer_del(&mnet->peers, "other", &any), -ENOENT);
	KUNIT_EXPECT_EQ(test, mcp_peer_del(&mnet->peers, "net", &any), 0);
	KUNIT_EXPECT_EQ(test, mnet->peers.ids, 0ULL);
	KUNIT_EXPECT_FALSE(test, mcp_peer_named(&mnet->peers, "net"));
}

static void mcp_peer_down(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_peer *peer;
	u64 tried = 0;
	u32 left;

	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 1, 0), 0);
	peer = mcp_test_first(mnet);
	KUNIT_EXPECT_EQ(test, mcp_peer_state(peer, &left), MCP_PEER_UNKNOWN);
	mcp_peer_works(peer);
	KUNIT_EXPECT_EQ(test, mcp_peer_state(peer, &left), MCP_PEER_UP);
	mcp_peer_failed(mnet, peer);
	KUNIT_EXPECT_EQ(test, mcp_peer_state(peer, &left), MCP_PEER_DOWN);
	KUNIT_EXPECT_GT(test, left, mnet->settings.peer_retry / 2);
	KUNIT_EXPECT_LE(test, left, mnet->settings.peer_retry);
	KUNIT_EXPECT_FALSE(test, mcp_peer_usable(mnet, "net", 0));
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 0);

	/* Its time has come: one tries it, and as long as that takes no other does. */
	peer->until = jiffies;
	KUNIT_EXPECT_TRUE(test, mcp_peer_usable(mnet, "net", 0));
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 1);
	tried = 0;
	KUNIT_EXPECT_FALSE(test, mcp_peer_usable(mnet, "net", 0));
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 0);
	mcp_peer_works(peer);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, 0), 1);
	KUNIT_EXPECT_EQ(test, mcp_stat_sum(mnet->stats, MCP_STAT_PEER_FAILED), 1ULL);
}

static void mcp_peer_steered(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_peer_spec spec = mcp_test_peer("net", 1, 0);
	u64 tried = 0;

	spec.codec = MCP_CODEC_CONVERT;
	KUNIT_ASSERT_EQ(test, mcp_peer_add(&mnet->peers, &spec), 0);
	KUNIT_EXPECT_TRUE(test, mcp_peer_usable(mnet, "net", 0));
	KUNIT_EXPECT_FALSE(test, mcp_peer_usable(mnet, "net", AF_INET));
	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 2, 1), 0);
	KUNIT_EXPECT_TRUE(test, mcp_peer_usable(mnet, "net", AF_INET));
	KUNIT_EXPECT_FALSE(test, mcp_peer_usable(mnet, "net", AF_INET6));
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, AF_INET), 2);
	KUNIT_EXPECT_EQ(test, mcp_test_pick(mnet, "net", &tried, AF_INET), 0);
	/* Whom only a stream can ask, cannot be asked for what is steered. */
	mcp_peer_lost_payload(mnet, list_last_entry(&mnet->peers.list,
						    struct mcp_peer, list));
	KUNIT_EXPECT_FALSE(test, mcp_peer_usable(mnet, "net", AF_INET));
}

static void mcp_peer_late(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_peer *peer;

	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 1, 0), 0);
	peer = mcp_test_first(mnet);
	KUNIT_EXPECT_FALSE(test, mcp_peer_wants_late(peer));
	mcp_peer_lost_payload(mnet, peer);
	KUNIT_EXPECT_TRUE(test, mcp_peer_wants_late(peer));
	peer->late_until = jiffies;
	KUNIT_EXPECT_FALSE(test, mcp_peer_wants_late(peer));
}

static void mcp_peer_learns_cookie(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	u8 long_one[MCP_PEER_COOKIE_MAX + 1] = { }, cookie[MCP_PEER_COOKIE_MAX];
	struct mcp_peer *peer;

	KUNIT_ASSERT_EQ(test, mcp_test_peer_add(mnet, "net", 1, 0), 0);
	peer = mcp_test_first(mnet);
	KUNIT_EXPECT_EQ(test, mcp_peer_cookie(peer, cookie), 0);
	KUNIT_EXPECT_FALSE(test, mcp_peer_learn_cookie(peer, "", 0));
	KUNIT_EXPECT_FALSE(test, mcp_peer_learn_cookie(peer, long_one,
						       sizeof(long_one)));
	KUNIT_EXPECT_TRUE(test, mcp_peer_learn_cookie(peer, "12345678", 8));
	/* Who demands what it was given would be asked for ever. */
	KUNIT_EXPECT_FALSE(test, mcp_peer_learn_cookie(peer, "12345678", 8));
	KUNIT_EXPECT_TRUE(test, mcp_peer_learn_cookie(peer, "1234", 4));
	KUNIT_EXPECT_EQ(test, mcp_peer_cookie(peer, cookie), 4);
	KUNIT_EXPECT_EQ(test, memcmp(cookie, "1234", 4), 0);
}

static void mcp_peer_by_address(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_peer_spec spec = mcp_test_peer("net", 1, 0);
	struct mcp_endpoint addr = spec.addr;

	KUNIT_ASSERT_EQ(test, mcp_peer_add(&mnet->peers, &spec), 0);
	spec.addr.port = htons(5125);
	KUNIT_ASSERT_EQ(test, mcp_peer_add(&mnet->peers, &spec), 0);
	addr.port = htons(80);
	KUNIT_EXPECT_TRUE(test, mcp_peer_at(mnet, &addr));
	KUNIT_EXPECT_EQ(test, mcp_peer_del(&mnet->peers, "net", &addr), -ENOENT);
	addr.port = htons(5125);
	KUNIT_EXPECT_EQ(test, mcp_peer_del(&mnet->peers, "net", &addr), 0);
	KUNIT_EXPECT_TRUE(test, mcp_peer_at(mnet, &addr));
	addr.port = 0;
	KUNIT_EXPECT_EQ(test, mcp_peer_del(&mnet->peers, "net", &addr), 0);
	KUNIT_EXPECT_FALSE(test, mcp_peer_at(mnet, &addr));
}

static struct kunit_case mcp_peer_cases[] = {
	KUNIT_CASE(mcp_peer_by_priority),
	KUNIT_CASE(mcp_peer_full),
	KUNIT_CASE(mcp_peer_down),
	KUNIT_CASE(mcp_peer_steered),
	KUNIT_CASE(mcp_peer_late),
	KUNIT_CASE(mcp_peer_learns_cookie),
	KUNIT_CASE(mcp_peer_by_address),
	{ }
};

struct kunit_suite mcp_peer_suite = {
	.name = "mptcpproxy-peer",
	.init = mcp_peer_test_init,
	.exit = mcp_peer_test_exit,
	.test_cases = mcp_peer_cases,
};
