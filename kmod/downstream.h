/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The connection to the server: dialled, and its outcome. How it is dialled is
 * known here and nowhere else.
 */
#ifndef MCP_DOWNSTREAM_H
#define MCP_DOWNSTREAM_H

#include <linux/wait.h>

#include "endpoint.h"
#include "tcpopt.h"

struct mcp_net;
struct mcp_session;
struct sk_buff;
struct sock;
struct socket;

enum mcp_outcome {
	MCP_OUTCOME_NONE,		/* not dialled */
	MCP_OUTCOME_PENDING,
	MCP_OUTCOME_ACCEPTED,
	MCP_OUTCOME_REFUSED,		/* RST */
	MCP_OUTCOME_UNREACHABLE,	/* hard ICMP error, see icmp_code */
	MCP_OUTCOME_NO_ROUTE,		/* we have no way to the server */
	MCP_OUTCOME_TIMED_OUT,
	MCP_OUTCOME_NO_RESOURCES,	/* ports or memory */
};

/* MP_CAPABLE, and Fast Open with the longest cookie, padded. */
#define MCP_CONNECT_OPTIONS_MAX	24

/**
 * struct mcp_downstream - the server's side of a session
 * @outcome:	enum mcp_outcome
 * @sock:	the connection
 * @wait:	wakes the session's worker
 * @external:	our end of it; family 0 before the dial; written under
 *		mcp_session.lock
 * @icmp_hard:	a hard ICMP error came; written in softirq before the socket
 *		hears of it
 * @icmp_code:	its code
 * @options_len: octets of @options
 * @options:	what a Connect TLV wants in our SYN beside what it has anyway;
 *		constant once dialled
 * @synack_len:	octets of @synack
 * @synack_tos:	TOS or traffic class of the server's SYN/ACK
 * @synack:	TCP options of the server's SYN/ACK; written in softirq before
 *		the socket is established
 */
struct mcp_downstream {
	u8 outcome;
	bool icmp_hard;
	u8 icmp_code;
	u8 options_len;
	u8 options[MCP_CONNECT_OPTIONS_MAX];
	u8 synack_tos;
	u8 synack_len;
	u8 synack[MCP_TCPOPT_MAX];
	struct socket *sock;
	struct wait_queue_entry wait;
	struct mcp_endpoint external;
};

void mcp_downstream_dial(struct mcp_session *s);
enum mcp_outcome mcp_downstream_outcome(struct mcp_session *s);
void mcp_downstream_give_up(struct mcp_session *s);
bool mcp_downstream_heard_since(struct mcp_session *s, unsigned long when);
void mcp_downstream_release(struct mcp_session *s);

/* What hook.c hands over; softirq. */
void mcp_downstream_synack(struct mcp_net *mnet, struct sk_buff *skb,
			   unsigned int thoff, const struct mcp_endpoint *src,
			   const struct mcp_endpoint *dst, u8 tos);
bool mcp_downstream_syn(struct mcp_net *mnet, struct sk_buff *skb,
			unsigned int thoff);
unsigned int mcp_downstream_icmp(struct mcp_net *mnet, struct sk_buff *skb,
				 unsigned int off, int family);

#endif /* MCP_DOWNSTREAM_H */
