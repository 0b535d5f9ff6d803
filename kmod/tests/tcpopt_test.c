// SPDX-License-Identifier: GPL-2.0
/*
 * The TCP option parser in the kernel: the vectors that user space goes through
 * too, in blocks of exact size so that KASAN sees what is read beyond.
 */
#include <linux/slab.h>

#include "suites.h"
#include "vectors.h"

static void parse(struct kunit *test, const __u8 *octets, size_t len,
		  struct mcp_tcpopt *opt)
{
	__u8 *block = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, block);
	memcpy(block, octets, len);
	memset(opt, 0xa5, sizeof(*opt));
	mcp_tcpopt_parse(block, len, opt);
	kunit_kfree(test, block);
}

static void tcpopt_desc(const struct mcp_tcpopt_vector *vector, char *desc)
{
	strscpy(desc, vector->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(tcpopt, mcp_tcpopt_vectors, tcpopt_desc);

static void tcpopt_vector(struct kunit *test)
{
	const struct mcp_tcpopt_vector *vector = test->param_value;
	struct mcp_tcpopt want = vector->opt;
	struct mcp_tcpopt opt;

	if (vector->key)
		memcpy(&want.key, vector->key, sizeof(want.key));
	if (vector->token)
		memcpy(&want.token, vector->token, sizeof(want.token));

	parse(test, vector->octets, vector->octets_len, &opt);
	KUNIT_EXPECT_EQ(test, opt.mss, want.mss);
	KUNIT_EXPECT_EQ(test, opt.wscale, want.wscale);
	KUNIT_EXPECT_EQ(test, opt.mp_flags, want.mp_flags);
	KUNIT_EXPECT_EQ(test, opt.has_wscale, want.has_wscale);
	KUNIT_EXPECT_EQ(test, opt.sack_perm, want.sack_perm);
	KUNIT_EXPECT_EQ(test, opt.has_ts, want.has_ts);
	KUNIT_EXPECT_EQ(test, opt.mp_capable, want.mp_capable);
	KUNIT_EXPECT_EQ(test, opt.mp_join, want.mp_join);
	KUNIT_EXPECT_EQ(test, opt.join_syn, want.join_syn);
	KUNIT_EXPECT_EQ(test, opt.mp_prefer_proxy, want.mp_prefer_proxy);
	KUNIT_EXPECT_EQ(test, opt.has_key, want.has_key);
	KUNIT_EXPECT_EQ(test, opt.has_tfo, want.has_tfo);
	KUNIT_EXPECT_EQ(test, opt.malformed, want.malformed);
	KUNIT_EXPECT_EQ(test, opt.tsval, want.tsval);
	KUNIT_EXPECT_EQ(test, opt.tsecr, want.tsecr);
	KUNIT_EXPECT_TRUE(test, opt.token == want.token);
	KUNIT_EXPECT_TRUE(test, opt.key == want.key);
}

static void tcpopt_cut_short(struct kunit *test)
{
	const struct mcp_tcpopt_vector *vector = test->param_value;
	struct mcp_tcpopt opt;
	size_t len;

	for (len = 0; len < vector->octets_len; len++) {
		parse(test, vector->octets, len, &opt);
		/* Nothing that is not there is made up. */
		KUNIT_EXPECT_FALSE(test, opt.mp_capable && !vector->opt.mp_capable);
		KUNIT_EXPECT_FALSE(test, opt.has_key && !vector->opt.has_key);
		KUNIT_EXPECT_FALSE(test, opt.mp_join && !vector->opt.mp_join);
		KUNIT_EXPECT_FALSE(test, opt.mp_prefer_proxy && !opt.mp_capable);
		KUNIT_EXPECT_FALSE(test, opt.has_ts && !vector->opt.has_ts);
	}
}

static struct kunit_case tcpopt_cases[] = {
	KUNIT_CASE_PARAM(tcpopt_vector, tcpopt_gen_params),
	KUNIT_CASE_PARAM(tcpopt_cut_short, tcpopt_gen_params),
	{}
};

struct kunit_suite mcp_tcpopt_suite = {
	.name = "mcp_tcpopt",
	.test_cases = tcpopt_cases,
};
