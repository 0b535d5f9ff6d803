// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "relay.h"
#include "session.h"
#include "socket.h"

/* What is read at once; also all that a blocked direction ever holds. */
#define MCP_CHUNK	32768
/* Chunks a direction moves before others get the CPU. */
#define MCP_CHUNKS_PER_RUN	32

/**
 * mcp_flow_free() - free what a direction still holds
 * @flow: the direction
 *
 * Context: any.
 */
void mcp_flow_free(struct mcp_flow *flow)
{
	kfree(flow->chunk);
	flow->chunk = NULL;
	flow->len = 0;
}

/* Writes what the direction holds. 0: all of it; else -EAGAIN or an error. */
static int mcp_flow_push(struct mcp_session *s, struct mcp_flow *flow,
			 struct socket *to)
{
	enum mcp_stat octets = flow == &s->flow[MCP_UP] ?
		MCP_STAT_OCTETS_UP : MCP_STAT_OCTETS_DOWN;

	while (flow->len) {
		struct kvec iov = {
			.iov_base = flow->data, .iov_len = flow->len,
		};
		struct msghdr msg = {
			.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL,
		};
		u32 own;
		int n;

		n = kernel_sendmsg(to, &msg, &iov, 1, flow->len);
		if (n < 0)
			return n;
		own = min_t(u32, n, flow->own);
		flow->own -= own;
		WRITE_ONCE(flow->bytes, flow->bytes + n - own);
		mcp_count_add(s->mnet, octets, n - own);
		flow->data += n;
		flow->len -= n;
	}
	mcp_flow_free(flow);
	return 0;
}

/*
 * Backpressure: nothing is read that could not be written. Asked in the way of
 * poll(), the socket promises to wake us when that changes: TCP, and MPTCP on
 * older kernels, remember it in different places.
 */
static bool mcp_writable(struct socket *sock)
{
	return sock->ops->poll(NULL, sock, NULL) & EPOLLOUT;
}

/**
 * enum mcp_flow_result - where a direction stands
 * @MCP_FLOW_BLOCKED: the reading side has nothing, or the writing side is full
 * @MCP_FLOW_AGAIN: it had its share, there may be more
 * @MCP_FLOW_SHUT: its end was passed on
 * @MCP_FLOW_FROM_GONE: error of the reading side
 * @MCP_FLOW_TO_GONE: error of the writing side
 */
enum mcp_flow_result {
	MCP_FLOW_BLOCKED,
	MCP_FLOW_AGAIN,
	MCP_FLOW_SHUT,
	MCP_FLOW_FROM_GONE,
	MCP_FLOW_TO_GONE,
};

static enum mcp_flow_result mcp_flow_run(struct mcp_session *s,
					 enum mcp_direction dir,
					 struct socket *from, struct socket *to)
{
	struct mcp_flow *flow = &s->flow[dir];
	int chunks = MCP_CHUNKS_PER_RUN;
	void *spare = NULL;
	enum mcp_flow_result res;
	int n;

	if (flow->shut)
		return MCP_FLOW_SHUT;
	for (;;) {
		if (flow->len) {
			n = mcp_flow_push(s, flow, to);
			if (n) {
				res = n == -EAGAIN ? MCP_FLOW_BLOCKED :
					MCP_FLOW_TO_GONE;
				break;
			}
		}
		if (flow->eof) {
			kernel_sock_shutdown(to, SHUT_WR);
			flow->shut = true;
			res = MCP_FLOW_SHUT;
			break;
		}
		if (!chunks--) {
			res = MCP_FLOW_AGAIN;
			break;
		}
		res = MCP_FLOW_BLOCKED;
		if (!mcp_writable(to))
			break;
		if (!spare)
			spare = kmalloc(MCP_CHUNK, GFP_KERNEL);
		if (!spare) {
			res = MCP_FLOW_AGAIN;
			break;
		}
		n = mcp_socket_receive(from, spare, MCP_CHUNK);
		if (n == -EAGAIN)
			break;
		if (n < 0) {
			res = MCP_FLOW_FROM_GONE;
			break;
		}
		mcp_session_event(s, dir == MCP_UP ?
				  (n ? MCP_EV_INTERNAL_OTHER : MCP_EV_INTERNAL_FIN) :
				  (n ? MCP_EV_EXTERNAL_OTHER : MCP_EV_EXTERNAL_FIN));
		if (!n) {
			flow->eof = true;
			continue;
		}
		/* The direction owns the chunk while something is in it. */
		flow->chunk = spare;
		flow->data = spare;
		flow->len = n;
		n = mcp_flow_push(s, flow, to);
		spare = NULL;
		if (n) {
			res = n == -EAGAIN ? MCP_FLOW_BLOCKED : MCP_FLOW_TO_GONE;
			break;
		}
	}
	kfree(spare);
	return res;
}

/**
 * mcp_relay_run() - move what can be moved, both ways
 * @s: the session, bound
 *
 * A bounded amount of work; the server's direction first, so that what it said
 * before a reset still gets through.
 *
 * Context: the worker.
 * Return: what is next.
 */
enum mcp_relay_result mcp_relay_run(struct mcp_session *s)
{
	struct socket *up = s->upstream, *down = s->down.sock;
	enum mcp_flow_result rd, ru;

	rd = mcp_flow_run(s, MCP_DOWN, down, up);
	if (rd == MCP_FLOW_FROM_GONE)
		return MCP_RELAY_DOWNSTREAM_GONE;
	if (rd == MCP_FLOW_TO_GONE)
		return MCP_RELAY_UPSTREAM_GONE;
	ru = mcp_flow_run(s, MCP_UP, up, down);
	if (ru == MCP_FLOW_FROM_GONE)
		return MCP_RELAY_UPSTREAM_GONE;
	if (ru == MCP_FLOW_TO_GONE)
		return MCP_RELAY_DOWNSTREAM_GONE;
	if (rd == MCP_FLOW_SHUT && ru == MCP_FLOW_SHUT)
		return MCP_RELAY_DONE;
	if (rd == MCP_FLOW_AGAIN || ru == MCP_FLOW_AGAIN)
		return MCP_RELAY_AGAIN;
	return MCP_RELAY_WAIT;
}

/**
 * mcp_relay_last_words() - tell the client its error, wait until it leaves
 * @s: the session; @flow[MCP_DOWN] has what is to be told
 *
 * RFC 8803 section 4.2.8: the stream ends after an Error TLV, and the client is
 * the one who resets. What it sends meanwhile has nowhere to go.
 *
 * Context: the worker.
 * Return: WAIT, AGAIN, DONE (the client has ended too) or UPSTREAM_GONE.
 */
enum mcp_relay_result mcp_relay_last_words(struct mcp_session *s)
{
	struct mcp_flow *flow = &s->flow[MCP_DOWN];
	int chunks = MCP_CHUNKS_PER_RUN;
	u8 sink[256];
	int n;

	if (!flow->shut) {
		n = mcp_flow_push(s, flow, s->upstream);
		if (n == -EAGAIN)
			return MCP_RELAY_WAIT;
		if (n)
			return MCP_RELAY_UPSTREAM_GONE;
		kernel_sock_shutdown(s->upstream, SHUT_WR);
		flow->shut = true;
	}
	while (chunks--) {
		n = mcp_socket_receive(s->upstream, sink, sizeof(sink));
		if (n == -EAGAIN)
			return MCP_RELAY_WAIT;
		if (n < 0)
			return MCP_RELAY_UPSTREAM_GONE;
		if (!n)
			return MCP_RELAY_DONE;
	}
	return MCP_RELAY_AGAIN;
}
