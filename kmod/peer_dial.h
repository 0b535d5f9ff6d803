/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dial by a peer: an MPTCP socket of the kernel connects to another MCP, and the
 * request, with early data behind it, is put into its SYN (plain mode section 5, RFC
 * 8803 section 4). The peer's answer is the server's. A client that speaks MPTCP itself
 * needs no such socket (steer.h).
 */
#ifndef MCP_PEER_DIAL_H
#define MCP_PEER_DIAL_H

#include <linux/types.h>

#include "downstream.h"
#include "peer.h"

struct mcp_session;
struct sk_buff;
struct tcphdr;

enum mcp_peer_way {
	MCP_PEER_IN_SYN,		/* the request is in the SYN */
	MCP_PEER_LATE,			/* behind the handshake */
	MCP_PEER_PROBE,			/* none: is the peer there at all? */
	MCP_PEER_MARKED,		/* none, and the SYN goes to the server itself */
};

/* What a SYN/ACK has told, or the SYN itself. */
enum mcp_peer_heard {
	MCP_PEER_HEARD_NOTHING,
	MCP_PEER_HEARD_ECHO,		/* the request came back */
	MCP_PEER_HEARD_NO_ECHO,		/* it was acknowledged, but did not */
	MCP_PEER_HEARD_SHORT,		/* only the SYN was acknowledged */
	MCP_PEER_HEARD_NOT_MPTCP,	/* none: this host does not ask in MPTCP */
};

/**
 * struct mcp_peer_dial - how a session is, or was, dialled by a peer
 *
 * The worker's, but for what packets read or write under mcp_session.lock.
 *
 * @name:	constant; name of the peers
 * @off:	no peer could: the MCP has dialled itself
 * @steered:	constant; it is the client's own connection that goes to the peer,
 *		see steer.h
 * @admitted:	steered: the client's SYN has passed the INPUT chain
 * @tried:	bits of those who are not to be asked again
 * @peer:	whom it asks, or has asked; with a reference, NULL: nobody. Set under
 *		mcp_session.lock
 * @began:	jiffies; when @peer was asked
 * @way:	enum mcp_peer_way
 * @heard:	enum mcp_peer_heard; written by packets
 * @sent:	the late request is written
 * @early:	early data went with the request
 * @request_len: octets of the request at the head of @octets
 * @len:	octets of @octets; constant while the session is in mcp_net.dials
 * @octets:	what its SYN gets; constant while the session is in mcp_net.dials
 * @answer_len:	octets of @answer that are there
 * @answer:	the Convert message that begins the peer's stream
 */
struct mcp_peer_dial {
	char name[MCP_PEER_NAME_LEN];
	bool off;
	bool steered;
	bool admitted;
	u64 tried;
	struct mcp_peer *peer;
	unsigned long began;
	u8 way;
	u8 heard;
	bool sent;
	bool early;
	u16 request_len;
	u16 len;
	u8 *octets;
	u16 answer_len;
	u8 *answer;
};

bool mcp_peer_dial_new(struct mcp_session *s, const char *name, bool steered,
		       gfp_t gfp);
void mcp_peer_dial_free(struct mcp_session *s);
bool mcp_peer_dial_active(const struct mcp_session *s);
void mcp_peer_dial_stop(struct mcp_session *s);
enum mcp_outcome mcp_peer_dial_begin(struct mcp_session *s);
enum mcp_outcome mcp_peer_dial_outcome(struct mcp_session *s);
u32 mcp_peer_dial_shift(const struct mcp_session *s);
u32 mcp_peer_dial_early(const struct mcp_session *s);
bool mcp_peer_dial_show(struct mcp_session *s, struct mcp_endpoint *peer);
bool mcp_peer_dial_syn(struct mcp_session *s, struct sk_buff *skb,
		       unsigned int thoff, bool mptcp, bool first);
unsigned int mcp_peer_dial_synack(struct mcp_session *s, struct sk_buff *skb,
				  unsigned int thoff, const struct tcphdr *th);
u8 mcp_peer_dial_hear(struct mcp_session *s, const struct sk_buff *skb,
		      unsigned int thoff, const struct tcphdr *th);

#endif /* MCP_PEER_DIAL_H */
