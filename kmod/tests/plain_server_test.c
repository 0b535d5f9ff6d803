// SPDX-License-Identifier: GPL-2.0
/* KUnit: servers that answer only without MP_CAPABLE. */
#include <kunit/test.h>
#include <linux/jiffies.h>

#include "plain_server.h"
#include "suites.h"

static struct mcp_endpoint mcp_plain_test_server(u32 number)
{
	struct mcp_endpoint ep = { .family = AF_INET, .port = htons(80) };

	ep.addr.ip = htonl(0xcb007100 + number);
	return ep;
}

static void mcp_plain_for_a_day(struct kunit *test)
{
	struct mcp_endpoint a = mcp_plain_test_server(1);
	struct mcp_endpoint other_port = a;
	unsigned long now = INITIAL_JIFFIES, day = msecs_to_jiffies(MCP_PLAIN_MS);
	struct mcp_plain_servers plain;

	mcp_plain_init(&plain);
	KUNIT_EXPECT_FALSE(test, mcp_plain_known(&plain, &a, now));
	mcp_plain_remember(&plain, &a, now);
	KUNIT_EXPECT_TRUE(test, mcp_plain_known(&plain, &a, now));
	KUNIT_EXPECT_TRUE(test, mcp_plain_known(&plain, &a, now + day - 1));
	KUNIT_EXPECT_FALSE(test, mcp_plain_known(&plain, &a, now + day));
	other_port.port = htons(81);
	KUNIT_EXPECT_FALSE(test, mcp_plain_known(&plain, &other_port, now));
	/* Seen again, it is known for longer. */
	mcp_plain_remember(&plain, &a, now + day / 2);
	KUNIT_EXPECT_TRUE(test, mcp_plain_known(&plain, &a, now + day));
	mcp_plain_forget(&plain);
}

/* However many there are: the last ones are known, and memory is what it was. */
static void mcp_plain_is_bounded(struct kunit *test)
{
	unsigned long now = INITIAL_JIFFIES;
	struct mcp_plain_servers plain;
	struct mcp_endpoint server;
	unsigned int known = 0;
	void *slots;
	u32 n;

	mcp_plain_init(&plain);
	server = mcp_plain_test_server(0);
	mcp_plain_remember(&plain, &server, now);
	slots = plain.slots;
	for (n = 0; n < 100000; n++) {
		server = mcp_plain_test_server(n);
		mcp_plain_remember(&plain, &server, now + n);
		KUNIT_ASSERT_TRUE(test, mcp_plain_known(&plain, &server, now + n));
	}
	KUNIT_EXPECT_PTR_EQ(test, (void *)plain.slots, slots);
	for (n = 0; n < 100000; n++) {
		server = mcp_plain_test_server(n);
		known += mcp_plain_known(&plain, &server, now + 100000);
	}
	KUNIT_EXPECT_LE(test, known, MCP_PLAIN_SLOTS * MCP_PLAIN_WAYS);
	KUNIT_EXPECT_GT(test, known, MCP_PLAIN_SLOTS);
	mcp_plain_forget(&plain);
}

static struct kunit_case mcp_plain_cases[] = {
	KUNIT_CASE(mcp_plain_for_a_day),
	KUNIT_CASE(mcp_plain_is_bounded),
	{ }
};

struct kunit_suite mcp_plain_server_suite = {
	.name = "mcp_plain_server",
	.test_cases = mcp_plain_cases,
};
