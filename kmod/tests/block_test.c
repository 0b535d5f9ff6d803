// SPDX-License-Identifier: GPL-2.0
/* KUnit: ports in blocks. */
#include <kunit/test.h>
#include <linux/ktime.h>
#include <linux/slab.h>

#include "block.h"
#include "net.h"
#include "pool.h"
#include "suites.h"

#define MCP_TEST_BLOCK		64
#define MCP_TEST_FIRST		5001

struct mcp_block_test {
	struct mcp_net mnet;
	struct mcp_client clients[1100];
	struct mcp_mapping *maps[1100];
};

static int mcp_block_test_init(struct kunit *test)
{
	struct mcp_block_test *t = kvzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->mnet.net = &init_net;
	t->mnet.settings = mcp_settings_default;
	t->mnet.settings.max_ports_client = 1 << 20;
	t->mnet.settings.port_block = MCP_TEST_BLOCK;
	test->priv = t;
	return mcp_pool_init(&t->mnet.pool);
}

static void mcp_block_test_exit(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;

	if (t)
		mcp_pool_exit(&t->mnet.pool);
	kvfree(t);
}

/* 198.51.100.1 */
static const struct mcp_endpoint mcp_test_address = {
	.family = AF_INET,
	.addr.octets = { 198, 51, 100, 1 },
};

/* The pool is one address with so many ports, from MCP_TEST_FIRST on. */
static void mcp_test_pool(struct kunit *test, u32 ports)
{
	struct mcp_block_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, mcp_pool_add(&t->mnet.pool, &mcp_test_address, 32,
					   MCP_TEST_FIRST,
					   MCP_TEST_FIRST + ports - 1), 0);
}

/* The port that the client @who gets for one of its endpoints. */
static struct mcp_mapping *mcp_test_take(struct mcp_block_test *t, int who,
					 u16 port)
{
	struct mcp_endpoint from = { .family = AF_INET, .port = htons(port) };
	enum mcp_stat reason;

	from.addr.ip = htonl(0xc0000200 + who);
	return mcp_pool_map(&t->mnet, &t->clients[who], &from,
			    &mcp_test_address, false, &reason);
}

static void mcp_test_give(struct mcp_block_test *t, struct mcp_mapping *map)
{
	mcp_pool_unmap(&t->mnet, map);
}

/* Which of the address's ports it is. */
static u32 mcp_test_index(const struct mcp_mapping *map)
{
	return ntohs(map->external.port) - MCP_TEST_FIRST;
}

static u32 mcp_test_block(const struct mcp_mapping *map)
{
	return mcp_test_index(map) / MCP_TEST_BLOCK;
}

static void mcp_block_sizes(struct kunit *test)
{
	static const u32 good[] = { 0, 64, 128, 256, 512, 1024, 2048, 4096 };
	static const u32 bad[] = { 1, 2, 32, 63, 65, 96, 192, 4095, 8192, ~0U };
	int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		KUNIT_EXPECT_TRUE(test, mcp_block_size_valid(good[i]));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_FALSE(test, mcp_block_size_valid(bad[i]));
}

/*
 * A client's ports are those of one block, in no order, until it is full; then
 * of another one.
 */
static void mcp_block_one_by_one(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;
	DECLARE_BITMAP(seen, 10 * MCP_TEST_BLOCK) = { };
	u32 first, second, in_order = 0;
	int i;

	mcp_test_pool(test, 10 * MCP_TEST_BLOCK);
	for (i = 0; i < 2 * MCP_TEST_BLOCK; i++) {
		t->maps[i] = mcp_test_take(t, 1, 1000 + i);
		KUNIT_ASSERT_NOT_NULL(test, t->maps[i]);
		KUNIT_EXPECT_FALSE(test, test_bit(mcp_test_index(t->maps[i]), seen));
		__set_bit(mcp_test_index(t->maps[i]), seen);
		if (i && mcp_test_index(t->maps[i]) ==
		    mcp_test_index(t->maps[i - 1]) + 1)
			in_order++;
	}
	KUNIT_EXPECT_LT(test, in_order, MCP_TEST_BLOCK);
	first = mcp_test_block(t->maps[0]);
	second = mcp_test_block(t->maps[MCP_TEST_BLOCK]);
	KUNIT_EXPECT_NE(test, first, second);
	for (i = 0; i < MCP_TEST_BLOCK; i++) {
		KUNIT_EXPECT_EQ(test, mcp_test_block(t->maps[i]), first);
		KUNIT_EXPECT_EQ(test, mcp_test_block(t->maps[MCP_TEST_BLOCK + i]),
				second);
	}
	/* What it gives back it gets again, before a third one. */
	mcp_test_give(t, t->maps[3]);
	t->maps[3] = mcp_test_take(t, 1, 5000);
	KUNIT_ASSERT_NOT_NULL(test, t->maps[3]);
	KUNIT_EXPECT_EQ(test, mcp_test_block(t->maps[3]), first);
	for (i = 0; i < 2 * MCP_TEST_BLOCK; i++)
		mcp_test_give(t, t->maps[i]);
	KUNIT_EXPECT_TRUE(test, hlist_empty(&t->clients[1].blocks[0]));
}

/* No block has ports of two clients; one is free with its last port. */
static void mcp_block_of_one_client(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;
	struct mcp_mapping *a, *b, *more, *other;
	struct mcp_external *ext;
	u32 block;

	mcp_test_pool(test, 2 * MCP_TEST_BLOCK);
	a = mcp_test_take(t, 1, 1000);
	more = mcp_test_take(t, 1, 1001);
	b = mcp_test_take(t, 2, 1000);
	KUNIT_ASSERT_TRUE(test, a && more && b);
	ext = a->ext;
	block = mcp_test_block(a);
	KUNIT_EXPECT_PTR_EQ(test, a->block, more->block);
	KUNIT_EXPECT_NE(test, block, mcp_test_block(b));
	KUNIT_EXPECT_EQ(test, bitmap_weight(ext->blocks, 2), 2);

	KUNIT_EXPECT_NULL(test, mcp_test_take(t, 3, 1000));
	mcp_test_give(t, a);
	KUNIT_EXPECT_NULL(test, mcp_test_take(t, 3, 1000));
	mcp_test_give(t, more);
	KUNIT_EXPECT_EQ(test, bitmap_weight(ext->blocks, 2), 1);
	other = mcp_test_take(t, 3, 1000);
	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_EXPECT_EQ(test, mcp_test_block(other), block);
	mcp_test_give(t, other);
	mcp_test_give(t, b);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->mnet.pool.externals.nelems), 0);
}

/* With no block left, those who have one go on, and others are refused. */
static void mcp_block_exhausted(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;
	enum mcp_stat reason = MCP_STAT_REFUSED_NO_MEMORY;
	struct mcp_endpoint from = { .family = AF_INET };
	int i;

	mcp_test_pool(test, 3 * MCP_TEST_BLOCK);
	for (i = 0; i < 3; i++)
		t->maps[i] = mcp_test_take(t, i, 1000);
	KUNIT_EXPECT_NULL(test, mcp_pool_map(&t->mnet, &t->clients[3], &from,
					     &mcp_test_address, false, &reason));
	KUNIT_EXPECT_EQ(test, reason, MCP_STAT_REFUSED_PORTS);
	for (; i < 3 + MCP_TEST_BLOCK - 1; i++) {
		t->maps[i] = mcp_test_take(t, 0, 2000 + i);
		KUNIT_EXPECT_NOT_NULL(test, t->maps[i]);
	}
	KUNIT_EXPECT_NULL(test, mcp_test_take(t, 0, 999));
	KUNIT_EXPECT_EQ(test, t->clients[0].ports, MCP_TEST_BLOCK);
	while (i--)
		mcp_test_give(t, t->maps[i]);
}

/* The last block has the ports that are left, and no more. */
static void mcp_block_last_is_smaller(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;
	const int ports = 2 * MCP_TEST_BLOCK + 5;
	u32 top = 0, last = 0;
	int i;

	mcp_test_pool(test, ports);
	for (i = 0; i < ports; i++) {
		t->maps[i] = mcp_test_take(t, 1, 1000 + i);
		KUNIT_ASSERT_NOT_NULL(test, t->maps[i]);
		top = max(top, mcp_test_index(t->maps[i]));
		if (mcp_test_block(t->maps[i]) == 2) {
			last++;
			KUNIT_EXPECT_EQ(test, t->maps[i]->block->ports, 5);
		}
	}
	KUNIT_EXPECT_EQ(test, top, ports - 1);
	KUNIT_EXPECT_EQ(test, last, 5);
	KUNIT_EXPECT_NULL(test, mcp_test_take(t, 1, 999));
	while (i--)
		mcp_test_give(t, t->maps[i]);
}

/* Clients get blocks from all over the address. */
static void mcp_block_at_random(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;
	u32 in_order = 0;
	int i;

	mcp_test_pool(test, 200 * MCP_TEST_BLOCK);
	for (i = 0; i < 100; i++) {
		t->maps[i] = mcp_test_take(t, i, 1000);
		KUNIT_ASSERT_NOT_NULL(test, t->maps[i]);
		if (i && mcp_test_block(t->maps[i]) ==
		    mcp_test_block(t->maps[i - 1]) + 1)
			in_order++;
	}
	KUNIT_EXPECT_LT(test, in_order, 30);
	while (i--)
		mcp_test_give(t, t->maps[i]);
}

/* An address keeps the size of its blocks until it is not in use. */
static void mcp_block_changed(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;
	struct mcp_mapping *a, *b;

	mcp_test_pool(test, 4 * MCP_TEST_BLOCK);
	a = mcp_test_take(t, 1, 1000);
	KUNIT_ASSERT_NOT_NULL(test, a);
	t->mnet.settings.port_block = 2 * MCP_TEST_BLOCK;
	b = mcp_test_take(t, 2, 1000);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, b->block->ports, MCP_TEST_BLOCK);
	mcp_test_give(t, a);
	mcp_test_give(t, b);
	b = mcp_test_take(t, 2, 1000);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, b->block->ports, 2 * MCP_TEST_BLOCK);
	t->mnet.settings.port_block = 0;
	mcp_test_give(t, b);
	b = mcp_test_take(t, 2, 1000);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_NULL(test, b->block);
	mcp_test_give(t, b);
}

/*
 * The last block costs what the first did, and so does one more port of a
 * client that has many blocks.
 */
static void mcp_block_constant_cost(struct kunit *test)
{
	struct mcp_block_test *t = test->priv;
	const int ports = 900 * MCP_TEST_BLOCK, sample = 300;
	u64 begun, took, first = 0, last = 0;
	struct mcp_mapping **maps;
	int i, j;

	mcp_test_pool(test, ports);
	for (i = 0; i < 900; i++) {
		begun = ktime_get_ns();
		t->maps[i] = mcp_test_take(t, i, 1000);
		took = ktime_get_ns() - begun;
		if (i < sample)
			first += took;
		else if (i >= 900 - sample)
			last += took;
		KUNIT_ASSERT_NOT_NULL(test, t->maps[i]);
	}
	kunit_info(test, "a block: %llu ns, the last ones %llu ns\n",
		   first / sample, last / sample);
	KUNIT_EXPECT_LT(test, last, 5 * first);
	while (i--)
		mcp_test_give(t, t->maps[i]);

	maps = kvcalloc(ports, sizeof(*maps), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, maps);
	first = 0;
	last = 0;
	for (i = 0; i < ports; i++) {
		begun = ktime_get_ns();
		maps[i] = mcp_test_take(t, 1, i);
		took = ktime_get_ns() - begun;
		if (i < sample)
			first += took;
		else if (i >= ports - sample)
			last += took;
		if (!maps[i])
			break;
	}
	KUNIT_EXPECT_EQ(test, i, ports);
	kunit_info(test, "a port of %d: %llu ns, the last ones %llu ns\n", ports,
		   first / sample, last / sample);
	KUNIT_EXPECT_LT(test, last, 5 * first);
	/* In another order than that in which they were taken. */
	for (j = 0; j < 7; j++)
		for (i = j; i < ports; i += 7)
			if (maps[i])
				mcp_test_give(t, maps[i]);
	kvfree(maps);
	KUNIT_EXPECT_EQ(test, t->clients[1].ports, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->mnet.pool.externals.nelems), 0);
}

static struct kunit_case mcp_block_cases[] = {
	KUNIT_CASE(mcp_block_sizes),
	KUNIT_CASE(mcp_block_one_by_one),
	KUNIT_CASE(mcp_block_of_one_client),
	KUNIT_CASE(mcp_block_exhausted),
	KUNIT_CASE(mcp_block_last_is_smaller),
	KUNIT_CASE(mcp_block_at_random),
	KUNIT_CASE(mcp_block_changed),
	KUNIT_CASE(mcp_block_constant_cost),
	{}
};

struct kunit_suite mcp_block_suite = {
	.name = "mcp_block",
	.init = mcp_block_test_init,
	.exit = mcp_block_test_exit,
	.test_cases = mcp_block_cases,
};
