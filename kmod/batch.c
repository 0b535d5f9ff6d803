// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>
#include <net/tcp.h>

#include "batch.h"
#include "compat.h"
#include "pages.h"
#include "socket.h"

/* The rest of a page that is too small to be read into. */
#define MCP_BATCH_REST	2048
/* What is read into pages of ours at once: as much as a segment may carry. */
#define MCP_BATCH_READ	65536
#define MCP_BATCH_READ_PIECES	3
/* MPTCP notes in the page what it has copied there. */
#define MCP_BATCH_NOTE	64
/*
 * A page given to a socket is held until the last octet of it is acknowledged, but
 * the socket counts the octets: pages may be so many times more than these, and
 * those of a batch than MCP_BATCH_OCTETS.
 */
#define MCP_BATCH_WASTE	4

/**
 * mcp_batch_new() - an empty batch
 *
 * Context: process.
 * Return: NULL without memory.
 */
struct mcp_batch *mcp_batch_new(void)
{
	struct mcp_batch *batch = kmalloc(sizeof(*batch), GFP_KERNEL);

	if (!batch)
		return NULL;
	batch->len = 0;
	batch->held = 0;
	batch->first = 0;
	batch->end = 0;
	batch->more = false;
	batch->goal = 0;
	return batch;
}

/**
 * mcp_batch_free() - forget a batch and what is in it
 * @batch: may be NULL
 *
 * Context: any.
 */
void mcp_batch_free(struct mcp_batch *batch)
{
	if (!batch)
		return;
	while (batch->first < batch->end)
		put_page(batch->piece[batch->first++].bv_page);
	kfree(batch);
}

/* Is a piece of the same page as the one before it? That page is held once. */
static bool mcp_batch_same(const struct bio_vec *piece, const struct page *page)
{
	return compound_head(piece->bv_page) == compound_head(page);
}

/* False: there is no room for another piece. */
static bool mcp_batch_add(struct mcp_batch *batch, struct page *page, u32 offset,
			  u32 len)
{
	size_t size = page_size(compound_head(page));

	if (batch->end > batch->first) {
		struct bio_vec *last = &batch->piece[batch->end - 1];

		if (mcp_batch_same(last, page))
			size = 0;
		else if (batch->held + size > MCP_BATCH_OCTETS * MCP_BATCH_WASTE)
			return false;
		if (last->bv_page == page &&
		    last->bv_offset + last->bv_len == offset) {
			last->bv_len += len;
			batch->len += len;
			return true;
		}
	}
	if (batch->end == MCP_BATCH_PIECES)
		return false;
	get_page(page);
	batch->held += size;
	batch->piece[batch->end++] = (struct bio_vec) {
		.bv_page = page, .bv_offset = offset, .bv_len = len,
	};
	batch->len += len;
	return true;
}

/* Copies what is in no page that could be held. Returns how many octets. */
static u32 mcp_batch_copy(struct mcp_batch *batch, const u8 *data, u32 len)
{
	u32 done = 0, n;

	while (done < len) {
		struct page_frag *frag = mcp_pages_refill(MCP_BATCH_REST);

		if (!frag)
			break;
		n = min_t(u32, len - done, frag->size - frag->offset);
		if (!mcp_batch_add(batch, frag->page, frag->offset, n))
			break;
		memcpy((u8 *)page_address(frag->page) + frag->offset, data + done, n);
		frag->offset += n;
		done += n;
	}
	return done;
}

/* What lies in the head of a packet. */
static u32 mcp_batch_add_head(struct mcp_batch *batch, const struct sk_buff *skb,
			      u32 offset, u32 len)
{
	u8 *data = skb->data + offset;
	struct page *page;

	if (!skb->head_frag || skb_cloned(skb))
		return mcp_batch_copy(batch, data, len);
	page = virt_to_head_page(data);
	return mcp_batch_add(batch, page, data - (u8 *)page_address(page), len) ?
		len : 0;
}

/* Returns how many octets found room. */
static u32 mcp_batch_add_skb(struct mcp_batch *batch, struct sk_buff *skb,
			     u32 offset, u32 len)
{
	u32 done = 0, pos = skb_headlen(skb), skip, got, n;
	struct sk_buff *part;
	int i;

	if (offset < pos) {
		n = min(len, pos - offset);
		done = mcp_batch_add_head(batch, skb, offset, n);
		if (done < n)
			return done;
	}
	for (i = 0; i < skb_shinfo(skb)->nr_frags && done < len; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];
		u32 size = skb_frag_size(frag);

		if (offset + done < pos + size) {
			skip = offset + done - pos;
			n = min(len - done, size - skip);
			if (!mcp_batch_add(batch, skb_frag_page(frag),
					   skb_frag_off(frag) + skip, n))
				return done;
			done += n;
		}
		pos += size;
	}
	skb_walk_frags(skb, part) {
		if (done == len)
			break;
		if (offset + done < pos + part->len) {
			skip = offset + done - pos;
			n = min(len - done, part->len - skip);
			got = mcp_batch_add_skb(batch, part, skip, n);
			done += got;
			if (got < n)
				break;
		}
		pos += part->len;
	}
	return done;
}

static int mcp_batch_take_skb(read_descriptor_t *desc, struct sk_buff *skb,
			      unsigned int offset, size_t len)
{
	struct mcp_batch *batch = desc->arg.data;
	u32 wanted = min(len, desc->count), taken;

	if (!wanted)
		return 0;
	if (!mcp_skb_readable(skb))
		return -EFAULT;
	taken = mcp_batch_add_skb(batch, skb, offset, wanted);
	desc->count = taken < wanted ? 0 : desc->count - taken;
	return taken ?: -ENOMEM;
}

/* Takes what is there, without a copy. 0: nothing is. */
static int mcp_batch_take(struct mcp_batch *batch, struct sock *sk, u32 max)
{
	read_descriptor_t desc = { .arg.data = batch, .count = max };
	int n;

	lock_sock(sk);
	/* tcp_read_sock() stops before an urgent octet, and stays there. */
	n = tcp_sk(sk)->urg_data ? 0 :
		tcp_read_sock(sk, &desc, mcp_batch_take_skb);
	batch->more = n > 0 && tcp_inq(sk);
	release_sock(sk);
	return n;
}

/* Is there nothing that reading in the ordinary way could tell? */
static bool mcp_nothing_to_tell(const struct sock *sk)
{
	return !READ_ONCE(sk->sk_err) && !READ_ONCE(tcp_sk(sk)->urg_data) &&
	       !(READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN) &&
	       inet_sk_state_load(sk) != TCP_CLOSE;
}

/**
 * mcp_batch_nothing() - is there certainly nothing to read?
 * @from: TCP or MPTCP
 *
 * What comes later wakes who waits for the socket. An MPTCP socket only knows what
 * is there when it is read: octets stay with the subflow while there is no room.
 *
 * Context: any.
 */
bool mcp_batch_nothing(const struct socket *from)
{
	const struct sock *sk = from->sk;

	return sk->sk_protocol == IPPROTO_TCP &&
	       READ_ONCE(tcp_sk(sk)->rcv_nxt) == READ_ONCE(tcp_sk(sk)->copied_seq) &&
	       mcp_nothing_to_tell(sk);
}

/* How much of a piece that was laid out holds octets? The rest is given back. */
static u32 mcp_batch_trim(const struct bio_vec *piece, u32 n)
{
	struct page_frag *frag = &current->task_frag;
	u32 used = min(n, piece->bv_len);

	if (frag->page == piece->bv_page &&
	    frag->offset == piece->bv_offset + piece->bv_len)
		frag->offset = piece->bv_offset + used;
	return used;
}

/* Reads in the ordinary way, into memory of our own. */
static int mcp_batch_read(struct mcp_batch *batch, struct socket *from, u32 max)
{
	struct bio_vec piece[MCP_BATCH_READ_PIECES];
	struct kvec iov[MCP_BATCH_READ_PIECES];
	struct msghdr msg = { };
	u32 room = 0, pieces = 0, done = 0, i;
	struct page_frag *frag;
	int n;

	max = min_t(u32, max, MCP_BATCH_READ);
	/* No more of them than what is there can fill; a subflow may have more. */
	while (room < max && pieces < MCP_BATCH_READ_PIECES &&
	       (!pieces || atomic_read(&from->sk->sk_rmem_alloc) > room)) {
		frag = mcp_pages_refill(MCP_BATCH_REST);
		if (!frag)
			break;
		get_page(frag->page);
		piece[pieces] = (struct bio_vec) {
			.bv_page = frag->page,
			.bv_offset = frag->offset,
			.bv_len = min_t(u32, frag->size - frag->offset, max - room),
		};
		iov[pieces] = (struct kvec) {
			.iov_base = (u8 *)page_address(frag->page) + frag->offset,
			.iov_len = piece[pieces].bv_len,
		};
		/* Should the socket say something meanwhile, it takes what is behind. */
		frag->offset += piece[pieces].bv_len;
		room += piece[pieces++].bv_len;
	}
	if (!pieces)
		return -ENOMEM;
	n = kernel_recvmsg(from, &msg, iov, pieces, room, MSG_DONTWAIT);
	batch->more = false;
	for (i = 0; i < pieces; i++) {
		u32 used = mcp_batch_trim(&piece[i], max(n, 0) - done);

		/* The batch is empty: there is room for these few. */
		if (used)
			mcp_batch_add(batch, piece[i].bv_page, piece[i].bv_offset, used);
		done += used;
		put_page(piece[i].bv_page);
	}
	return n;
}

/* What is left moves to the front. */
static void mcp_batch_compact(struct mcp_batch *batch)
{
	batch->end -= batch->first;
	memmove(batch->piece, batch->piece + batch->first,
		batch->end * sizeof(*batch->piece));
	batch->first = 0;
}

/**
 * mcp_batch_receive() - read what is there
 * @batch: where it goes, behind what it has, which mcp_batch_send() has left for more
 * @from: TCP or MPTCP
 * @max: octets that are wanted, at most
 *
 * Afterwards a batch that has octets is to be sent before it is asked to read again.
 *
 * Context: process; takes the socket's lock, does not wait for octets.
 * Return: octets read, 0 at the end of the stream, -EAGAIN, -ENOMEM or what the
 * connection has come to. -EAGAIN can also be that the batch must be sent first.
 */
int mcp_batch_receive(struct mcp_batch *batch, struct socket *from, u32 max)
{
	struct sock *sk = from->sk;
	int n;

	mcp_batch_compact(batch);
	/* It changes, with the windows. */
	batch->goal = 0;
	max = min_t(u32, max, MCP_BATCH_OCTETS - batch->len);
	if (sk->sk_protocol == IPPROTO_TCP) {
		n = mcp_batch_take(batch, sk, max);
		if (n && !(n == -ENOMEM && batch->len))
			return n;
		if (n || batch->len || mcp_nothing_to_tell(sk))
			return -EAGAIN;
	}
	return mcp_batch_read(batch, from, max);
}

static void mcp_batch_sent(struct mcp_batch *batch, u32 n)
{
	batch->len -= n;
	while (n) {
		struct bio_vec *piece = &batch->piece[batch->first];
		u32 part = min(n, piece->bv_len);

		n -= part;
		piece->bv_offset += part;
		piece->bv_len -= part;
		if (piece->bv_len)
			break;
		batch->first++;
		if (batch->first == batch->end ||
		    !mcp_batch_same(piece + 1, piece->bv_page))
			batch->held -= page_size(compound_head(piece->bv_page));
		put_page(piece->bv_page);
	}
	if (batch->first == batch->end) {
		batch->first = 0;
		batch->end = 0;
	}
}

/* Is what these pages hold beside the octets worth not copying them? */
static bool mcp_batch_dense(const struct mcp_batch *batch)
{
	return batch->held <= (size_t)batch->len * MCP_BATCH_WASTE;
}

/* What MPTCP takes at once, and a page holds. */
static u32 mcp_batch_most(const struct sock *sk)
{
	u32 lowat = READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_notsent_lowat);

	return clamp_t(u32, lowat, MCP_BATCH_REST, MCP_PAGE_OCTETS - MCP_BATCH_NOTE);
}

/*
 * MPTCP copies into the thread's page, and chooses a path anew where what it has
 * copied at once crosses from one page into another: segments end there. So it gets
 * as much at a time as full segments carry, and a page that this fits into. Returns
 * how much: nothing, if more can be read to fill a segment.
 */
static u32 mcp_batch_lay_out(struct mcp_batch *batch, struct socket *to)
{
	u32 most = mcp_batch_most(to->sk), len = min(batch->len, most);
	u32 room = max(sk_stream_wspace(to->sk), 0);

	if (!batch->goal && (batch->more || len > MCP_BATCH_REST))
		batch->goal = mcp_socket_goal(to, most);
	if (batch->goal && batch->goal < len)
		len = rounddown(len, batch->goal);
	else if (batch->more && len < min(batch->goal, room))
		return 0;
	/* Without such a page, MPTCP looks for one. */
	mcp_pages_refill(len + MCP_BATCH_NOTE);
	return len;
}

/**
 * mcp_batch_send() - write what a batch holds
 * @batch: not empty; it loses what was taken
 * @to: TCP, which gets the pages themselves, or MPTCP, which copies them
 *
 * Context: process; takes the socket's lock, does not wait for room.
 * Return: octets taken, -EAGAIN or another error. 0: they are to be sent with those
 * that can be read.
 */
int mcp_batch_send(struct mcp_batch *batch, struct socket *to)
{
	u32 pieces = batch->end - batch->first, len = batch->len;
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	int n;

	if (to->sk->sk_protocol == IPPROTO_TCP) {
		/*
		 * A full segment goes out, and what is acknowledged of it has the
		 * rest sent, if nothing else does.
		 */
		if (batch->more && batch->len > tcp_sk(to->sk)->mss_cache)
			msg.msg_flags |= MSG_MORE;
		if (MCP_MSG_SPLICE_PAGES && mcp_batch_dense(batch))
			msg.msg_flags |= MCP_MSG_SPLICE_PAGES;
	} else {
		len = mcp_batch_lay_out(batch, to);
		if (!len)
			return 0;
	}
	iov_iter_bvec(&msg.msg_iter, WRITE, batch->piece + batch->first, pieces,
		      len);
	n = sock_sendmsg(to, &msg);
	if (n > 0)
		mcp_batch_sent(batch, n);
	return n;
}
