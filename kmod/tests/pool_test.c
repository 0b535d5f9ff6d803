// SPDX-License-Identifier: GPL-2.0
/* KUnit: external addresses and ports, and who has which. */
#include <kunit/test.h>
#include <linux/ktime.h>

#include "net.h"
#include "pool.h"
#include "suites.h"

struct mcp_pool_test {
	struct mcp_net mnet;
	struct mcp_client clients[3];
	struct mcp_mapping **maps;
};

/* 192.0.2.1, 192.0.2.2, ...; ports from 1000 on. */
static struct mcp_endpoint mcp_test_client(u32 host, u16 port)
{
	struct mcp_endpoint ep = { .family = AF_INET };

	ep.addr.ip = htonl(0xc0000200 + host);
	ep.port = htons(port);
	return ep;
}

/* 198.51.100.0/24 and its addresses. */
static struct mcp_endpoint mcp_test_external(u8 host)
{
	struct mcp_endpoint ep = { .family = AF_INET };

	ep.addr.ip = htonl(0xc6336400 + host);
	return ep;
}

static int mcp_pool_test_init(struct kunit *test)
{
	struct mcp_pool_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->mnet.net = &init_net;
	t->mnet.settings = mcp_settings_default;
	t->mnet.settings.max_ports_client = 1 << 20;
	test->priv = t;
	return mcp_pool_init(&t->mnet.pool);
}

static void mcp_pool_test_exit(struct kunit *test)
{
	struct mcp_pool_test *t = test->priv;

	if (t)
		mcp_pool_exit(&t->mnet.pool);
}

static struct mcp_mapping *mcp_test_map(struct mcp_pool_test *t, int client,
					u16 port, bool apart,
					enum mcp_stat *reason)
{
	struct mcp_endpoint from = mcp_test_client(client, port), addr;
	struct mcp_client *c = &t->clients[client];

	if (!mcp_pool_choose(&t->mnet.pool, c, &from, AF_INET, &addr))
		addr = mcp_test_external(200);	/* as if it were the host's */
	return mcp_pool_map(&t->mnet, c, &from, &addr, apart, reason);
}

static void mcp_pool_endpoint_independent(struct kunit *test)
{
	struct mcp_pool_test *t = test->priv;
	struct mcp_mapping *a, *again, *other, *apart;
	enum mcp_stat reason;

	a = mcp_test_map(t, 1, 1000, false, &reason);
	again = mcp_test_map(t, 1, 1000, false, &reason);
	other = mcp_test_map(t, 1, 1001, false, &reason);
	apart = mcp_test_map(t, 1, 1000, true, &reason);
	KUNIT_ASSERT_TRUE(test, a && again && other && apart);
	KUNIT_EXPECT_PTR_EQ(test, a, again);
	KUNIT_EXPECT_NE(test, a->external.port, other->external.port);
	KUNIT_EXPECT_NE(test, a->external.port, apart->external.port);
	KUNIT_EXPECT_GE(test, ntohs(a->external.port), MCP_POOL_FIRST_PORT);
	KUNIT_EXPECT_EQ(test, t->clients[1].ports, 3);

	/* It is kept to the end of its last session. */
	mcp_pool_unmap(&t->mnet, again);
	KUNIT_EXPECT_PTR_EQ(test, a, mcp_test_map(t, 1, 1000, false, &reason));
	mcp_pool_unmap(&t->mnet, a);
	mcp_pool_unmap(&t->mnet, a);
	mcp_pool_unmap(&t->mnet, other);
	mcp_pool_unmap(&t->mnet, apart);
	KUNIT_EXPECT_EQ(test, t->clients[1].ports, 0);
}

static void mcp_pool_exhausted(struct kunit *test)
{
	struct mcp_endpoint prefix = mcp_test_external(1);
	struct mcp_pool_test *t = test->priv;
	struct mcp_mapping *map[5];
	enum mcp_stat reason;
	u16 ports = 0;
	int i;

	KUNIT_ASSERT_EQ(test, mcp_pool_add(&t->mnet.pool, &prefix, 32, 5000,
					   5003), 0);
	for (i = 0; i < 4; i++) {
		map[i] = mcp_test_map(t, i % 3, 1000 + i, false, &reason);
		KUNIT_ASSERT_NOT_NULL(test, map[i]);
		ports |= 1 << (ntohs(map[i]->external.port) - 5000);
	}
	KUNIT_EXPECT_EQ(test, ports, 0xf);
	KUNIT_EXPECT_NULL(test, mcp_test_map(t, 2, 1004, false, &reason));
	KUNIT_EXPECT_EQ(test, reason, MCP_STAT_REFUSED_PORTS);
	mcp_pool_unmap(&t->mnet, map[2]);
	map[2] = mcp_test_map(t, 2, 1004, false, &reason);
	KUNIT_EXPECT_NOT_NULL(test, map[2]);
	for (i = 0; i < 4; i++)
		mcp_pool_unmap(&t->mnet, map[i]);
}

static void mcp_pool_crowded_by_half_open(struct kunit *test)
{
	struct mcp_endpoint addr = mcp_test_external(1);
	struct mcp_pool_test *t = test->priv;
	struct mcp_pool *pool = &t->mnet.pool;
	struct mcp_mapping *map[32];
	enum mcp_stat reason;
	int i;

	KUNIT_ASSERT_EQ(test, mcp_pool_add(pool, &addr, 32, 5000, 5031), 0);
	KUNIT_EXPECT_FALSE(test, mcp_pool_crowded(pool, &addr, false));
	/* 30 of 32 ports leave a sixteenth. */
	for (i = 0; i < 32; i++) {
		map[i] = mcp_test_map(t, i % 3, 1000 + i, false, &reason);
		KUNIT_ASSERT_NOT_NULL(test, map[i]);
		KUNIT_EXPECT_EQ(test, mcp_pool_crowded(pool, &addr, true), i >= 29);
	}
	/* Where bound sessions have the ports, nobody crowds but for the last one. */
	for (i = 0; i < 28; i++)
		mcp_pool_bound(&t->mnet, map[i]);
	mcp_pool_bound(&t->mnet, map[0]);
	KUNIT_EXPECT_TRUE(test, mcp_pool_crowded(pool, &addr, true));
	mcp_pool_unmap(&t->mnet, map[31]);
	KUNIT_EXPECT_FALSE(test, mcp_pool_crowded(pool, &addr, false));
	map[31] = mcp_test_map(t, 1, 1031, false, &reason);
	for (i = 28; i < 32; i++) {
		KUNIT_EXPECT_TRUE(test, mcp_pool_crowded(pool, &addr, false));
		KUNIT_EXPECT_EQ(test, mcp_pool_crowded(pool, &addr, true), i < 31);
		mcp_pool_bound(&t->mnet, map[i]);
	}
	KUNIT_EXPECT_FALSE(test, mcp_pool_crowded(pool, &addr, false));
	for (i = 0; i < 32; i++)
		mcp_pool_unmap(&t->mnet, map[i]);
}

static void mcp_pool_limit_of_a_client(struct kunit *test)
{
	struct mcp_pool_test *t = test->priv;
	struct mcp_mapping *one, *two, *other;
	enum mcp_stat reason;

	t->mnet.settings.max_ports_client = 2;
	one = mcp_test_map(t, 1, 1000, false, &reason);
	two = mcp_test_map(t, 1, 1001, false, &reason);
	KUNIT_EXPECT_NULL(test, mcp_test_map(t, 1, 1002, false, &reason));
	KUNIT_EXPECT_EQ(test, reason, MCP_STAT_REFUSED_PORTS_CLIENT);
	other = mcp_test_map(t, 2, 1000, false, &reason);
	KUNIT_ASSERT_TRUE(test, one && two && other);
	mcp_pool_unmap(&t->mnet, one);
	one = mcp_test_map(t, 1, 1002, false, &reason);
	KUNIT_ASSERT_NOT_NULL(test, one);
	mcp_pool_unmap(&t->mnet, one);
	mcp_pool_unmap(&t->mnet, two);
	mcp_pool_unmap(&t->mnet, other);
}

/* Clients of a prefix one by one, and a client keeps what it has. */
static void mcp_pool_paired(struct kunit *test)
{
	struct mcp_endpoint prefix = mcp_test_external(0);
	struct mcp_endpoint second = mcp_test_external(0);
	struct mcp_pool_test *t = test->priv;
	struct mcp_mapping *a, *b;
	enum mcp_stat reason;

	second.addr.octets[2]++;
	KUNIT_ASSERT_EQ(test, mcp_pool_add(&t->mnet.pool, &prefix, 24, 1024,
					   65535), 0);
	a = mcp_test_map(t, 2, 1000, false, &reason);
	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_EXPECT_EQ(test, a->external.addr.octets[3], 2);

	/* With other addresses it would now be another one. */
	KUNIT_ASSERT_EQ(test, mcp_pool_del(&t->mnet.pool, &prefix, 24), 0);
	KUNIT_ASSERT_EQ(test, mcp_pool_add(&t->mnet.pool, &second, 24, 1024,
					   65535), 0);
	b = mcp_test_map(t, 2, 1001, false, &reason);
	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_EXPECT_EQ(test, b->external.addr.ip, a->external.addr.ip);
	mcp_pool_unmap(&t->mnet, a);
	mcp_pool_unmap(&t->mnet, b);
	a = mcp_test_map(t, 2, 1000, false, &reason);
	KUNIT_ASSERT_NOT_NULL(test, a);
	KUNIT_EXPECT_EQ(test, a->external.addr.octets[2], second.addr.octets[2]);
	mcp_pool_unmap(&t->mnet, a);
}

/* Who chose an address before the pool changed may still come with it. */
static void mcp_pool_two_addresses(struct kunit *test)
{
	struct mcp_endpoint prefix = mcp_test_external(0);
	struct mcp_endpoint x = mcp_test_external(1), y = mcp_test_external(2);
	struct mcp_pool_test *t = test->priv;
	struct mcp_client *c = &t->clients[1];
	struct mcp_endpoint from = mcp_test_client(1, 1000);
	struct mcp_endpoint other = mcp_test_client(1, 1001), addr;
	struct mcp_mapping *a, *b, *same;
	enum mcp_stat reason;

	KUNIT_ASSERT_EQ(test, mcp_pool_add(&t->mnet.pool, &prefix, 24, 1024,
					   65535), 0);
	a = mcp_pool_map(&t->mnet, c, &from, &y, false, &reason);
	b = mcp_pool_map(&t->mnet, c, &other, &x, false, &reason);
	KUNIT_ASSERT_TRUE(test, a && b);
	/* One that has its mapping already leaves nothing of the address. */
	same = mcp_pool_map(&t->mnet, c, &from, &prefix, false, &reason);
	KUNIT_EXPECT_PTR_EQ(test, a, same);
	mcp_pool_unmap(&t->mnet, same);

	mcp_pool_unmap(&t->mnet, b);
	KUNIT_EXPECT_TRUE(test, mcp_pool_choose(&t->mnet.pool, c, &from,
						AF_INET, &addr));
	KUNIT_EXPECT_EQ(test, addr.addr.ip, y.addr.ip);
	mcp_pool_unmap(&t->mnet, a);
	KUNIT_EXPECT_NULL(test, c->external[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->mnet.pool.externals.nelems), 0);
}

static void mcp_pool_ranges(struct kunit *test)
{
	struct mcp_endpoint prefix = mcp_test_external(0);
	struct mcp_endpoint inside = mcp_test_external(7);
	struct mcp_pool_test *t = test->priv;
	struct mcp_pool *pool = &t->mnet.pool;

	KUNIT_EXPECT_EQ(test, mcp_pool_add(pool, &inside, 32, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, mcp_pool_add(pool, &inside, 32, 3, 4), -EEXIST);
	KUNIT_EXPECT_EQ(test, mcp_pool_add(pool, &prefix, 24, 1, 2), -EEXIST);
	KUNIT_EXPECT_EQ(test, mcp_pool_del(pool, &prefix, 24), -ENOENT);
	KUNIT_EXPECT_EQ(test, mcp_pool_del(pool, &inside, 32), 0);
	KUNIT_EXPECT_EQ(test, mcp_pool_add(pool, &prefix, 24, 1, 2), 0);
	KUNIT_EXPECT_EQ(test, mcp_pool_add(pool, &inside, 32, 1, 2), -EEXIST);
}

/* Every port is given out once, and the last one costs what the first did. */
static void mcp_pool_constant_cost(struct kunit *test)
{
	struct mcp_endpoint prefix = mcp_test_external(1);
	struct mcp_pool_test *t = test->priv;
	const int ports = 60000, sample = 500;
	u64 begun, first = 0, last = 0;
	enum mcp_stat reason;
	int i;

	t->maps = kvcalloc(ports, sizeof(*t->maps), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->maps);
	KUNIT_ASSERT_EQ(test, mcp_pool_add(&t->mnet.pool, &prefix, 32, 5001,
					   5000 + ports), 0);
	for (i = 0; i < ports; i++) {
		begun = ktime_get_ns();
		t->maps[i] = mcp_test_map(t, 1, i, false, &reason);
		if (i < sample)
			first += ktime_get_ns() - begun;
		else if (i >= ports - sample)
			last += ktime_get_ns() - begun;
		if (!t->maps[i])
			break;
	}
	KUNIT_EXPECT_EQ(test, i, ports);
	KUNIT_EXPECT_NULL(test, mcp_test_map(t, 1, ports, false, &reason));
	kunit_info(test, "%d mappings: %llu ns each, the last ones %llu ns\n",
		   sample, first / sample, last / sample);
	KUNIT_EXPECT_LT(test, last, 5 * first);
	while (i--)
		mcp_pool_unmap(&t->mnet, t->maps[i]);
	kvfree(t->maps);
}

static struct kunit_case mcp_pool_cases[] = {
	KUNIT_CASE(mcp_pool_endpoint_independent),
	KUNIT_CASE(mcp_pool_exhausted),
	KUNIT_CASE(mcp_pool_crowded_by_half_open),
	KUNIT_CASE(mcp_pool_limit_of_a_client),
	KUNIT_CASE(mcp_pool_paired),
	KUNIT_CASE(mcp_pool_two_addresses),
	KUNIT_CASE(mcp_pool_ranges),
	KUNIT_CASE(mcp_pool_constant_cost),
	{}
};

struct kunit_suite mcp_pool_suite = {
	.name = "mcp_pool",
	.init = mcp_pool_test_init,
	.exit = mcp_pool_test_exit,
	.test_cases = mcp_pool_cases,
};
