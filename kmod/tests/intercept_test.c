// SPDX-License-Identifier: GPL-2.0
/* KUnit: which connections the rules take off the path. */
#include <kunit/test.h>
#include <linux/netdevice.h>

#include "intercept.h"
#include "net.h"
#include "suites.h"

struct mcp_intercept_test {
	struct mcp_net mnet;
	struct net_device *lan;
	struct net_device *other;
};

static struct net_device *mcp_test_device(struct kunit *test, const char *name)
{
	struct net_device *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);

	if (dev)
		strscpy(dev->name, name, sizeof(dev->name));
	return dev;
}

static int mcp_intercept_test_init(struct kunit *test)
{
	struct mcp_intercept_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->mnet.net = &init_net;
	t->mnet.settings = mcp_settings_default;
	mcp_intercept_init(&t->mnet.intercept);
	t->lan = mcp_test_device(test, "lan0");
	t->other = mcp_test_device(test, "wan0");
	test->priv = t;
	return t->lan && t->other ? mcp_pool_init(&t->mnet.pool) : -ENOMEM;
}

static void mcp_intercept_test_exit(struct kunit *test)
{
	struct mcp_intercept_test *t = test->priv;

	if (!t)
		return;
	mcp_rules_flush(&t->mnet.intercept);
	mcp_pool_exit(&t->mnet.pool);
}

/* 192.0.2.@host */
static struct mcp_endpoint mcp_test_host(u8 host, u16 port)
{
	struct mcp_endpoint ep = { .family = AF_INET, .port = htons(port) };

	ep.addr.ip = htonl(0xc0000200 + host);
	return ep;
}

static struct mcp_rule mcp_test_rule(u8 action, u16 first, u16 last)
{
	struct mcp_rule rule = {
		.action = action, .first = first, .last = last,
	};

	return rule;
}

/* The number of the rule that takes it, from 1 on; 0: none. */
static u32 mcp_test_match(struct mcp_intercept_test *t, u8 from, u8 to, u16 port,
			  const struct net_device *dev)
{
	const struct mcp_endpoint client = mcp_test_host(from, 40000);
	const struct mcp_endpoint server = mcp_test_host(to, port);
	struct mcp_rule *rule, *found;
	u32 number = 0;

	rcu_read_lock();
	found = mcp_intercept_match(&t->mnet, &client, &server, dev);
	rcu_read_unlock();
	if (!found)
		return 0;
	list_for_each_entry(rule, &t->mnet.intercept.rules, list) {
		number++;
		if (rule == found)
			break;
	}
	return number;
}

static void mcp_rules_first_counts(struct kunit *test)
{
	struct mcp_intercept_test *t = test->priv;
	struct mcp_intercept *in = &t->mnet.intercept;
	struct mcp_rule rule = mcp_test_rule(MCP_INTERCEPT_PASS, 22, 22);

	KUNIT_EXPECT_FALSE(test, mcp_intercept_busy(in));
	KUNIT_ASSERT_EQ(test, mcp_rule_add(in, &rule), 0);
	rule = mcp_test_rule(MCP_INTERCEPT_DIRECT, 20, 30);
	KUNIT_ASSERT_EQ(test, mcp_rule_add(in, &rule), 0);
	rule = mcp_test_rule(MCP_INTERCEPT_PEER, 1, U16_MAX);
	KUNIT_ASSERT_EQ(test, mcp_rule_add(in, &rule), 0);
	KUNIT_EXPECT_TRUE(test, mcp_intercept_busy(in));
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 22, t->lan), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 19, t->lan), 3);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 20, t->lan), 2);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 30, t->lan), 2);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 31, t->lan), 3);
	KUNIT_EXPECT_EQ(test, mcp_rule_del(in, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, mcp_rule_del(in, 4), -ENOENT);
	KUNIT_EXPECT_EQ(test, mcp_rule_del(in, 1), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 22, t->lan), 1);
	mcp_rules_flush(in);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 22, t->lan), 0);
	KUNIT_EXPECT_FALSE(test, mcp_intercept_busy(in));
}

static void mcp_rules_prefixes(struct kunit *test)
{
	struct mcp_intercept_test *t = test->priv;
	struct mcp_rule rule = mcp_test_rule(MCP_INTERCEPT_DIRECT, 1, U16_MAX);

	rule.from = mcp_test_host(64, 0);
	rule.from_len = 26;
	rule.to = mcp_test_host(128, 0);
	rule.to_len = 25;
	strscpy(rule.ifname, "lan0", sizeof(rule.ifname));
	KUNIT_ASSERT_EQ(test, mcp_rule_add(&t->mnet.intercept, &rule), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 64, 128, 80, t->lan), 1);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 127, 255, 80, t->lan), 1);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 63, 128, 80, t->lan), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 128, 128, 80, t->lan), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 64, 127, 80, t->lan), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 64, 128, 80, t->other), 0);
}

static void mcp_rules_local(struct kunit *test)
{
	struct mcp_intercept_test *t = test->priv;
	struct mcp_intercept *in = &t->mnet.intercept;
	struct mcp_rule rule = mcp_test_rule(MCP_INTERCEPT_DIRECT, 1, U16_MAX);

	KUNIT_ASSERT_EQ(test, mcp_rule_add(in, &rule), 0);
	KUNIT_EXPECT_EQ(test, in->local, 0U);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 80, init_net.loopback_dev), 0);
	rule.local = true;
	KUNIT_ASSERT_EQ(test, mcp_rule_add(in, &rule), 0);
	KUNIT_EXPECT_EQ(test, in->local, 1U);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 80, init_net.loopback_dev), 2);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 2, 80, t->lan), 1);
	KUNIT_EXPECT_EQ(test, mcp_rule_del(in, 2), 0);
	KUNIT_EXPECT_EQ(test, in->local, 0U);
}

static void mcp_rules_not_what_is_ours(struct kunit *test)
{
	struct mcp_intercept_test *t = test->priv;
	struct mcp_rule rule = mcp_test_rule(MCP_INTERCEPT_DIRECT, 1, U16_MAX);
	struct mcp_endpoint client = mcp_test_host(1, 40000);
	struct mcp_endpoint server = { .family = AF_INET, .port = htons(80) };
	static const u32 never[] = {
		INADDR_LOOPBACK, INADDR_BROADCAST, INADDR_ANY, 0xe0000001,
	};
	struct mcp_endpoint pool = mcp_test_host(128, 0);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, mcp_rule_add(&t->mnet.intercept, &rule), 0);
	for (i = 0; i < ARRAY_SIZE(never); i++) {
		server.addr.ip = htonl(never[i]);
		rcu_read_lock();
		KUNIT_EXPECT_NULL(test, mcp_intercept_match(&t->mnet, &client,
							    &server, t->lan));
		rcu_read_unlock();
	}
	KUNIT_ASSERT_EQ(test, mcp_pool_add(&t->mnet.pool, &pool, 25, 1024, 65535), 0);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 127, 80, t->lan), 1);
	KUNIT_EXPECT_EQ(test, mcp_test_match(t, 1, 129, 80, t->lan), 0);
}

static void mcp_rules_full(struct kunit *test)
{
	struct mcp_intercept_test *t = test->priv;
	struct mcp_intercept *in = &t->mnet.intercept;
	struct mcp_rule rule = mcp_test_rule(MCP_INTERCEPT_DIRECT, 1, U16_MAX);
	int i;

	for (i = 0; i < MCP_MAX_RULES; i++)
		KUNIT_ASSERT_EQ(test, mcp_rule_add(in, &rule), 0);
	KUNIT_EXPECT_EQ(test, mcp_rule_add(in, &rule), -ENOSPC);
	KUNIT_EXPECT_EQ(test, mcp_rule_del(in, MCP_MAX_RULES), 0);
	KUNIT_EXPECT_EQ(test, mcp_rule_add(in, &rule), 0);
}

static struct kunit_case mcp_intercept_cases[] = {
	KUNIT_CASE(mcp_rules_first_counts),
	KUNIT_CASE(mcp_rules_prefixes),
	KUNIT_CASE(mcp_rules_local),
	KUNIT_CASE(mcp_rules_not_what_is_ours),
	KUNIT_CASE(mcp_rules_full),
	{ }
};

struct kunit_suite mcp_intercept_suite = {
	.name = "mptcpproxy-intercept",
	.init = mcp_intercept_test_init,
	.exit = mcp_intercept_test_exit,
	.test_cases = mcp_intercept_cases,
};
