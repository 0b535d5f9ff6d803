// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/tcp.h>

#include "batch.h"
#include "relay.h"
#include "session.h"
#include "socket.h"

/* Batches a direction moves before others get the CPU. */
#define MCP_BATCHES_PER_RUN	8
/* Reads of a client that has nobody to talk to, before others get the CPU. */
#define MCP_READS_PER_RUN	32
/*
 * A socket that is writable gets that, whatever it says: as much as a segment may
 * carry. Older kernels enlarge the send buffer of MPTCP only when it was full.
 */
#define MCP_LEAST_ROOM	65536
/*
 * How often a direction looks whether there is memory again; where there are many
 * sessions, so much less often that no more than so many look in a millisecond.
 */
#define MCP_MEMORY_POLL_MS	20
#define MCP_MEMORY_POLLS_PER_MS	16

static struct kmem_cache *mcp_relay_cache;

/**
 * mcp_relay_module_init() - what all namespaces share
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int mcp_relay_module_init(void)
{
	mcp_relay_cache = KMEM_CACHE(mcp_relay, 0);
	return mcp_relay_cache ? 0 : -ENOMEM;
}

/**
 * mcp_relay_module_exit() - undo mcp_relay_module_init()
 *
 * Context: process; no namespace has a session any more.
 */
void mcp_relay_module_exit(void)
{
	kmem_cache_destroy(mcp_relay_cache);
}

static void mcp_flow_free_first(struct mcp_flow *flow)
{
	kfree(flow->chunk);
	flow->chunk = NULL;
	flow->len = 0;
}

/**
 * mcp_flow_free() - free what a direction still holds
 * @flow: the direction
 *
 * Context: any.
 */
void mcp_flow_free(struct mcp_flow *flow)
{
	mcp_flow_free_first(flow);
	mcp_batch_free(flow->batch);
	flow->batch = NULL;
}

/**
 * mcp_relay_new() - see that there is a relay
 * @s: the session
 *
 * A half-open session needs none: so it is small.
 *
 * Context: the worker.
 * Return: false without memory.
 */
bool mcp_relay_new(struct mcp_session *s)
{
	struct mcp_relay *relay;

	if (s->relay)
		return true;
	relay = kmem_cache_zalloc(mcp_relay_cache, GFP_KERNEL);
	/* For mcp_relay_octets(). */
	smp_store_release(&s->relay, relay);
	return relay;
}

/**
 * mcp_relay_free() - free the relay and what it still holds
 * @s: the session, which nobody uses any more
 *
 * Context: any but hard interrupt.
 */
void mcp_relay_free(struct mcp_session *s)
{
	if (!s->relay)
		return;
	mcp_flow_free(&s->relay->flow[MCP_UP]);
	mcp_flow_free(&s->relay->flow[MCP_DOWN]);
	kfree(s->relay->reply);
	kmem_cache_free(mcp_relay_cache, s->relay);
}

/**
 * mcp_relay_octets() - what was passed on so far
 * @s: the session; the caller has a reference
 * @dir: the direction
 *
 * Context: any.
 */
u64 mcp_relay_octets(const struct mcp_session *s, enum mcp_direction dir)
{
	/* It may only just have come: see mcp_relay_new(). */
	const struct mcp_relay *relay = smp_load_acquire(&s->relay);

	return relay ? READ_ONCE(relay->flow[dir].bytes) : 0;
}

static bool mcp_flow_empty(const struct mcp_flow *flow)
{
	return !flow->len && !(flow->batch && flow->batch->len);
}

/* Octets were passed on. */
static void mcp_flow_said(struct mcp_session *s, struct mcp_flow *flow, u32 n)
{
	WRITE_ONCE(flow->bytes, flow->bytes + n);
	mcp_count_add(s->mnet, flow == &s->relay->flow[MCP_UP] ?
		      MCP_STAT_OCTETS_UP : MCP_STAT_OCTETS_DOWN, n);
}

/* Writes what is said first. 0: all of it; else -EAGAIN or an error. */
static int mcp_flow_push_first(struct mcp_session *s, struct mcp_flow *flow,
			       struct socket *to)
{
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
		mcp_flow_said(s, flow, n - own);
		flow->data += n;
		flow->len -= n;
	}
	mcp_flow_free_first(flow);
	return 0;
}

/*
 * Writes what the direction holds. 0: all of it, or all but what is to go with octets
 * that can be read; else -EAGAIN or an error.
 */
static int mcp_flow_push(struct mcp_session *s, struct mcp_flow *flow,
			 struct socket *to)
{
	int n = flow->len ? mcp_flow_push_first(s, flow, to) : 0;

	while (!n && flow->batch && flow->batch->len) {
		n = mcp_batch_send(flow->batch, to);
		if (n <= 0)
			break;
		mcp_flow_said(s, flow, n);
		n = 0;
	}
	return n;
}

/*
 * Backpressure: nothing is read that could not be written. Asked in the way of
 * poll(), a socket that is not writable promises to wake us when
 * that changes: TCP, and MPTCP on older kernels, remember it in different places. And
 * kernel_accept() leaves the operations of the MPTCP listener also to a connection
 * that is TCP.
 */
static bool mcp_writable(struct socket *sock)
{
	__poll_t mask = sock->sk->sk_protocol == IPPROTO_MPTCP ?
		sock->ops->poll(NULL, sock, NULL) : tcp_poll(NULL, sock, NULL);

	return mask & EPOLLOUT;
}

/**
 * enum mcp_flow_result - where a direction stands
 * @MCP_FLOW_BLOCKED: the reading side has nothing, or the writing side is full
 * @MCP_FLOW_AGAIN: it had its share, there may be more
 * @MCP_FLOW_OVER: its end, or its error, was met and all before it passed on
 * @MCP_FLOW_FROM_GONE: error of the reading side
 * @MCP_FLOW_TO_GONE: error of the writing side
 */
enum mcp_flow_result {
	MCP_FLOW_BLOCKED,
	MCP_FLOW_AGAIN,
	MCP_FLOW_OVER,
	MCP_FLOW_FROM_GONE,
	MCP_FLOW_TO_GONE,
};

/* Nobody tells when there is memory again. */
static void mcp_look_again(struct mcp_session *s)
{
	unsigned int sessions = atomic_read(&s->mnet->session_count);

	s->look_again = mcp_deadline(MCP_MEMORY_POLL_MS +
				     sessions / MCP_MEMORY_POLLS_PER_MS);
}

/*
 * An MPTCP socket that has nothing under way, and takes nothing, has no memory: no
 * ACK will come that would wake us. TCP wakes us itself.
 */
static void mcp_await_memory(struct mcp_session *s, const struct socket *to)
{
	if (!READ_ONCE(to->sk->sk_wmem_queued))
		mcp_look_again(s);
}

/*
 * What was read must be written, or kept: read no more than finds room beside what
 * is kept already, or fills a segment. Both kinds of socket count what they have
 * taken in the same place.
 */
static u32 mcp_room(const struct socket *sock, u32 held)
{
	return max_t(int, sk_stream_wspace(sock->sk) - held, MCP_LEAST_ROOM);
}

/* Reads what the other side can take. Octets, 0 at the end, or an error. */
static int mcp_flow_pull(struct mcp_flow *flow, struct socket *from,
			 const struct socket *to)
{
	if (!flow->batch)
		flow->batch = mcp_batch_new();
	if (!flow->batch)
		return -ENOMEM;
	return mcp_batch_receive(flow->batch, from,
				 mcp_room(to, flow->batch->len));
}

static enum mcp_flow_result mcp_flow_move(struct mcp_session *s,
					  enum mcp_direction dir,
					  struct socket *from,
					  struct socket *to)
{
	struct mcp_flow *flow = &s->relay->flow[dir];
	int batches = MCP_BATCHES_PER_RUN;
	int n;

	for (;;) {
		n = mcp_flow_push(s, flow, to);
		if (n == -EAGAIN) {
			mcp_await_memory(s, to);
			return MCP_FLOW_BLOCKED;
		}
		if (n)
			return MCP_FLOW_TO_GONE;
		if (flow->eof) {
			kernel_sock_shutdown(to, SHUT_WR);
			flow->shut = true;
			return MCP_FLOW_OVER;
		}
		if (flow->broken)
			return MCP_FLOW_OVER;
		if (!batches--)
			return MCP_FLOW_AGAIN;
		if ((mcp_flow_empty(flow) && mcp_batch_nothing(from)) ||
		    !mcp_writable(to))
			return MCP_FLOW_BLOCKED;
		n = mcp_flow_pull(flow, from, to);
		/* What waits for more to come waits no longer. */
		if (n == -EAGAIN && !mcp_flow_empty(flow))
			continue;
		if (n == -EAGAIN)
			return MCP_FLOW_BLOCKED;
		if (n == -ENOMEM) {
			mcp_look_again(s);
			return MCP_FLOW_BLOCKED;
		}
		/*
		 * An error is told once; afterwards it looks like the end. But
		 * the end may also have come before the error.
		 */
		if (n < 0 || (!n && s->gone && !sock_flag(from->sk, SOCK_DONE))) {
			flow->broken = true;
			return MCP_FLOW_FROM_GONE;
		}
		mcp_session_event(s, dir == MCP_UP ?
				  (n ? MCP_EV_INTERNAL_OTHER : MCP_EV_INTERNAL_FIN) :
				  (n ? MCP_EV_EXTERNAL_OTHER : MCP_EV_EXTERNAL_FIN));
		if (!n)
			flow->eof = true;
	}
}

static enum mcp_flow_result mcp_flow_run(struct mcp_session *s,
					 enum mcp_direction dir,
					 struct socket *from, struct socket *to)
{
	struct mcp_flow *flow = &s->relay->flow[dir];
	enum mcp_flow_result res;

	if (flow->shut || (flow->broken && mcp_flow_empty(flow)))
		return MCP_FLOW_OVER;
	res = mcp_flow_move(s, dir, from, to);
	/* A direction that is at rest holds nothing. */
	if (mcp_flow_empty(flow))
		mcp_flow_free(flow);
	return res;
}

/* Moves one direction, and notes which side is gone. */
static enum mcp_flow_result mcp_relay_flow(struct mcp_session *s,
					   enum mcp_direction dir)
{
	struct socket *up = s->upstream, *down = s->down.sock;
	bool upward = dir == MCP_UP;
	enum mcp_flow_result res;

	res = mcp_flow_run(s, dir, upward ? up : down, upward ? down : up);
	if (s->gone)
		return res;
	if (res == MCP_FLOW_FROM_GONE)
		s->gone = upward ? MCP_GONE_UPSTREAM : MCP_GONE_DOWNSTREAM;
	else if (res == MCP_FLOW_TO_GONE)
		s->gone = upward ? MCP_GONE_DOWNSTREAM : MCP_GONE_UPSTREAM;
	return res;
}

/*
 * One side is gone. What it had been acknowledged belongs to the other side, and
 * gets there before the reset does.
 */
static enum mcp_relay_result mcp_relay_rest(struct mcp_session *s)
{
	bool up_gone = s->gone == MCP_GONE_UPSTREAM;
	enum mcp_flow_result res;

	res = mcp_relay_flow(s, up_gone ? MCP_UP : MCP_DOWN);
	if (res == MCP_FLOW_AGAIN)
		return MCP_RELAY_AGAIN;
	if (res == MCP_FLOW_BLOCKED ||
	    (res != MCP_FLOW_TO_GONE &&
	     !mcp_socket_drained(up_gone ? s->down.sock : s->upstream)))
		return MCP_RELAY_DRAIN;
	return up_gone ? MCP_RELAY_UPSTREAM_GONE : MCP_RELAY_DOWNSTREAM_GONE;
}

/**
 * mcp_relay_run() - move what can be moved, both ways
 * @s: the session, bound
 *
 * A bounded amount of work. When a side is gone, what it said before still gets
 * to the other one; then *_GONE is returned.
 *
 * Context: the worker.
 * Return: what is next.
 */
enum mcp_relay_result mcp_relay_run(struct mcp_session *s)
{
	enum mcp_flow_result rd = MCP_FLOW_OVER, ru = MCP_FLOW_OVER;

	if (!s->gone)
		rd = mcp_relay_flow(s, MCP_DOWN);
	if (!s->gone)
		ru = mcp_relay_flow(s, MCP_UP);
	/* Who cannot pass on what a side said does not read of its reset either. */
	if (!s->gone && mcp_socket_broken(s->upstream))
		s->gone = MCP_GONE_UPSTREAM;
	else if (!s->gone && mcp_socket_broken(s->down.sock))
		s->gone = MCP_GONE_DOWNSTREAM;
	/* A side that has said its end says nothing of a reset after that. */
	if (!s->gone && rd != ru) {
		if (s->relay->flow[MCP_UP].eof && mcp_socket_closed(s->upstream))
			s->gone = MCP_GONE_UPSTREAM;
		else if (s->relay->flow[MCP_DOWN].eof &&
			 mcp_socket_closed(s->down.sock))
			s->gone = MCP_GONE_DOWNSTREAM;
	}
	if (s->gone)
		return mcp_relay_rest(s);
	if (rd == MCP_FLOW_OVER && ru == MCP_FLOW_OVER)
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
	struct mcp_flow *flow = &s->relay->flow[MCP_DOWN];
	int reads = MCP_READS_PER_RUN;
	u8 sink[256];
	int n;

	if (!flow->shut) {
		n = mcp_flow_push_first(s, flow, s->upstream);
		if (n == -EAGAIN) {
			mcp_await_memory(s, s->upstream);
			return MCP_RELAY_WAIT;
		}
		if (n)
			return MCP_RELAY_UPSTREAM_GONE;
		kernel_sock_shutdown(s->upstream, SHUT_WR);
		flow->shut = true;
	}
	while (reads--) {
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
