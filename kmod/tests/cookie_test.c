// SPDX-License-Identifier: GPL-2.0
/* KUnit: cookies and the rotation of their keys. */
#include <kunit/test.h>
#include <linux/jiffies.h>

#include "cookie.h"
#include "suites.h"

#define MCP_TEST_LIFE	3600

static void mcp_cookie_of_one_client(struct kunit *test)
{
	struct mcp_endpoint a = { .family = AF_INET, .addr.octets = { 10, 0, 0, 1 } };
	struct mcp_endpoint b = { .family = AF_INET, .addr.octets = { 10, 0, 0, 2 } };
	struct mcp_cookies cookies;
	u8 cookie[MCP_COOKIE_LEN];

	mcp_cookies_init(&cookies);
	mcp_cookie_make(&cookies, MCP_TEST_LIFE, &a, cookie);
	KUNIT_EXPECT_TRUE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						 cookie, sizeof(cookie)));
	/* Whatever port it comes from, but no other address. */
	a.port = htons(4711);
	KUNIT_EXPECT_TRUE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						 cookie, sizeof(cookie)));
	KUNIT_EXPECT_FALSE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &b,
						  cookie, sizeof(cookie)));
	KUNIT_EXPECT_FALSE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						  cookie, sizeof(cookie) - 1));
	cookie[3] ^= 1;
	KUNIT_EXPECT_FALSE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						  cookie, sizeof(cookie)));
}

/* Makes the keys @seconds older. */
static void mcp_test_age(struct mcp_cookies *cookies, unsigned int seconds)
{
	cookies->born -= (u64)seconds * HZ;
}

static void mcp_cookie_outlives_one_key(struct kunit *test)
{
	struct mcp_endpoint a = { .family = AF_INET, .addr.octets = { 10, 0, 0, 1 } };
	struct mcp_cookies cookies;
	u8 cookie[MCP_COOKIE_LEN], newer[MCP_COOKIE_LEN];

	mcp_cookies_init(&cookies);
	mcp_cookie_make(&cookies, MCP_TEST_LIFE, &a, cookie);
	mcp_test_age(&cookies, MCP_TEST_LIFE + 1);
	KUNIT_EXPECT_TRUE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						 cookie, sizeof(cookie)));
	mcp_cookie_make(&cookies, MCP_TEST_LIFE, &a, newer);
	KUNIT_EXPECT_NE(test, memcmp(cookie, newer, sizeof(cookie)), 0);

	mcp_test_age(&cookies, MCP_TEST_LIFE + 1);
	KUNIT_EXPECT_FALSE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						  cookie, sizeof(cookie)));
	KUNIT_EXPECT_TRUE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						 newer, sizeof(newer)));
}

static void mcp_cookie_dies_of_neglect(struct kunit *test)
{
	struct mcp_endpoint a = { .family = AF_INET, .addr.octets = { 10, 0, 0, 1 } };
	struct mcp_cookies cookies;
	u8 cookie[MCP_COOKIE_LEN];

	/* Nobody asked while its key should have been replaced twice. */
	mcp_cookies_init(&cookies);
	mcp_cookie_make(&cookies, MCP_TEST_LIFE, &a, cookie);
	mcp_test_age(&cookies, 2 * MCP_TEST_LIFE + 1);
	KUNIT_EXPECT_FALSE(test, mcp_cookie_check(&cookies, MCP_TEST_LIFE, &a,
						  cookie, sizeof(cookie)));
}

static struct kunit_case mcp_cookie_cases[] = {
	KUNIT_CASE(mcp_cookie_of_one_client),
	KUNIT_CASE(mcp_cookie_outlives_one_key),
	KUNIT_CASE(mcp_cookie_dies_of_neglect),
	{}
};

struct kunit_suite mcp_cookie_suite = {
	.name = "mcp_cookie",
	.test_cases = mcp_cookie_cases,
};
