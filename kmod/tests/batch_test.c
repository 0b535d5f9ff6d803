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
#include <net/tcp.h>

#include "batch.h"
#include "socket.h"
#include "suites.h"

#define MCP_TEST_BUFFER	(4 << 20)

/**
 * struct mcp_batch_test - connections over the loopback
 * @near: MPTCP, which batches are sent to
 * @far: its other end
 * @tcp: what batches are read from
 * @tcp_peer: its other end
 * @batch: the batch
 * @filled: octets that were put in so far; see mcp_test_octet()
 */
struct mcp_batch_test {
	struct socket *near;
	struct socket *far;
	struct socket *tcp;
	struct socket *tcp_peer;
	struct mcp_batch *batch;
	u32 filled;
};

/* With buffers that take all that is sent. */
static int mcp_test_socket(struct socket **sock, int protocol)
{
	int err;

	if (protocol == IPPROTO_MPTCP)
		return mcp_socket_mptcp(&init_net, AF_INET, sock) ?:
			mcp_socket_set_option(*sock, SOL_SOCKET, SO_SNDBUF,
					      MCP_TEST_BUFFER) ?:
			mcp_socket_set_option(*sock, SOL_SOCKET, SO_RCVBUF,
					      MCP_TEST_BUFFER);
	err = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, protocol, sock);
	if (!err)
		sock_set_rcvbuf((*sock)->sk, MCP_TEST_BUFFER);
	return err;
}

/* Both ends of a connection. */
static int mcp_test_connect(int protocol, struct socket **near,
			    struct socket **far)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct socket *listener = NULL;
	int err;

	err = mcp_test_socket(&listener, protocol) ?:
		kernel_bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ?:
		kernel_listen(listener, 1);
	if (!err)
		err = min(kernel_getsockname(listener, (struct sockaddr *)&addr), 0);
	if (!err)
		err = mcp_test_socket(near, protocol) ?:
			kernel_connect(*near, (struct sockaddr *)&addr,
				       sizeof(addr), 0) ?:
			kernel_accept(listener, far, 0);
	if (listener)
		sock_release(listener);
	return err;
}

static int mcp_batch_test_init(struct kunit *test)
{
	struct mcp_batch_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->batch = mcp_batch_new();
	if (!t->batch)
		return -ENOMEM;
	return mcp_test_connect(IPPROTO_MPTCP, &t->near, &t->far) ?:
		mcp_test_connect(IPPROTO_TCP, &t->tcp_peer, &t->tcp);
}

static void mcp_batch_test_exit(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	struct socket *socks[4];
	int i;

	if (!t)
		return;
	socks[0] = t->near;
	socks[1] = t->far;
	socks[2] = t->tcp;
	socks[3] = t->tcp_peer;
	mcp_batch_free(t->batch);
	for (i = 0; i < ARRAY_SIZE(socks); i++)
		if (socks[i])
			mcp_socket_release(socks[i]);
}

static u8 mcp_test_octet(u32 pos)
{
	return pos + (pos >> 8) * 7;
}

/* Puts so many octets into the batch, each piece in a page of its own. */
static void mcp_test_fill(struct kunit *test, u32 len)
{
	struct mcp_batch_test *t = test->priv;
	struct mcp_batch *batch = t->batch;

	while (len) {
		struct page *page = alloc_page(GFP_KERNEL);
		u32 part = min_t(u32, len, PAGE_SIZE), i;

		KUNIT_ASSERT_NOT_NULL(test, page);
		for (i = 0; i < part; i++)
			((u8 *)page_address(page))[i] = mcp_test_octet(t->filled++);
		KUNIT_ASSERT_LT(test, batch->end, MCP_BATCH_PIECES);
		batch->piece[batch->end++] = (struct bio_vec) {
			.bv_page = page, .bv_len = part,
		};
		batch->held += PAGE_SIZE;
		batch->len += part;
		len -= part;
	}
}

/* Once MPTCP has sent something, it is known how large its segments are. */
static void mcp_test_begin(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;

	mcp_test_fill(test, 1);
	KUNIT_ASSERT_EQ(test, mcp_batch_send(t->batch, t->near), 1);
	if (!mcp_socket_goal(t->near, MCP_BATCH_OCTETS))
		kunit_skip(test, "the loopback's MTU is larger than any segment");
}

/* The other end gets what was filled in, and no more. */
static void mcp_test_arrives(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	u32 got = 0, wrong = 0, i;
	int patience = 500, n;
	u8 buf[256];

	for (;;) {
		n = mcp_socket_receive(t->far, buf, sizeof(buf));
		if (n == -EAGAIN && got < t->filled && patience--) {
			msleep(20);
			continue;
		}
		if (n <= 0)
			break;
		for (i = 0; i < n; i++)
			wrong += buf[i] != mcp_test_octet(got++);
	}
	KUNIT_EXPECT_EQ(test, n, -EAGAIN);
	KUNIT_EXPECT_EQ(test, got, t->filled);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* MPTCP gets full segments; the rest waits as long as there is more to read. */
static void mcp_batch_fills_segments(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	const u32 octets = 66000;
	u32 sent;

	mcp_test_begin(test);
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
	mcp_test_arrives(test);
}

/* A socket that has no room says so: what waits for more does not hide it. */
static void mcp_batch_does_not_wait_without_room(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	int n, refused = 0;

	mcp_test_begin(test);
	/* Nobody reads: this is so much that the socket takes no more. */
	while (refused < 2) {
		if (!t->batch->len)
			mcp_test_fill(test, 40 * PAGE_SIZE);
		n = mcp_batch_send(t->batch, t->near);
		if (n > 0) {
			refused = 0;
			KUNIT_ASSERT_LT(test, t->filled, 4 * MCP_TEST_BUFFER);
			continue;
		}
		KUNIT_ASSERT_EQ(test, n, -EAGAIN);
		/* Until nothing is on its way that could make room. */
		refused++;
		msleep(300);
	}
	mcp_batch_free(t->batch);
	t->batch = mcp_batch_new();
	KUNIT_ASSERT_NOT_NULL(test, t->batch);
	mcp_test_fill(test, 1000);
	t->batch->more = true;
	KUNIT_EXPECT_EQ(test, mcp_batch_send(t->batch, t->near), -EAGAIN);
	KUNIT_EXPECT_LT(test, 1000, t->batch->goal);
}

/* Has the TCP peer say so much, and waits until it is there. */
static void mcp_test_say(struct kunit *test, u32 octets)
{
	struct mcp_batch_test *t = test->priv;
	u32 until = t->filled + octets, i;
	int patience = 500;
	u8 buf[250];

	while (t->filled < until) {
		u32 n = min_t(u32, until - t->filled, sizeof(buf));
		struct kvec iov = { .iov_base = buf, .iov_len = n };
		struct msghdr msg = { };

		for (i = 0; i < n; i++)
			buf[i] = mcp_test_octet(t->filled++);
		KUNIT_ASSERT_EQ(test, kernel_sendmsg(t->tcp_peer, &msg, &iov, 1, n), n);
	}
	while (tcp_inq(t->tcp->sk) < octets && patience--)
		msleep(20);
	KUNIT_ASSERT_EQ(test, tcp_inq(t->tcp->sk), octets);
}

/* What waits is filled up with what is read next, and goes when there is no more. */
static void mcp_batch_fills_up(struct kunit *test)
{
	struct mcp_batch_test *t = test->priv;
	u32 filled_up = 0;
	int n, m;

	mcp_test_begin(test);
	mcp_test_say(test, 150000);
	kernel_sock_shutdown(t->tcp_peer, SHUT_WR);
	for (;;) {
		u32 before = t->batch->len;

		/* Three times, for none of which segments are a divisor. */
		n = mcp_batch_receive(t->batch, t->tcp, 50001);
		if (n <= 0 && before) {
			KUNIT_EXPECT_EQ(test, n, -EAGAIN);
			KUNIT_EXPECT_FALSE(test, t->batch->more);
		}
		if (!before && n <= 0)
			break;
		if (n > 0) {
			KUNIT_EXPECT_EQ(test, t->batch->len, before + n);
			filled_up += before > 0;
		}
		do {
			m = mcp_batch_send(t->batch, t->near);
		} while (m > 0 && t->batch->len);
		KUNIT_ASSERT_GE(test, m, 0);
		if (!t->batch->more)
			KUNIT_ASSERT_EQ(test, t->batch->len, 0);
	}
	KUNIT_EXPECT_EQ(test, n, 0);
	KUNIT_EXPECT_GT(test, filled_up, 0);
	KUNIT_EXPECT_EQ(test, t->batch->held, 0);
	KUNIT_EXPECT_EQ(test, t->batch->end, 0);
	mcp_test_arrives(test);
}

static struct kunit_case batch_cases[] = {
	KUNIT_CASE(mcp_batch_fills_segments),
	KUNIT_CASE(mcp_batch_does_not_wait_without_room),
	KUNIT_CASE(mcp_batch_fills_up),
	{}
};

struct kunit_suite mcp_batch_suite = {
	.name = "mcp_batch",
	.init = mcp_batch_test_init,
	.exit = mcp_batch_test_exit,
	.test_cases = batch_cases,
};
