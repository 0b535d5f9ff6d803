/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A session: one client's connection through the MCP, from the SYN to the end.
 * Here are its memory, its place in the tables, its timer and its lifetime;
 * what happens in it is in conversion.c.
 */
#ifndef MCP_SESSION_H
#define MCP_SESSION_H

#include <linux/netfilter.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "behave.h"
#include "convert.h"
#include "downstream.h"
#include "net.h"
#include "relay.h"
#include "tcpopt.h"

struct mcp_peer_dial;
struct mcp_withdrawal;
struct sk_buff;
struct socket;

/* Who opened the connection: addresses and ports of a SYN to the MCP. */
struct mcp_session_key {
	struct mcp_endpoint client;
	struct mcp_endpoint mcp;
};

/* Bits of mcp_session.events: what the worker has to look at. */
enum {
	MCP_SESSION_CANCELLED,		/* the client took its SYN back */
	MCP_SESSION_FLUSH,		/* an operator ends it */
	MCP_SESSION_DOWN,		/* the MCP goes down */
	MCP_SESSION_EVICTED,		/* it makes room for another one */
};

/*
 * Marks of mcp_net.sessions, for mcp_session_make_room(): who can be asked to.
 * XA_MARK_0 is the xarray's own.
 */
#define MCP_MARK_HALF_OPEN	XA_MARK_1
/* Closed by both ends, or reset: only the memory of it is left. */
#define MCP_MARK_CLOSING	XA_MARK_2

/**
 * struct mcp_session - one client's connection
 *
 * Two parties: packets (softirq), which find it in mcp_net.held and hand it
 * what they carry under @lock, and its worker (process context, never two at
 * a time), which does everything else and owns every field that is not said
 * to be another's.
 *
 * @node:	in mcp_net.held while @hashed
 * @key:	constant
 * @mnet:	constant; outlives the session (mcp_session_drain())
 * @client:	constant; its client's entry, held
 * @ref:	one for life, which mcp_session_end() drops; one while @work is
 *		pending or running; one for every pointer that leaves RCU
 * @id:		constant; number in mcp_net.sessions
 * @born:	constant; jiffies
 * @work:	the worker
 * @rcu:	for freeing, once nobody can want the worker
 * @timer:	wakes the worker at the earliest of its deadlines
 * @events:	bits, see above; set by anybody
 * @published:	it is in the tables as it should be: the worker may begin
 *
 * @lock:	guards the fields up to @accepted, but for @isn; taken with BH off
 * @hashed:	@node is in mcp_net.held
 * @answered:	the client's SYN was or is being given to the stack
 * @dead:	nothing may be handed to it any more
 * @held:	the client's SYN, until it is answered
 * @okfn:	where the stack takes @held
 * @accepted:	upstream socket on its way from the listener to the worker
 *
 * @isn:	constant; sequence number of the client's SYN
 * @payload:	constant; the SYN's payload: request, then early data. Of a late
 *		request what was read so far
 * @payload_len: its length in octets; constant but for a late request
 * @syn_len:	constant; octets of payload in the SYN
 * @ifindex:	constant; interface of the SYN; of a late request that of its
 *		connection, 0 if that cannot be told
 * @tos:	constant; TOS or traffic class of the SYN
 * @ingress:	constant; enum mcp_ingress. Unless explicit, the SYN is held at
 *		PRE_ROUTING, and all of @payload is early data
 * @late:	constant; the request comes in the stream
 * @inbound:	it was opened from outside, and is not established yet
 * @mptcp:	constant; the SYN had MP_CAPABLE
 * @echo_len:	constant; octets at the head of @payload that the SYN/ACK is to
 *		carry: @payload is there while @hashed, and if @withdrawal is
 * @requested:	the request is complete; written under @lock
 *
 * @state:	enum mcp_state
 * @upstream:	the client's connection; written under @lock
 * @down:	the server's connection, see downstream.h
 * @failure:	why there is nothing to bind: enum mcp_end; MCP_END_NONE if all
 *		is well
 * @refusal:	constant; the session is only there to tell this: enum
 *		mcp_convert_error + 1; 0: it is there to be served
 * @announced:	who listens was told that it began
 * @dialled:	the server has accepted
 * @bound:	upstream and downstream are bound
 * @half_open:	counted as such in policy
 * @listened:	mcp_implicit_listen() has a listener for it
 * @gone:	enum mcp_gone: a side that ended in an error
 * @request:	what the request says
 * @withdrawal:	the MCP has stepped out: see withdraw.h; once set, for ever
 * @peer_dial:	a peer dials: see peer_dial.h; constant
 * @relay:	what belongs to the two sockets; NULL until there is one
 * @hold_until: answer or refuse the client; this and what follows are of
 *		mcp_deadline(), 0: no such deadline
 * @dial_until: the server has been silent long enough
 * @syn_until:	our SYN is repeated then, if the client does not do so
 * @request_until: the late request must be complete, or a client that
 *		was told an error must be gone
 * @accept_until: the client must have completed its handshake
 * @idle_until: behave's timer runs out
 * @drain_until: the side that is left has taken nothing of what it is
 *		owed for long enough
 * @look_again: nothing will wake us for what we wait for
 */
struct mcp_session {
	struct rhash_head node;
	struct mcp_session_key key;
	struct mcp_net *mnet;
	struct mcp_client *client;
	refcount_t ref;
	u32 id;
	unsigned long born;
	union {
		struct work_struct work;
		struct rcu_head rcu;
	};
	struct timer_list timer;
	unsigned long events;
	bool published;

	spinlock_t lock;		/* of the next fields */
	bool hashed;
	bool answered;
	bool dead;
	u32 isn;
	struct sk_buff *held;
	int (*okfn)(struct net *net, struct sock *sk, struct sk_buff *skb);
	struct socket *accepted;

	u8 *payload;
	u16 payload_len;
	u16 syn_len;
	int ifindex;
	u8 tos;
	u8 ingress;
	bool late;
	bool inbound;
	bool mptcp;
	u8 echo_len;
	bool requested;
	u8 state;
	u8 failure;
	u8 refusal;
	bool announced;
	bool dialled;
	bool bound;
	bool half_open;
	bool listened;
	u8 gone;
	struct mcp_request request;
	struct socket *upstream;
	struct mcp_downstream down;
	struct mcp_withdrawal *withdrawal;
	struct mcp_peer_dial *peer_dial;
	struct mcp_relay *relay;
	u32 hold_until;
	u32 dial_until;
	u32 syn_until;
	u32 request_until;
	u32 accept_until;
	u32 idle_until;
	u32 drain_until;
	u32 look_again;
};

int mcp_session_module_init(void);
void mcp_session_module_exit(void);
int mcp_session_net_init(struct mcp_net *mnet);
void mcp_session_net_exit(struct mcp_net *mnet);

struct mcp_session *mcp_session_new(struct mcp_net *mnet,
				    const struct mcp_session_key *key,
				    struct mcp_client *client,
				    work_func_t work, gfp_t gfp);
int mcp_session_publish(struct mcp_session *s, bool held, gfp_t gfp);
bool mcp_session_ready(struct mcp_session *s);
void mcp_session_discard(struct mcp_session *s);
struct mcp_session *mcp_session_find(struct mcp_net *mnet,
				     const struct mcp_session_key *key);
struct mcp_session *mcp_session_next(struct mcp_net *mnet, u32 *id);
bool mcp_session_get(struct mcp_session *s);
void mcp_session_put(struct mcp_session *s);
void mcp_session_unhash(struct mcp_session *s);
void mcp_session_kick(struct mcp_session *s);
void mcp_session_signal(struct mcp_session *s, int event);
void mcp_session_mark(struct mcp_session *s, xa_mark_t mark, bool set);
bool mcp_session_make_room(struct mcp_net *mnet, xa_mark_t mark,
			   const struct mcp_session *but,
			   bool (*has)(const struct mcp_session *s));
void mcp_session_wait_on(struct mcp_session *s, struct wait_queue_entry *wait,
			 struct socket *sock);
void mcp_session_wait_off(struct wait_queue_entry *wait, struct socket *sock);
u32 mcp_deadline(u32 ms);
bool mcp_deadline_passed(u32 until);
enum mcp_action mcp_session_event(struct mcp_session *s,
				  enum mcp_event_kind event);
void mcp_session_arm(struct mcp_session *s);
void mcp_session_bound(struct mcp_session *s);
void mcp_session_end(struct mcp_session *s);
void mcp_session_drain(struct mcp_net *mnet);

#endif /* MCP_SESSION_H */
