/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Other MCPs that dial for this one: which there are, and which of them work.
 */
#ifndef MCP_PEER_H
#define MCP_PEER_H

#include <linux/list.h>
#include <linux/mptcpproxy.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>

#include "endpoint.h"

struct mcp_net;

/* Octets of a name, with the zero behind it. */
#define MCP_PEER_NAME_LEN	32
/* Each has a bit in a session's memory of whom it has tried. */
#define MCP_MAX_PEERS		64
#define MCP_PEER_COOKIE_MAX	64

/**
 * struct mcp_peer_spec - a peer, as an operator describes it
 * @name:	shared by all that can stand in for each other
 * @addr:	where it is, with port
 * @codec:	enum mcp_codec: how it is asked
 * @prio:	of one name, the least is dialled first
 * @origin:	it is told whose connection it is (MP_CONVERT, D = 1)
 * @cookie_len:	octets of @cookie; 0: none
 * @cookie:	what a request has (Convert)
 */
struct mcp_peer_spec {
	char name[MCP_PEER_NAME_LEN];
	struct mcp_endpoint addr;
	u8 codec;
	u32 prio;
	bool origin;
	u8 cookie_len;
	u8 cookie[MCP_PEER_COOKIE_MAX];
};

/* What a peer was asked, and what came of it. */
enum mcp_peer_count {
	MCP_PEER_COUNT_DIALS,
	MCP_PEER_COUNT_ACCEPTED,
	MCP_PEER_COUNT_REFUSED,
	MCP_PEER_COUNT_FAILED,
	MCP_PEER_COUNT_LATE,
	__MCP_PEER_COUNTS,
};

/**
 * struct mcp_peer - another MCP
 * @list:	in mcp_peers.list
 * @rcu:	for freeing
 * @ref:	one of the list's, and one of each session that dials it
 * @id:		constant; its bit, no other peer's while it is in the list
 * @spec:	constant but for the cookie
 * @lock:	guards what follows, and the cookie; taken with BH off
 * @state:	enum mcp_peer_state
 * @until:	jiffies; DOWN and PLAIN: it is tried again then
 * @worked:	jiffies; when it last has shown that it converts. Written without the
 *		lock
 * @plain_from:	PLAIN: our address when that was seen
 * @late:	its SYNs lose their payload on the way
 * @late_until:	jiffies; with @late: until that is tried again
 * @counts:	by enum mcp_peer_count
 */
struct mcp_peer {
	struct list_head list;
	struct rcu_head rcu;
	refcount_t ref;
	u8 id;
	struct mcp_peer_spec spec;
	spinlock_t lock;		/* see above */
	u8 state;
	unsigned long until;
	unsigned long worked;
	struct mcp_endpoint plain_from;
	bool late;
	unsigned long late_until;
	atomic64_t counts[__MCP_PEER_COUNTS];
};

/**
 * struct mcp_peers - the peers of one namespace
 * @list:	RCU list of struct mcp_peer, by priority; written under mcp_net.lock
 * @ids:	those that are in use
 * @generation:	grows with each change
 * @dials:	sessions that a peer dials for, or has
 */
struct mcp_peers {
	struct list_head list;
	u64 ids;
	unsigned int generation;
	atomic_t dials;
};

void mcp_peers_init(struct mcp_peers *peers);
int mcp_peer_add(struct mcp_peers *peers, const struct mcp_peer_spec *spec);
int mcp_peer_del(struct mcp_peers *peers, const char *name,
		 const struct mcp_endpoint *addr);
void mcp_peers_flush(struct mcp_peers *peers);
bool mcp_peer_named(struct mcp_peers *peers, const char *name);

bool mcp_peer_at(struct mcp_net *mnet, const struct mcp_endpoint *addr);
bool mcp_peer_usable(struct mcp_net *mnet, const char *name, u16 steered);
struct mcp_peer *mcp_peer_pick(struct mcp_net *mnet, const char *name, u64 tried,
			       u16 steered);
void mcp_peer_put(struct mcp_peer *peer);

void mcp_peer_count(struct mcp_peer *peer, enum mcp_peer_count count);
void mcp_peer_works(struct mcp_peer *peer);
void mcp_peer_failed(struct mcp_net *mnet, struct mcp_peer *peer);
void mcp_peer_is_plain(struct mcp_net *mnet, struct mcp_peer *peer,
		       const struct mcp_endpoint *from);
void mcp_peer_lost_payload(struct mcp_net *mnet, struct mcp_peer *peer);
bool mcp_peer_wants_late(struct mcp_peer *peer);
bool mcp_peer_learn_cookie(struct mcp_peer *peer, const u8 *cookie, size_t len);
u8 mcp_peer_cookie(struct mcp_peer *peer, u8 *cookie);
u8 mcp_peer_state(struct mcp_peer *peer, u32 *left_ms);

#endif /* MCP_PEER_H */
