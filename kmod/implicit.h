/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Implicit mode: MPTCP connections that are addressed to the server itself end at an
 * MCP on their path (plain mode section 4).
 */
#ifndef MCP_IMPLICIT_H
#define MCP_IMPLICIT_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

struct mcp_net;
struct mcp_session;
struct mcp_tcpopt;
struct sk_buff;

/**
 * struct mcp_ports - the listeners of one namespace, one for each server port
 * @lock:	guards writing to what follows; taken by workers
 * @ports:	RCU list of struct mcp_port; the one used last comes first
 * @count:	how many; read anywhere
 * @accept:	takes connections from all
 */
struct mcp_ports {
	struct mutex lock;		/* of the next fields */
	struct list_head ports;
	unsigned int count;
	struct work_struct accept;
};

void mcp_implicit_init(struct mcp_net *mnet);
void mcp_implicit_stop(struct mcp_net *mnet);

bool mcp_implicit_wants(struct mcp_net *mnet, const struct mcp_tcpopt *opt);
bool mcp_implicit(const struct mcp_session *s);
bool mcp_implicit_listen(struct mcp_session *s);
void mcp_implicit_release(struct mcp_session *s);
bool mcp_implicit_assign(struct mcp_net *mnet, struct sk_buff *skb, u16 family,
			 __be16 port);

#endif /* MCP_IMPLICIT_H */
