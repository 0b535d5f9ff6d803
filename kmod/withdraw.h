/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Withdrawal: client and server both speak MPTCP, so the MCP steps out of their
 * connection and only translates its subflows.
 */
#ifndef MCP_WITHDRAW_H
#define MCP_WITHDRAW_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mptcpproxy.h>
#include <linux/rhashtable.h>

#include "relay.h"

struct mcp_endpoint;
struct mcp_net;
struct mcp_pair;
struct mcp_session;
struct sk_buff;

/**
 * struct mcp_withdrawal - what a session is once the MCP has stepped out
 * @node:	in mcp_net.tokens while @hashed; the worker's, like what is not
 *		said to be another's
 * @token:	constant; the server's, by which further subflows name the
 *		connection (RFC 8684 section 3.2)
 * @hashed:	@node is there
 * @session:	constant
 * @steered:	constant; it is led to a peer
 * @mcp:	constant; where the client's SYN went
 * @rcu:	for freeing
 * @subflows:	struct mcp_subflow
 * @count:	how many; read anywhere
 * @confirmed:	the first handshake is complete
 * @closing:	no subflow is left that is not closed or reset
 * @syn:	the SYN from outside that the client has not answered; or NULL
 * @joins:	SYNs of further subflows, struct mcp_join; guarded by
 *		mcp_session.lock, like the next
 * @join_count:	how many
 * @octets:	payload translated, by enum mcp_direction; written by packets
 */
struct mcp_withdrawal {
	struct rhash_head node;
	__be32 token;
	bool hashed;
	struct mcp_session *session;
	bool steered;
	struct mcp_endpoint mcp;
	struct rcu_head rcu;
	struct list_head subflows;
	u8 count;
	bool confirmed;
	bool closing;
	struct sk_buff *syn;
	struct list_head joins;
	u8 join_count;
	atomic64_t octets[2];
};

int mcp_withdraw_init(struct mcp_net *mnet);
void mcp_withdraw_exit(struct mcp_net *mnet);

bool mcp_withdraw_intended(struct mcp_session *s);
bool mcp_withdraw(struct mcp_session *s);
bool mcp_withdraw_inbound(struct mcp_session *s, struct sk_buff *syn);
void mcp_withdraw_admit(struct mcp_session *s, struct sk_buff *syn);
bool mcp_withdraw_complete(const struct mcp_session *s);
enum mcp_end mcp_withdraw_run(struct mcp_session *s);
void mcp_withdraw_end(struct mcp_session *s, enum mcp_end why);
void mcp_withdraw_free(struct mcp_session *s);
bool mcp_withdraw_show(struct mcp_session *s, u8 *kind, u8 *subflows, u64 *up,
		       u64 *down);

bool mcp_withdraw_joins(struct mcp_net *mnet, __be32 token,
			const struct mcp_endpoint *to);
bool mcp_withdraw_join(struct mcp_net *mnet, struct sk_buff *skb,
		       const struct mcp_pair *pair, __be32 token, u32 isn,
		       int ifindex, bool steered);
bool mcp_withdraw_syn(struct mcp_session *s, struct sk_buff *skb,
		      unsigned int thoff, bool again, u32 shift);
bool mcp_withdraw_echo(struct mcp_session *s, struct sk_buff *skb,
		       unsigned int thoff, unsigned int payload_len);
void mcp_withdraw_count(struct mcp_session *s, enum mcp_direction dir,
			unsigned int octets);

#endif /* MCP_WITHDRAW_H */
