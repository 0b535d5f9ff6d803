// SPDX-License-Identifier: GPL-2.0
/*
 * The request codecs in the kernel: the vectors that user space goes through
 * too, in blocks of exact size so that KASAN sees what is read beyond.
 */
#include <linux/slab.h>

#include "suites.h"
#include "vectors.h"

static enum mcp_decode decode(struct kunit *test, const __u8 *octets, size_t len,
			      struct mcp_request *req)
{
	__u8 *block = kunit_kmalloc(test, len, GFP_KERNEL);
	enum mcp_decode verdict;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, block);
	memcpy(block, octets, len);
	memset(req, 0xa5, sizeof(*req));
	verdict = mcp_request_decode(block, len, htons(MCP_VECTOR_SYN_PORT), req);
	kunit_kfree(test, block);
	return verdict;
}

static void expect_endpoint(struct kunit *test, const struct mcp_endpoint *got,
			    const struct mcp_endpoint_vector *vector)
{
	struct mcp_endpoint want = mcp_vector_endpoint(vector);

	KUNIT_EXPECT_TRUE(test, mcp_endpoint_equal(got, &want));
}

static void request_desc(const struct mcp_request_vector *vector, char *desc)
{
	strscpy(desc, vector->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(request, mcp_request_vectors, request_desc);

static void request_vector(struct kunit *test)
{
	const struct mcp_request_vector *vector = test->param_value;
	struct mcp_request req;
	int verdict = decode(test, vector->octets, vector->octets_len, &req);

	KUNIT_ASSERT_EQ(test, verdict, vector->verdict);

	switch (verdict) {
	case MCP_DECODE_OK:
		KUNIT_EXPECT_EQ(test, req.len, vector->n);
		expect_endpoint(test, &req.server, &vector->server);
		expect_endpoint(test, &req.origin, &vector->origin);
		KUNIT_EXPECT_EQ(test, req.wanted, vector->wanted);
		KUNIT_EXPECT_EQ(test, req.info, vector->info);
		KUNIT_EXPECT_EQ(test, req.has_cookie, vector->cookie_len >= 0);
		if (req.has_cookie)
			KUNIT_EXPECT_EQ(test, (int)req.cookie_len,
					vector->cookie_len);
		break;
	case MCP_DECODE_MORE:
		KUNIT_EXPECT_EQ(test, req.need, vector->n);
		break;
	case MCP_DECODE_ERROR:
		KUNIT_EXPECT_EQ(test, (__u16)req.error, vector->n);
		break;
	}
}

static void request_cut_short(struct kunit *test)
{
	const struct mcp_request_vector *vector = test->param_value;
	struct mcp_request req;
	size_t len;

	if (vector->verdict != MCP_DECODE_OK)
		return;

	for (len = 0; len < vector->n; len++) {
		KUNIT_ASSERT_EQ(test, (int)decode(test, vector->octets, len, &req),
				(int)MCP_DECODE_MORE);
		KUNIT_EXPECT_GT(test, (size_t)req.need, len);
		KUNIT_EXPECT_LE(test, req.need, vector->n);
	}
}

/* A stream's reader must not take an octet of what follows the request. */
static void request_from_stream(struct kunit *test)
{
	const struct mcp_request_vector *vector = test->param_value;
	struct mcp_request req;
	size_t have = 4;

	if (vector->verdict != MCP_DECODE_OK)
		return;

	while (decode(test, vector->octets, have, &req) == MCP_DECODE_MORE) {
		KUNIT_ASSERT_GT(test, (size_t)req.need, have);
		KUNIT_ASSERT_LE(test, req.need, vector->n);
		have = req.need;
	}
	KUNIT_EXPECT_EQ(test, have, (size_t)vector->n);
}

static void forbidden_desc(const struct mcp_forbidden_vector *vector, char *desc)
{
	strscpy(desc, vector->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(forbidden, mcp_forbidden_vectors, forbidden_desc);

static void forbidden_address(struct kunit *test)
{
	const struct mcp_forbidden_vector *vector = test->param_value;
	struct mcp_endpoint ep = mcp_vector_endpoint(&vector->ep);

	KUNIT_EXPECT_EQ(test, mcp_endpoint_forbidden(&ep), vector->forbidden);
}

static void mp_convert_there_and_back(struct kunit *test)
{
	static const struct mcp_endpoint_vector ends[] = {
		V4(SERVER4, 80), V4(CLIENT4, 0), V6(SERVER6, 443), V6(CLIENT6, 0),
	};
	struct mcp_endpoint server, origin;
	struct mcp_request req;
	__u8 buf[MCP_MP_CONVERT_MAX];
	int i, j, len;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		for (j = 0; j < ARRAY_SIZE(ends); j++) {
			server = mcp_vector_endpoint(&ends[i]);
			origin = mcp_vector_endpoint(&ends[j]);
			len = mcp_mp_convert_encode(buf, sizeof(buf), &server,
						    &origin);
			KUNIT_ASSERT_GT(test, len, 0);
			KUNIT_EXPECT_EQ(test, -EMSGSIZE,
					mcp_mp_convert_encode(buf, len - 1, &server,
							      &origin));
			KUNIT_ASSERT_EQ(test, (int)decode(test, buf, len, &req),
					(int)MCP_DECODE_OK);
			KUNIT_EXPECT_EQ(test, (int)req.len, len);
			KUNIT_EXPECT_TRUE(test, mcp_endpoint_equal(&req.origin,
								   &origin));
			if (!server.port)
				server.port = htons(MCP_VECTOR_SYN_PORT);
			KUNIT_EXPECT_TRUE(test, mcp_endpoint_equal(&req.server,
								   &server));
		}
	}
}

static void message_there_and_back(struct kunit *test)
{
	struct mcp_endpoint_vector vector = V6(SERVER6, 443);
	struct mcp_endpoint server = mcp_vector_endpoint(&vector);
	struct mcp_message msg;
	struct mcp_request req;
	__u8 buf[64];
	int len;

	mcp_message_begin(&msg, buf, sizeof(buf));
	mcp_message_cookie(&msg, OCTETS("12345678"), MCP_COOKIE_LEN);
	mcp_message_connect(&msg, &server, OCTETS("\x1e\x02"), 2);
	mcp_message_info(&msg);
	len = mcp_message_end(&msg);
	KUNIT_ASSERT_EQ(test, len, 44);

	KUNIT_ASSERT_EQ(test, (int)decode(test, buf, len, &req), (int)MCP_DECODE_OK);
	KUNIT_EXPECT_EQ(test, (int)req.len, len);
	KUNIT_EXPECT_TRUE(test, mcp_endpoint_equal(&req.server, &server));
	KUNIT_EXPECT_EQ(test, (int)req.wanted, (int)MCP_WANTED_MPTCP);
	KUNIT_EXPECT_TRUE(test, req.info);
	KUNIT_ASSERT_EQ(test, (int)req.cookie_len, MCP_COOKIE_LEN);
	KUNIT_EXPECT_EQ(test, memcmp(buf + req.cookie_off, "12345678", 8), 0);
}

static void message_error_echo(struct kunit *test)
{
	__u8 *received = kunit_kzalloc(test, MCP_REQUEST_MAX, GFP_KERNEL);
	__u8 *buf = kunit_kmalloc(test, MCP_CONVERT_MAX, GFP_KERNEL);
	struct mcp_message msg;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, received);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, buf);

	mcp_message_begin(&msg, buf, MCP_CONVERT_MAX);
	mcp_message_error(&msg, MCP_ERR_MALFORMED, received, MCP_REQUEST_MAX);
	KUNIT_EXPECT_EQ(test, mcp_message_end(&msg), MCP_CONVERT_MAX);

	mcp_message_begin(&msg, buf, 20);
	mcp_message_error(&msg, MCP_ERR_MALFORMED, received, MCP_REQUEST_MAX);
	KUNIT_EXPECT_EQ(test, mcp_message_end(&msg), 20);
	KUNIT_EXPECT_EQ(test, memcmp(buf, "\x01\x05\x22\x63\x1e\x04\x01\x00", 8), 0);

	mcp_message_begin(&msg, buf, 20);
	mcp_message_cookie(&msg, received, 16);
	KUNIT_EXPECT_EQ(test, mcp_message_end(&msg), -EMSGSIZE);
}

static struct kunit_case convert_cases[] = {
	KUNIT_CASE_PARAM(request_vector, request_gen_params),
	KUNIT_CASE_PARAM(request_cut_short, request_gen_params),
	KUNIT_CASE_PARAM(request_from_stream, request_gen_params),
	KUNIT_CASE_PARAM(forbidden_address, forbidden_gen_params),
	KUNIT_CASE(mp_convert_there_and_back),
	KUNIT_CASE(message_there_and_back),
	KUNIT_CASE(message_error_echo),
	{}
};

struct kunit_suite mcp_convert_suite = {
	.name = "mcp_convert",
	.test_cases = convert_cases,
};
