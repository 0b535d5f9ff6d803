// SPDX-License-Identifier: GPL-2.0
/* KUnit: what of a batch is sent at once. */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/in.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "batch.h"
#include "socket.h"
#include "suites.h"

#define MCP_TEST_BUFFER	(4 << 20)

/**
 * struct mcp_batch_test - both ends of an MPTCP connection over the loopback
 * @listener: where it was accepted
 * @near: what a batch is sent to
 * @far: the other end
 * @batch: the batch
 */
struct mcp_batch_test {
	struct socket *listener;
	struct socket *near;
	struct socket *far;
	struct mcp_batch *batch;
};

static int mcp_batch_test_socket(struct socket **sock)
{
	int err = mcp_socket_mptcp(&init_net, AF_INET, sock);

	return err ?: mcp_socket_set_option(*sock, SOL_SOCKET, SO_SNDBUF,
					    MCP_TEST_BUFFER) ?:
		mcp_socket_set_option(*sock, SOL_SOCKET, SO_RCVBUF,
				      MCP_TEST_BUFFER);
}

static int mcp_batch_test_init(struct kunit *test)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct mcp_batch_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int err;

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->batch = mcp_batch_new();
	if (!t->batch)
		return -ENOMEM;
	err = mcp_batch_test_socket(&t->listener) ?:
		kernel_bind(t->listener, (struct sockaddr *)&addr, sizeof(addr)) ?:
		kernel_listen(t->listener, 1);
	if (!err)
		err = kernel_getsockname(t->listener, (struct sockaddr *)&addr);
	if (err < 0)
		return err;
	return mcp_batch_test_socket(&t->near) ?:
		kernel_connect(t->near, (struct sockaddr *)&addr, sizeof(addr), 0) ?:
		kernel_accept(t->listener, &t->far, 0);
}

static void mcp_batch_test_exit(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;

	if (!t)
		return;
	mcp_batch_free(t->batch);
	if (t->far)
		mcp_socket_release(t->far);
	if (t->near)
		mcp_socket_release(t->near);
	if (t->listener)
		sock_release(t->listener);
}

/* Puts so many octets into the batch, each piece in pages of its own. */
static void mcp_test_fill(struct kunit *test, u32 len)
{
	struct mcp_batch_test *t = test->priv;
	struct mcp_batch *batch = t->batch;

	while (len) {
		struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		u32 part = min_t(u32, len, PAGE_SIZE);

		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_ASSERT_LT(test, batch->end, MCP_BATCH_PIECES);
		batch->piece[batch->end++] = (struct bio_vec) {
			.bv_page = page, .bv_len = part,
		};
		batch->held += PAGE_SIZE;
		batch->len += part;
		len -= part;
	}
}

static int mcp_test_read(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	u8 buf[256];

	return mcp_socket_receive(t->far, buf, sizeof(buf));
}

/* MPTCP gets full segments; the rest waits as long as there is more to read. */
static void mcp_batch_fills_segments(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	const u32 octets = 66000;
	u32 sent, got;

	/* From then on it is known how large segments are. */
	mcp_test_fill(test, 1);
	KUNIT_ASSERT_EQ(test, mcp_batch_send(t->batch, t->near), 1);

	mcp_test_fill(test, octets);
	t->batch->more = true;
	sent = mcp_batch_send(t->batch, t->near);
	KUNIT_ASSERT_NE(test, t->batch->goal, 0);
	KUNIT_EXPECT_GT(test, sent, 0);
	KUNIT_EXPECT_EQ(test, sent % t->batch->goal, 0);
	KUNIT_EXPECT_EQ(test, t->batch->len, octets - sent);
	KUNIT_EXPECT_LT(test, t->batch->len, t->batch->goal);
	KUNIT_EXPECT_EQ(test, mcp_batch_send(t->batch, t->near), 0);
	KUNIT_EXPECT_EQ(test, t->batch->len, octets - sent);

	t->batch->more = false;
	KUNIT_EXPECT_EQ(test, mcp_batch_send(t->batch, t->near), octets - sent);
	KUNIT_EXPECT_EQ(test, t->batch->len, 0);
	KUNIT_EXPECT_EQ(test, t->batch->held, 0);

	for (got = 0; got < octets + 1;) {
		int n = mcp_test_read(test);

		if (n == -EAGAIN) {
			msleep(1);
			continue;
		}
		KUNIT_ASSERT_GT(test, n, 0);
		got += n;
	}
	KUNIT_EXPECT_EQ(test, got, octets + 1);
}

/* A socket that has no room says so: what waits for more does not hide it. */
static void mcp_batch_does_not_fill_what_is_full(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	u32 sent = 0;
	int n;

	mcp_test_fill(test, 1);
	KUNIT_ASSERT_EQ(test, mcp_batch_send(t->batch, t->near), 1);
	/* Nobody reads: this is so much that the socket takes no more. */
	for (;;) {
		if (!t->batch->len)
			mcp_test_fill(test, 40 * PAGE_SIZE);
		n = mcp_batch_send(t->batch, t->near);
		if (n <= 0)
			break;
		sent += n;
		KUNIT_ASSERT_LT(test, sent, 4 * MCP_TEST_BUFFER);
	}
	KUNIT_EXPECT_EQ(test, n, -EAGAIN);
	KUNIT_EXPECT_GT(test, t->batch->len, 0);
	/* Nor if there is more to read: the socket tells when it has room. */
	t->batch->more = true;
	KUNIT_EXPECT_EQ(test, mcp_batch_send(t->batch, t->near), -EAGAIN);
}

static struct kunit_case batch_cases[] = {
	KUNIT_CASE(mcp_batch_fills_segments),
	KUNIT_CASE(mcp_batch_does_not_fill_what_is_full),
	{}
};

struct kunit_suite mcp_batch_suite = {
	.name = "mcp_batch",
	.init = mcp_batch_test_init,
	.exit = mcp_batch_test_exit,
	.test_cases = batch_cases,
};
