// SPDX-License-Identifier: GPL-2.0
/* KUnit: who may use the MCP, how much, and how fast. */
#include <kunit/test.h>
#include <linux/jiffies.h>

#include "net.h"
#include "policy.h"
#include "suites.h"

static struct mcp_endpoint mcp_test_ip4(u8 a, u8 b, u8 c, u8 d)
{
	struct mcp_endpoint ep = { .family = AF_INET };

	ep.addr.octets[0] = a;
	ep.addr.octets[1] = b;
	ep.addr.octets[2] = c;
	ep.addr.octets[3] = d;
	return ep;
}

static struct mcp_endpoint mcp_test_ip6(u8 first, u8 eighth, u8 last)
{
	struct mcp_endpoint ep = { .family = AF_INET6 };

	ep.addr.octets[0] = 0x20;
	ep.addr.octets[1] = first;
	ep.addr.octets[7] = eighth;
	ep.addr.octets[15] = last;
	return ep;
}

static int mcp_policy_test_init(struct kunit *test)
{
	struct mcp_net *mnet = kunit_kzalloc(test, sizeof(*mnet), GFP_KERNEL);

	if (!mnet)
		return -ENOMEM;
	mnet->net = &init_net;
	mnet->settings = mcp_settings_default;
	test->priv = mnet;
	return mcp_policy_init(&mnet->policy);
}

static void mcp_policy_test_exit(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;

	if (mnet)
		mcp_policy_exit(&mnet->policy);
}

static void mcp_bucket_burst_then_rate(struct kunit *test)
{
	struct mcp_bucket bucket = { };
	unsigned long now = jiffies;
	int i;

	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 10, 5, now));
	KUNIT_EXPECT_FALSE(test, mcp_bucket_take(&bucket, 10, 5, now));

	/* Ten a second: half a second has five, but one is gone by then. */
	now += HZ / 10;
	KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 10, 5, now));
	KUNIT_EXPECT_FALSE(test, mcp_bucket_take(&bucket, 10, 5, now));
	now += HZ / 2;
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 10, 5, now));
	KUNIT_EXPECT_FALSE(test, mcp_bucket_take(&bucket, 10, 5, now));

	/* It never holds more than its burst. */
	now += 100UL * HZ;
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 10, 5, now));
	KUNIT_EXPECT_FALSE(test, mcp_bucket_take(&bucket, 10, 5, now));
}

static void mcp_bucket_extremes(struct kunit *test)
{
	struct mcp_bucket bucket = { };
	unsigned long now = jiffies;

	/* Rate 0 is no limit. */
	KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 0, 1, now));
	KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 0, 1, now));
	/* The largest numbers do not overflow into a refusal. */
	memset(&bucket, 0, sizeof(bucket));
	KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, U32_MAX, U32_MAX, now));
	now += 1UL << 40;
	KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, U32_MAX, U32_MAX, now));
	/* One an hour is one an hour. */
	memset(&bucket, 0, sizeof(bucket));
	KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 1, 1, now));
	KUNIT_EXPECT_FALSE(test, mcp_bucket_take(&bucket, 1, 1, now + HZ / 2));
	KUNIT_EXPECT_TRUE(test, mcp_bucket_take(&bucket, 1, 1, now + 2 * HZ));
}

static bool mcp_allowed(struct mcp_policy *policy, struct mcp_endpoint client,
			const char *ifname)
{
	bool found;

	rcu_read_lock();
	found = mcp_acl_match(policy, &client, ifname);
	rcu_read_unlock();
	return found;
}

static void mcp_acl_prefixes(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_policy *policy = &mnet->policy;
	struct mcp_endpoint net = mcp_test_ip4(10, 1, 2, 128);
	struct mcp_endpoint net6 = mcp_test_ip6(1, 0, 0);

	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, mcp_test_ip4(10, 1, 2, 129), "e"));

	KUNIT_EXPECT_EQ(test, mcp_acl_add(policy, &net, 25, "", NULL, 0, ""), 0);
	KUNIT_EXPECT_EQ(test, mcp_acl_add(policy, &net, 25, "", NULL, 0, ""), -EEXIST);
	KUNIT_EXPECT_TRUE(test, mcp_allowed(policy, mcp_test_ip4(10, 1, 2, 128), "e"));
	KUNIT_EXPECT_TRUE(test, mcp_allowed(policy, mcp_test_ip4(10, 1, 2, 255), "e"));
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, mcp_test_ip4(10, 1, 2, 127), "e"));
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, mcp_test_ip4(10, 1, 3, 128), "e"));

	/* The same octets in the other family are another address. */
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, net6, "e"));
	KUNIT_EXPECT_EQ(test, mcp_acl_add(policy, &net6, 64, "", NULL, 0, ""), 0);
	KUNIT_EXPECT_TRUE(test, mcp_allowed(policy, mcp_test_ip6(1, 0, 9), "e"));
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, mcp_test_ip6(1, 1, 9), "e"));

	KUNIT_EXPECT_EQ(test, mcp_acl_del(policy, &net, 24, ""), -ENOENT);
	KUNIT_EXPECT_EQ(test, mcp_acl_del(policy, &net, 25, ""), 0);
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, mcp_test_ip4(10, 1, 2, 128), "e"));
	mcp_acl_flush(policy);
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, mcp_test_ip6(1, 0, 9), "e"));
}

static void mcp_acl_everybody_and_one(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_policy *policy = &mnet->policy;
	struct mcp_endpoint any = mcp_test_ip4(0, 0, 0, 0);
	struct mcp_endpoint one = mcp_test_ip4(192, 0, 2, 1);

	KUNIT_EXPECT_EQ(test, mcp_acl_add(policy, &one, 32, "", NULL, 0, ""), 0);
	KUNIT_EXPECT_TRUE(test, mcp_allowed(policy, one, "e"));
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, mcp_test_ip4(192, 0, 2, 0), "e"));
	KUNIT_EXPECT_EQ(test, mcp_acl_add(policy, &any, 0, "", NULL, 0, ""), 0);
	KUNIT_EXPECT_TRUE(test, mcp_allowed(policy, mcp_test_ip4(203, 0, 113, 7), "e"));
}

static void mcp_acl_interfaces(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_policy *policy = &mnet->policy;
	struct mcp_endpoint net = mcp_test_ip4(10, 0, 0, 0);
	struct mcp_endpoint client = mcp_test_ip4(10, 3, 2, 1);

	KUNIT_EXPECT_EQ(test, mcp_acl_add(policy, &net, 8, "lan0", NULL, 0, ""), 0);
	KUNIT_EXPECT_TRUE(test, mcp_allowed(policy, client, "lan0"));
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, client, "lan"));
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, client, "lan01"));
	/* With and without an interface are two entries. */
	KUNIT_EXPECT_EQ(test, mcp_acl_add(policy, &net, 8, "", NULL, 0, ""), 0);
	KUNIT_EXPECT_TRUE(test, mcp_allowed(policy, client, "wan0"));
	KUNIT_EXPECT_EQ(test, mcp_acl_del(policy, &net, 8, ""), 0);
	KUNIT_EXPECT_FALSE(test, mcp_allowed(policy, client, "wan0"));
}

static void mcp_end_half_open(struct mcp_net *mnet, struct mcp_client *client)
{
	mcp_policy_bound(mnet, client);
	mcp_policy_release(client);
}

static void mcp_admit_limits(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint a = mcp_test_ip4(10, 0, 0, 1);
	struct mcp_endpoint b = mcp_test_ip4(10, 0, 0, 2);
	struct mcp_admission first, second, other, refused;
	struct mcp_admission beyond[17];
	int i;

	mnet->settings.max_half_open = 3;
	mnet->settings.max_half_open_client = 2;
	a.port = htons(1);
	first = mcp_policy_admit(mnet, &a);
	a.port = htons(2);
	second = mcp_policy_admit(mnet, &a);
	KUNIT_ASSERT_NOT_NULL(test, first.client);
	/* Another port is the same client. */
	KUNIT_ASSERT_PTR_EQ(test, first.client, second.client);

	refused = mcp_policy_admit(mnet, &a);
	KUNIT_EXPECT_NULL(test, refused.client);
	KUNIT_EXPECT_EQ(test, refused.reason, MCP_STAT_REFUSED_HALF_OPEN_CLIENT);

	other = mcp_policy_admit(mnet, &b);
	KUNIT_ASSERT_NOT_NULL(test, other.client);
	KUNIT_EXPECT_FALSE(test, mcp_policy_crowded(mnet));
	/* Beyond the limit, some wait for others to make room. */
	for (i = 0; i < 17; i++) {
		b = mcp_test_ip4(10, 0, 1, i);
		beyond[i] = mcp_policy_admit(mnet, &b);
		KUNIT_EXPECT_EQ(test, !beyond[i].client, i == 16);
		KUNIT_EXPECT_TRUE(test, mcp_policy_crowded(mnet));
	}
	KUNIT_EXPECT_EQ(test, beyond[16].reason, MCP_STAT_REFUSED_HALF_OPEN);
	for (i = 0; i < 16; i++)
		mcp_end_half_open(mnet, beyond[i].client);

	/* Bound sessions are not half-open, and a refusal takes nothing. */
	mcp_policy_bound(mnet, first.client);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->half_open), 2);
	refused = mcp_policy_admit(mnet, &a);
	KUNIT_EXPECT_NOT_NULL(test, refused.client);

	mcp_policy_release(first.client);
	mcp_end_half_open(mnet, second.client);
	mcp_end_half_open(mnet, refused.client);
	mcp_end_half_open(mnet, other.client);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->half_open), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&first.client->refs), 0);
}

static void mcp_admit_rate(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint a = mcp_test_ip4(10, 0, 0, 1);
	struct mcp_admission adm;
	int i;

	mnet->settings.session_rate = 1;
	mnet->settings.session_burst = 3;
	for (i = 0; i < 3; i++) {
		adm = mcp_policy_admit(mnet, &a);
		KUNIT_ASSERT_NOT_NULL(test, adm.client);
		mcp_end_half_open(mnet, adm.client);
	}
	/* What it has used up is remembered without a session of it. */
	adm = mcp_policy_admit(mnet, &a);
	KUNIT_EXPECT_NULL(test, adm.client);
	KUNIT_EXPECT_EQ(test, adm.reason, MCP_STAT_REFUSED_RATE);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->half_open), 0);

	a = mcp_test_ip4(10, 0, 0, 2);
	adm = mcp_policy_admit(mnet, &a);
	KUNIT_ASSERT_NOT_NULL(test, adm.client);
	mcp_end_half_open(mnet, adm.client);
}

static void mcp_admit_ip6_by_64(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint a = mcp_test_ip6(1, 1, 1), b = mcp_test_ip6(1, 1, 2);
	struct mcp_endpoint c = mcp_test_ip6(1, 2, 1);
	struct mcp_admission adm[3];
	int i;

	adm[0] = mcp_policy_admit(mnet, &a);
	adm[1] = mcp_policy_admit(mnet, &b);
	adm[2] = mcp_policy_admit(mnet, &c);
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_NOT_NULL(test, adm[i].client);
	KUNIT_EXPECT_PTR_EQ(test, adm[0].client, adm[1].client);
	KUNIT_EXPECT_PTR_NE(test, adm[0].client, adm[2].client);
	for (i = 0; i < 3; i++)
		mcp_end_half_open(mnet, adm[i].client);
}

static void mcp_admit_max_sessions(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint a = mcp_test_ip4(10, 0, 0, 1);
	struct mcp_admission adm;

	mnet->settings.max_sessions = 1;
	atomic_set(&mnet->session_count, 1);
	adm = mcp_policy_admit(mnet, &a);
	KUNIT_EXPECT_NULL(test, adm.client);
	KUNIT_EXPECT_EQ(test, adm.reason, MCP_STAT_REFUSED_MAX_SESSIONS);
}

static void mcp_admit_what_sessions_leave(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;

	mnet->settings.max_half_open = 1000;
	mnet->settings.max_sessions = 800;
	atomic_set(&mnet->session_count, 160 + 600);
	atomic_set(&mnet->half_open, 600);
	KUNIT_EXPECT_FALSE(test, mcp_policy_crowded(mnet));
	atomic_set(&mnet->session_count, 161 + 601);
	atomic_set(&mnet->half_open, 601);
	KUNIT_EXPECT_TRUE(test, mcp_policy_crowded(mnet));
	atomic_set(&mnet->session_count, 1000);
	atomic_set(&mnet->half_open, 0);
	KUNIT_EXPECT_FALSE(test, mcp_policy_crowded(mnet));
	atomic_set(&mnet->session_count, 0);
}

static bool mcp_test_comes_and_goes(struct mcp_net *mnet, u32 client)
{
	struct mcp_endpoint a = mcp_test_ip4(11, client >> 16, client >> 8, client);
	struct mcp_admission adm = mcp_policy_admit(mnet, &a);

	if (adm.client)
		mcp_end_half_open(mnet, adm.client);
	return adm.client;
}

static void mcp_many_clients_are_forgotten(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint a = mcp_test_ip4(10, 0, 0, 1);
	struct mcp_admission has, adm;
	unsigned long end = 0;
	u32 i;

	has = mcp_policy_admit(mnet, &a);
	KUNIT_ASSERT_NOT_NULL(test, has.client);
	for (i = 0; i < MCP_MAX_CLIENTS + 1000; i++)
		while (!mcp_test_comes_and_goes(mnet, i)) {
			/* Not as long as each is remembered otherwise. */
			end = end ?: jiffies + 2 * HZ;
			KUNIT_ASSERT_TRUE(test, time_before(jiffies, end));
			schedule_timeout_uninterruptible(1);
		}
	KUNIT_EXPECT_LT(test, atomic_read(&mnet->policy.client_count), MCP_MAX_CLIENTS);
	/* Who has a session was not forgotten. */
	adm = mcp_policy_admit(mnet, &a);
	KUNIT_EXPECT_PTR_EQ(test, adm.client, has.client);
	mcp_end_half_open(mnet, adm.client);
	mcp_end_half_open(mnet, has.client);
}

static void mcp_replies_are_limited(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint a = mcp_test_ip4(10, 0, 0, 1);
	int i;

	mnet->settings.error_rate = 2;
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, mcp_policy_may_reply(mnet, &a, MCP_REPLY_ERROR));
	KUNIT_EXPECT_FALSE(test, mcp_policy_may_reply(mnet, &a, MCP_REPLY_ERROR));
	/* Resets have a limit of their own. */
	KUNIT_EXPECT_TRUE(test, mcp_policy_may_reply(mnet, &a, MCP_REPLY_RESET));
	mnet->settings.error_rate = 0;
	a = mcp_test_ip4(10, 0, 0, 2);
	KUNIT_EXPECT_FALSE(test, mcp_policy_may_reply(mnet, &a, MCP_REPLY_ERROR));
}

static void mcp_forbidden_destinations(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_endpoint ep = mcp_test_ip4(203, 0, 113, 1);

	ep.port = htons(80);
	KUNIT_EXPECT_FALSE(test, mcp_policy_forbidden(mnet, &ep));
	ep = mcp_test_ip4(127, 0, 0, 1);
	KUNIT_EXPECT_TRUE(test, mcp_policy_forbidden(mnet, &ep));
	ep = mcp_test_ip4(224, 0, 0, 1);
	KUNIT_EXPECT_TRUE(test, mcp_policy_forbidden(mnet, &ep));
	ep = mcp_test_ip4(255, 255, 255, 255);
	KUNIT_EXPECT_TRUE(test, mcp_policy_forbidden(mnet, &ep));
	ep = mcp_test_ip4(0, 0, 0, 0);
	KUNIT_EXPECT_TRUE(test, mcp_policy_forbidden(mnet, &ep));
	ep = mcp_test_ip6(1, 0, 1);
	KUNIT_EXPECT_FALSE(test, mcp_policy_forbidden(mnet, &ep));
}

static struct kunit_case mcp_policy_cases[] = {
	KUNIT_CASE(mcp_bucket_burst_then_rate),
	KUNIT_CASE(mcp_bucket_extremes),
	KUNIT_CASE(mcp_acl_prefixes),
	KUNIT_CASE(mcp_acl_everybody_and_one),
	KUNIT_CASE(mcp_acl_interfaces),
	KUNIT_CASE(mcp_admit_limits),
	KUNIT_CASE(mcp_admit_rate),
	KUNIT_CASE(mcp_admit_ip6_by_64),
	KUNIT_CASE(mcp_admit_max_sessions),
	KUNIT_CASE(mcp_admit_what_sessions_leave),
	KUNIT_CASE(mcp_many_clients_are_forgotten),
	KUNIT_CASE(mcp_replies_are_limited),
	KUNIT_CASE(mcp_forbidden_destinations),
	{}
};

struct kunit_suite mcp_policy_suite = {
	.name = "mcp_policy",
	.init = mcp_policy_test_init,
	.exit = mcp_policy_test_exit,
	.test_cases = mcp_policy_cases,
};
