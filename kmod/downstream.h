/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connection to the server: dialled, its outcome, and the socket it becomes.
 */
#ifndef MCP_DOWNSTREAM_H
#define MCP_DOWNSTREAM_H

#include <linux/mptcpproxy.h>
#include <linux/rhashtable.h>

#include "endpoint.h"
#include "pool.h"
#include "tcpopt.h"

struct mcp_mapping;
struct mcp_session;
struct socket;

enum mcp_outcome {
	MCP_OUTCOME_NONE,		/* not dialled */
	MCP_OUTCOME_PENDING,
	MCP_OUTCOME_CROWDED,		/* no port, until another session ends */
	MCP_OUTCOME_ACCEPTED,
	MCP_OUTCOME_REFUSED,		/* RST */
	MCP_OUTCOME_UNREACHABLE,	/* hard ICMP error, see icmp_code */
	MCP_OUTCOME_NO_ROUTE,		/* we have no way to the server */
	MCP_OUTCOME_TIMED_OUT,
	MCP_OUTCOME_NO_RESOURCES,	/* ports or memory */
	MCP_OUTCOME_PASS,		/* no peer can dial: do without them */
};

/* MP_CAPABLE, and Fast Open with the longest cookie, padded. */
#define MCP_CONNECT_OPTIONS_MAX	24

/* What our SYN offers beside an MSS. */
enum {
	MCP_OFFERS_SACK = 1,
	MCP_OFFERS_TIMESTAMP = 2,
	MCP_OFFERS_WSCALE = 4,
};

/* The SYN was sent more than once: nobody knows which one was answered. */
#define MCP_RTT_AMBIGUOUS	U32_MAX

/* What the connection is known by on that side. */
struct mcp_tuple {
	struct mcp_endpoint external;
	struct mcp_endpoint server;
};

/**
 * struct mcp_synack - what the server's SYN/ACK says, or its SYN
 * @tos:	TOS or traffic class
 * @len:	octets of @options
 * @options:	TCP options
 */
struct mcp_synack {
	u8 tos;
	u8 len;
	u8 options[MCP_TCPOPT_MAX];
};

/**
 * struct mcp_downstream - the server's side of a session
 *
 * Until it is adopted it has no socket: it is what a NAT knows of a connection
 * (nat.c), or it has one from the beginning (connect.c): then @by_socket is set,
 * and what only nat.c needs to know of the two SYNs has no meaning. What packets
 * write, they write under mcp_session.lock.
 *
 * @outcome:	enum mcp_outcome; the worker's
 * @preserved:	our end has an address of the client, see preserve.h; constant while
 *		@hashed
 * @node:	in mcp_net.dials while @hashed
 * @tuple:	our end and the server's; family 0 before the dial; written under
 *		mcp_session.lock, constant while @hashed
 * @hashed:	packets find the session by @tuple; the worker's
 * @relay:	MP_CAPABLE goes into our SYN, because it was in the client's;
 *		constant once dialled
 * @mp_flags:	flags of the client's MP_CAPABLE; constant
 * @withdraw:	the MCP steps out if the server speaks MPTCP: our SYN is the
 *		client's in all that its later packets rely on; constant once dialled
 * @syns:	SYNs sent, as far as it matters
 * @bare:	one of them, with @relay, went without MP_CAPABLE
 * @by_socket:	an MPTCP socket dials; constant once dialled
 * @heard:	enum mcp_outcome: what packets said; written by them
 * @both_syn:	the server's SYN came without an ACK: simultaneous open; written
 *		by packets
 * @icmp_code:	code of the hard ICMP error; written by packets
 * @offers:	MCP_OFFERS_..., constant while @hashed
 * @wscale:	window scale in our SYN; constant while @hashed
 * @window:	window in our SYN; constant while @hashed
 * @mss:	what the client's SYN has room for, with @withdraw; else 0
 * @isn:	sequence number of our SYN; constant while @hashed, but for a socket's
 * @ts_offset:	what our clock is ahead by in timestamps; constant while @hashed,
 *		but with @withdraw
 * @tsval:	timestamp of the client's last SYN, with @withdraw
 * @syn_us:	when our SYN was sent last, in microseconds
 * @rtt_us:	from our SYN to the SYN/ACK, in microseconds; 0: not known yet
 * @irs:	sequence number of the server's SYN; written by packets
 * @snd_window:	window in it; written by packets
 * @synack:	what the server has answered, NULL before; written by packets, constant
 *		once the outcome is known
 * @crowded:	how often another session was told to make room for this one
 * @queued:	it waits for a port, or was woken and has not looked yet
 * @syn_interval: seconds until our SYN is repeated, when it is our turn
 * @map:	external address and port; the worker's
 * @use:	in @map's list of those who use it
 * @sock:	the connection, once adopted, or the socket that dials; written by the
 *		worker under mcp_session.lock
 */
struct mcp_downstream {
	u8 outcome;
	bool hashed;
	bool relay;
	u8 mp_flags;
	u8 syns;
	bool bare;
	bool withdraw;
	bool preserved;
	bool by_socket;
	u8 heard;
	bool both_syn;
	u8 icmp_code;
	u8 offers;
	u8 wscale;
	u8 crowded;
	bool queued;
	struct rhash_head node;
	struct mcp_tuple tuple;
	u16 window;
	u16 snd_window;
	u16 mss;
	u16 syn_interval;
	u32 isn;
	u32 ts_offset;
	u32 tsval;
	u32 syn_us;
	u32 rtt_us;
	u32 irs;
	struct mcp_synack *synack;
	struct mcp_mapping *map;
	struct hlist_node use;
	struct socket *sock;
};

unsigned int mcp_downstream_options(const struct mcp_session *s, u8 *options);
const struct mcp_synack *mcp_downstream_synack(const struct mcp_downstream *d);
void mcp_downstream_attach(struct mcp_session *s, struct socket *sock);
struct socket *mcp_downstream_detach(struct mcp_session *s);
void mcp_downstream_dial(struct mcp_session *s);
int mcp_downstream_begin(struct mcp_session *s);
enum mcp_outcome mcp_downstream_open(struct mcp_session *s,
				     const struct mcp_endpoint *server,
				     const struct mcp_endpoint *addr);
bool mcp_downstream_foreign(const struct mcp_session *s);
void mcp_downstream_dial_again(struct mcp_session *s);
void mcp_downstream_dial_directly(struct mcp_session *s);
enum mcp_outcome mcp_downstream_outcome(struct mcp_session *s);
void mcp_downstream_repeat(struct mcp_session *s);
bool mcp_downstream_adopt(struct mcp_session *s);
void mcp_downstream_give_up(struct mcp_session *s);
bool mcp_downstream_speaks_mptcp(const struct mcp_session *s);
enum mcp_upstream_kind mcp_downstream_kind(struct mcp_session *s);
bool mcp_downstream_heard_since(struct mcp_session *s, unsigned long when);
void mcp_downstream_keep_room(struct mcp_session *s);
void mcp_downstream_release(struct mcp_session *s);

#endif /* MCP_DOWNSTREAM_H */
