/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections of hosts that know nothing of an MCP: which of them are taken off the
 * path, and who dials their server.
 */
#ifndef MCP_INTERCEPT_H
#define MCP_INTERCEPT_H

#include <linux/atomic.h>
#include <linux/if.h>
#include <linux/list.h>
#include <linux/mptcpproxy.h>

#include "endpoint.h"
#include "peer.h"

struct mcp_net;
struct mcp_session;
struct mcp_tcpopt;
struct net_device;
struct sk_buff;

#define MCP_MAX_RULES	1024

/**
 * struct mcp_rule - one rule
 * @list:	in mcp_intercept.rules
 * @rcu:	for freeing
 * @action:	enum mcp_intercept_action
 * @local:	for connections of the host's own programs
 * @ifname:	ingress interface; empty: any
 * @from:	source prefix; family 0: any
 * @from_len:	its length in bits
 * @to:		destination prefix; family 0: any
 * @to_len:	its length in bits
 * @first:	first destination port
 * @last:	last one
 * @peer:	of MCP_INTERCEPT_PEER: name of the peers
 * @hits:	connections that were taken
 * @passed:	connections that could not be, and went on
 */
struct mcp_rule {
	struct list_head list;
	struct rcu_head rcu;
	u8 action;
	bool local;
	char ifname[IFNAMSIZ];
	struct mcp_endpoint from;
	u8 from_len;
	struct mcp_endpoint to;
	u8 to_len;
	u16 first;
	u16 last;
	char peer[MCP_PEER_NAME_LEN];
	atomic64_t hits;
	atomic64_t passed;
};

/**
 * struct mcp_intercept - the rules of one namespace
 * @rules:	RCU list of struct mcp_rule; the first one that fits counts. Written
 *		under mcp_net.lock
 * @count:	how many; read anywhere
 * @local:	how many of them are for the host's own connections
 * @generation:	grows with each change
 * @sessions:	whose SYN was not addressed to the MCP
 * @until:	jiffies; when the last of them was over, its TIME_WAIT is until then;
 *		0: none
 */
struct mcp_intercept {
	struct list_head rules;
	unsigned int count;
	unsigned int local;
	unsigned int generation;
	atomic_t sessions;
	unsigned long until;
};

void mcp_intercept_init(struct mcp_intercept *in);
int mcp_rule_add(struct mcp_intercept *in, const struct mcp_rule *spec);
int mcp_rule_del(struct mcp_intercept *in, u32 index);
void mcp_rules_flush(struct mcp_intercept *in);

bool mcp_intercept_busy(const struct mcp_intercept *in);
struct mcp_rule *mcp_intercept_match(struct mcp_net *mnet,
				     const struct mcp_endpoint *from,
				     const struct mcp_endpoint *to,
				     const struct net_device *dev);
bool mcp_intercept_has(struct mcp_net *mnet, const struct mcp_endpoint *server,
		       const struct mcp_endpoint *client);
void mcp_intercept_out(struct mcp_net *mnet, struct sk_buff *skb,
		       const struct mcp_endpoint *from,
		       const struct mcp_endpoint *to,
		       const struct mcp_tcpopt *opt);
void mcp_intercept_begin(struct mcp_session *s, u8 ingress);
void mcp_intercept_end(struct mcp_session *s);

#endif /* MCP_INTERCEPT_H */
