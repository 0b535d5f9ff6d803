/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The client's side: listeners, the held SYN's answer, accepted connections.
 */
#ifndef MCP_UPSTREAM_H
#define MCP_UPSTREAM_H

#include <linux/if.h>
#include <linux/mptcpproxy.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "endpoint.h"
#include "stats.h"

struct mcp_net;
struct mcp_session;
struct sk_buff;
struct sock;
struct socket;

/* Those that nobody can address take connections to whatever address. */
enum mcp_listener {
	MCP_LISTENER_IP,
	MCP_LISTENER_IP6,
	MCP_LISTENER_ANY_IP,
	MCP_LISTENER_ANY_IP6,
	MCP_LISTENERS,
};

/**
 * struct mcp_upstream - the listeners of one namespace
 * @sock:	MPTCP listeners, by enum mcp_listener; NULL where there is none
 * @tcp:	the TCP sockets behind those for what is not addressed to the MCP, IPv4
 *		and IPv6; with a reference
 * @wait:	wakes @accept for them
 * @accept:	takes connections from all
 * @accept_stop: @accept must not run again
 */
struct mcp_upstream {
	struct socket *sock[MCP_LISTENERS];
	struct sock *tcp[2];
	struct wait_queue_entry wait[MCP_LISTENERS];
	struct work_struct accept;
	bool accept_stop;
};

/**
 * struct mcp_arrival - how a connection came
 * @ifname:	the interface it came in by; "" if that cannot be told
 * @ifindex:	its index, or 0
 * @tos:	TOS or traffic class of its SYN
 * @mptcp:	its SYN had MP_CAPABLE
 * @mp_flags:	the flags in it, as far as that can be told
 */
struct mcp_arrival {
	char ifname[IFNAMSIZ];
	int ifindex;
	u8 tos;
	bool mptcp;
	u8 mp_flags;
};

void mcp_upstream_init(struct mcp_net *mnet);
int mcp_upstream_listen(struct mcp_net *mnet);
void mcp_upstream_stop(struct mcp_net *mnet);
int mcp_upstream_listen_apart(struct mcp_net *mnet, u16 family,
			      struct socket **sock, struct sock **tcp);
bool mcp_upstream_accept_from(struct mcp_net *mnet, struct socket *listener);

void mcp_upstream_answer(struct mcp_session *s, enum mcp_stat as);
void mcp_upstream_resume(struct mcp_session *s, struct sk_buff *skb, int ifindex,
			 int (*okfn)(struct net *net, struct sock *sk,
				     struct sk_buff *skb));
void mcp_upstream_swallow(struct mcp_session *s,
			  int (*okfn)(struct net *net, struct sock *sk,
				      struct sk_buff *skb));
bool mcp_upstream_assign(struct mcp_net *mnet, struct sk_buff *skb, u16 family);
bool mcp_upstream_pass(struct mcp_session *s);
void mcp_upstream_unreachable(struct mcp_session *s);
void mcp_upstream_refuse(struct mcp_session *s, bool reset);
bool mcp_upstream_open(struct mcp_session *s);
bool mcp_upstream_complete(struct mcp_session *s);
void mcp_upstream_release(struct mcp_session *s);
void mcp_upstream_arrival(struct socket *sock, struct mcp_arrival *arr);
enum mcp_upstream_kind mcp_upstream_kind(struct mcp_session *s, u8 *subflows);

#endif /* MCP_UPSTREAM_H */
