// SPDX-License-Identifier: GPL-2.0
/* KUnit: a session's tables, references, deadlines and end. */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "net.h"
#include "session.h"
#include "stats.h"
#include "suites.h"

/* A worker that only does what it is told: it counts, and ends. */
static atomic_t mcp_test_runs;

static void mcp_test_work(struct work_struct *work)
{
	struct mcp_session *s = container_of(work, struct mcp_session, work);

	atomic_inc(&mcp_test_runs);
	if (!s->dead && test_bit(MCP_SESSION_DOWN, &s->events))
		mcp_session_end(s);
	mcp_session_put(s);
}

static int mcp_session_test_init(struct kunit *test)
{
	struct mcp_net *mnet = kunit_kzalloc(test, sizeof(*mnet), GFP_KERNEL);
	int err;

	if (!mnet)
		return -ENOMEM;
	mnet->net = &init_net;
	mnet->settings = mcp_settings_default;
	mnet->stats = alloc_percpu(struct mcp_stats);
	if (!mnet->stats)
		return -ENOMEM;
	err = mcp_policy_init(&mnet->policy);
	if (!err)
		err = mcp_session_net_init(mnet);
	atomic_set(&mcp_test_runs, 0);
	test->priv = mnet;
	return err;
}

static void mcp_session_test_exit(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;

	if (!mnet)
		return;
	mcp_session_drain(mnet);
	mcp_session_net_exit(mnet);
	mcp_policy_exit(&mnet->policy);
	free_percpu(mnet->stats);
}

static void mcp_test_key(struct mcp_session_key *key, u16 port)
{
	memset(key, 0, sizeof(*key));
	key->client.family = AF_INET;
	key->client.addr.octets[0] = 10;
	key->client.port = htons(port);
	key->mcp.family = AF_INET;
	key->mcp.port = htons(5124);
}

static struct mcp_session *mcp_test_session(struct kunit *test, u16 port)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session_key key;
	struct mcp_admission adm;
	struct mcp_session *s;

	mcp_test_key(&key, port);
	adm = mcp_policy_admit(mnet, &key.client);
	KUNIT_ASSERT_NOT_NULL(test, adm.client);
	s = mcp_session_new(mnet, &key, adm.client, mcp_test_work, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s);
	return s;
}

static void mcp_session_is_found_by_its_syn(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *s = mcp_test_session(test, 1), *found;
	struct mcp_session_key key;

	mcp_test_key(&key, 1);
	KUNIT_EXPECT_NULL(test, mcp_session_find(mnet, &key));
	KUNIT_EXPECT_EQ(test, mcp_session_publish(s, true, GFP_KERNEL), 0);
	found = mcp_session_find(mnet, &key);
	KUNIT_EXPECT_PTR_EQ(test, found, s);
	if (found)
		mcp_session_put(found);

	mcp_test_key(&key, 2);
	KUNIT_EXPECT_NULL(test, mcp_session_find(mnet, &key));

	/* Accepted: its SYN means nothing any more, but it is there. */
	mcp_session_unhash(s);
	mcp_session_unhash(s);
	mcp_test_key(&key, 1);
	KUNIT_EXPECT_NULL(test, mcp_session_find(mnet, &key));
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->session_count), 1);
}

static void mcp_session_second_of_one_syn(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *first = mcp_test_session(test, 1);
	struct mcp_session *second = mcp_test_session(test, 1);

	KUNIT_EXPECT_EQ(test, mcp_session_publish(first, true, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, mcp_session_publish(second, true, GFP_KERNEL), -EEXIST);
	mcp_session_discard(second);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->session_count), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->half_open), 1);
}

static void mcp_session_walk(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *s;
	u32 id = 0, last = 0;
	int i, n = 0;

	for (i = 1; i <= 50; i++) {
		s = mcp_test_session(test, i);
		KUNIT_ASSERT_EQ(test, mcp_session_publish(s, i % 2, GFP_KERNEL), 0);
	}
	while ((s = mcp_session_next(mnet, &id))) {
		KUNIT_EXPECT_EQ(test, s->id, id);
		KUNIT_EXPECT_GT(test, id, last);
		last = id++;
		n++;
		mcp_session_put(s);
	}
	KUNIT_EXPECT_EQ(test, n, 50);

	mcp_session_drain(mnet);
	id = 0;
	KUNIT_EXPECT_NULL(test, mcp_session_next(mnet, &id));
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->session_count), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->half_open), 0);
}

static bool mcp_test_evicted(const struct mcp_session *s)
{
	return test_bit(MCP_SESSION_EVICTED, &s->events);
}

static void mcp_session_oldest_makes_room(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *s[6];
	int i;

	/* Numbers begin anew among them. */
	mnet->next_id = U32_MAX - 1;
	KUNIT_EXPECT_FALSE(test, mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN,
						       NULL, NULL));
	for (i = 0; i < 6; i++) {
		s[i] = mcp_test_session(test, i + 1);
		KUNIT_ASSERT_EQ(test, mcp_session_publish(s[i], i % 2, GFP_KERNEL), 0);
	}
	KUNIT_ASSERT_GT(test, s[0]->id, s[5]->id);
	/* Neither who is bound makes room nor who has ended. */
	mcp_session_bound(s[1]);
	mcp_session_get(s[3]);
	mcp_session_signal(s[3], MCP_SESSION_DOWN);
	flush_work(&s[3]->work);
	mcp_session_put(s[3]);
	for (i = 0; i < 6; i++) {
		if (i == 1 || i == 3)
			continue;
		KUNIT_EXPECT_FALSE(test, mcp_test_evicted(s[i]));
		KUNIT_EXPECT_TRUE(test, mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN,
							      NULL, NULL));
		KUNIT_EXPECT_TRUE(test, mcp_test_evicted(s[i]));
	}
	KUNIT_EXPECT_FALSE(test, mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN,
						       NULL, NULL));
	KUNIT_EXPECT_FALSE(test, mcp_test_evicted(s[1]));
}

static bool mcp_test_has_none(const struct mcp_session *s)
{
	return false;
}

static void mcp_session_makes_no_room_for_itself(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *s[2];
	int i;

	for (i = 0; i < 2; i++) {
		s[i] = mcp_test_session(test, i + 1);
		KUNIT_ASSERT_EQ(test, mcp_session_publish(s[i], true, GFP_KERNEL), 0);
	}
	KUNIT_EXPECT_FALSE(test, mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN,
						       s[0], mcp_test_has_none));
	KUNIT_EXPECT_TRUE(test, mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN,
						      s[0], NULL));
	KUNIT_EXPECT_TRUE(test, mcp_test_evicted(s[1]));
	KUNIT_EXPECT_FALSE(test, mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN,
						       s[0], NULL));
	KUNIT_EXPECT_FALSE(test, mcp_test_evicted(s[0]));
	KUNIT_EXPECT_TRUE(test, mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN,
						      NULL, NULL));
	KUNIT_EXPECT_TRUE(test, mcp_test_evicted(s[0]));
}

static void mcp_session_one_for_one(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *s[5];
	struct mcp_session_key key;
	int i;

	mnet->settings.max_half_open = 3;
	for (i = 0; i < 5; i++) {
		s[i] = mcp_test_session(test, i + 1);
		KUNIT_ASSERT_EQ(test, mcp_session_publish(s[i], true, GFP_KERNEL), 0);
	}
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, mcp_test_evicted(s[i]), i < 2);

	/* Who only tells an error takes nobody's place, and keeps his own. */
	mcp_test_key(&key, 6);
	s[0] = mcp_session_new(mnet, &key, NULL, mcp_test_work, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s[0]);
	KUNIT_ASSERT_EQ(test, mcp_session_publish(s[0], true, GFP_KERNEL), 0);
	KUNIT_EXPECT_FALSE(test, mcp_test_evicted(s[2]));
	while (mcp_session_make_room(mnet, MCP_MARK_HALF_OPEN, NULL, NULL))
		;
	KUNIT_EXPECT_FALSE(test, mcp_test_evicted(s[0]));
	KUNIT_EXPECT_TRUE(test, mcp_test_evicted(s[4]));
}

static void mcp_session_outlives_its_end(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *s = mcp_test_session(test, 1);
	struct mcp_session_key key;

	KUNIT_ASSERT_EQ(test, mcp_session_publish(s, true, GFP_KERNEL), 0);
	KUNIT_ASSERT_TRUE(test, mcp_session_get(s));
	mcp_session_signal(s, MCP_SESSION_DOWN);
	flush_work(&s->work);
	KUNIT_EXPECT_TRUE(test, s->dead);
	/* Nobody finds it, but who has it may kick it. */
	mcp_test_key(&key, 1);
	KUNIT_EXPECT_NULL(test, mcp_session_find(mnet, &key));
	mcp_session_kick(s);
	flush_work(&s->work);
	KUNIT_EXPECT_EQ(test, atomic_read(&mcp_test_runs), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->session_count), 1);
	mcp_session_put(s);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->session_count), 0);
}

static void mcp_session_timer_is_the_earliest(struct kunit *test)
{
	struct mcp_session *s = mcp_test_session(test, 1);

	KUNIT_ASSERT_EQ(test, mcp_session_publish(s, false, GFP_KERNEL), 0);
	s->idle_until = mcp_deadline(3600 * 1000);
	s->dial_until = mcp_deadline(1800 * 1000);
	mcp_session_arm(s);
	KUNIT_EXPECT_EQ(test, (u32)s->timer.expires, s->dial_until);
	/* One that is too early is left alone, one that is too late is not. */
	s->syn_until = s->dial_until;
	s->dial_until = 0;
	mcp_session_arm(s);
	KUNIT_EXPECT_EQ(test, (u32)s->timer.expires, s->syn_until);
	s->syn_until = mcp_deadline(900 * 1000);
	mcp_session_arm(s);
	KUNIT_EXPECT_EQ(test, (u32)s->timer.expires, s->syn_until);
	s->syn_until = 0;
	s->idle_until = 0;
	mcp_session_arm(s);
	KUNIT_EXPECT_FALSE(test, timer_pending(&s->timer));

	s->hold_until = mcp_deadline(1);
	mcp_session_arm(s);
	while (!mcp_deadline_passed(s->hold_until + HZ / 10))
		schedule_timeout_uninterruptible(1);
	flush_work(&s->work);
	KUNIT_EXPECT_EQ(test, atomic_read(&mcp_test_runs), 1);
}

static void mcp_session_follows_behave(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session *s = mcp_test_session(test, 1);
	s32 left;

	KUNIT_ASSERT_EQ(test, mcp_session_publish(s, false, GFP_KERNEL), 0);
	mnet->settings.trans_idle = 1000000;
	mnet->settings.est_idle = 2000000;
	mcp_session_event(s, MCP_EV_INTERNAL_SYN);
	KUNIT_EXPECT_EQ(test, s->state, MCP_STATE_INTERNAL_INIT);
	left = s->idle_until - (u32)jiffies;
	KUNIT_EXPECT_LE(test, left, msecs_to_jiffies(1000000));
	KUNIT_EXPECT_GT(test, left, msecs_to_jiffies(990000));

	mcp_session_event(s, MCP_EV_EXTERNAL_SYN);
	KUNIT_EXPECT_EQ(test, s->state, MCP_STATE_ESTABLISHED);
	left = s->idle_until - (u32)jiffies;
	KUNIT_EXPECT_GT(test, left, msecs_to_jiffies(1990000));
	KUNIT_EXPECT_EQ(test, mcp_session_event(s, MCP_EV_EXPIRY), MCP_ACTION_PROBE);
	KUNIT_EXPECT_EQ(test, s->state, MCP_STATE_TRANS);
	KUNIT_EXPECT_EQ(test, mcp_session_event(s, MCP_EV_EXPIRY), MCP_ACTION_DELETE);
}

static void mcp_session_refusals_are_counted(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	struct mcp_session_key key;
	struct mcp_session *s;

	mcp_test_key(&key, 1);
	s = mcp_session_new(mnet, &key, NULL, mcp_test_work, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->refusals), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->half_open), 0);
	mcp_session_discard(s);
	KUNIT_EXPECT_EQ(test, atomic_read(&mnet->refusals), 0);
}

static void mcp_stats_have_names(struct kunit *test)
{
	struct mcp_net *mnet = test->priv;
	int i, j;

	for (i = 0; i < __MCP_STAT_COUNT; i++)
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_STRNEQ(test, mcp_stat_name(i), mcp_stat_name(j));
	mcp_count(mnet, MCP_STAT_DIAL);
	mcp_count_add(mnet, MCP_STAT_DIAL, 41);
	KUNIT_EXPECT_EQ(test, mcp_stat_sum(mnet->stats, MCP_STAT_DIAL), 42);
}

static struct kunit_case mcp_session_cases[] = {
	KUNIT_CASE(mcp_session_is_found_by_its_syn),
	KUNIT_CASE(mcp_session_second_of_one_syn),
	KUNIT_CASE(mcp_session_walk),
	KUNIT_CASE(mcp_session_oldest_makes_room),
	KUNIT_CASE(mcp_session_makes_no_room_for_itself),
	KUNIT_CASE(mcp_session_one_for_one),
	KUNIT_CASE(mcp_session_outlives_its_end),
	KUNIT_CASE(mcp_session_timer_is_the_earliest),
	KUNIT_CASE(mcp_session_follows_behave),
	KUNIT_CASE(mcp_session_refusals_are_counted),
	KUNIT_CASE(mcp_stats_have_names),
	{}
};

struct kunit_suite mcp_session_suite = {
	.name = "mcp_session",
	.init = mcp_session_test_init,
	.exit = mcp_session_test_exit,
	.test_cases = mcp_session_cases,
};
