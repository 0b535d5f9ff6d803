// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "pages.h"
#include "suites.h"

/* More than a CPU keeps. */
#define MCP_TEST_PAGES	80

/* The next page, as if a socket had got all of it. */
static struct page *mcp_test_page(struct kunit *test)
{
	struct page_frag *frag = mcp_pages_refill(64);

	KUNIT_ASSERT_NOT_NULL(test, frag);
	KUNIT_EXPECT_LE(test, frag->offset + 64, frag->size);
	get_page(frag->page);
	frag->offset = frag->size;
	return frag->page;
}

static bool mcp_test_has(struct page **pages, int number, struct page *page)
{
	while (number--)
		if (pages[number] == page)
			return true;
	return false;
}

static void mcp_pages_serve_again(struct kunit *test)
{
	struct page *held[MCP_TEST_PAGES], *again[8];
	int i;

	migrate_disable();
	for (i = 0; i < MCP_TEST_PAGES; i++) {
		held[i] = mcp_test_page(test);
		if (page_size(held[i]) < MCP_PAGE_OCTETS) {
			while (i >= 0)
				put_page(held[i--]);
			migrate_enable();
			kunit_skip(test, "memory is in pieces");
		}
		/* As long as somebody has it, it is nobody else's. */
		KUNIT_EXPECT_FALSE(test, mcp_test_has(held, i, held[i]));
	}
	for (i = 0; i < MCP_TEST_PAGES; i++)
		put_page(held[i]);
	for (i = 0; i < ARRAY_SIZE(again); i++) {
		again[i] = mcp_test_page(test);
		KUNIT_EXPECT_TRUE(test, mcp_test_has(held, MCP_TEST_PAGES, again[i]));
		KUNIT_EXPECT_FALSE(test, mcp_test_has(again, i, again[i]));
	}
	for (i = 0; i < ARRAY_SIZE(again); i++)
		put_page(again[i]);
	migrate_enable();
}

static struct kunit_case pages_cases[] = {
	KUNIT_CASE(mcp_pages_serve_again),
	{}
};

struct kunit_suite mcp_pages_suite = {
	.name = "mcp_pages",
	.test_cases = pages_cases,
};
