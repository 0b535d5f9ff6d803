/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the MCP does with kernel sockets of either protocol.
 */
#ifndef MCP_SOCKET_H
#define MCP_SOCKET_H

#include <linux/mptcpproxy.h>

#include "endpoint.h"

struct mcp_net;
struct net;
struct sock;
struct sockaddr_storage;
struct socket;

int mcp_socket_mptcp(struct net *net, int family, struct socket **res);
void mcp_socket_own(struct socket *sock);
bool mcp_socket_unpin(struct sock *sk);
int mcp_socket_set_option(struct socket *sock, int level, int name, int value);
void mcp_socket_set_tos(struct socket *sock, u8 tos);
int mcp_socket_set_foreign(struct socket *sock);
int mcp_socket_address(const struct mcp_endpoint *ep,
		       struct sockaddr_storage *addr);
int mcp_socket_name(struct socket *sock, bool peer, struct mcp_endpoint *ep);
int mcp_socket_receive(struct socket *sock, void *buf, size_t size);
void mcp_socket_keep_urgent(struct socket *sock);
bool mcp_socket_closed(const struct socket *sock);
bool mcp_socket_assign(struct sock *listener, struct sk_buff *skb);
struct sock *mcp_socket_find(struct net *net, const struct mcp_endpoint *local,
			     const struct mcp_endpoint *peer, int ifindex);
struct sock *mcp_socket_first(struct socket *sock);
u32 mcp_socket_goal(struct socket *sock, u32 most);
enum mcp_upstream_kind mcp_socket_kind(struct sock *sk, u8 *subflows);
bool mcp_socket_listens(struct net *net, const struct mcp_endpoint *local,
			int ifindex);
void mcp_socket_ack(struct socket *sock);
void mcp_socket_forget_syn(struct net *net, const struct mcp_endpoint *local,
			   const struct mcp_endpoint *peer, int ifindex);
void mcp_socket_probe(struct socket *sock, u32 time_ms);
void mcp_socket_probe_stop(struct socket *sock);
bool mcp_socket_drained(struct socket *sock);
bool mcp_socket_broken(const struct socket *sock);
void mcp_socket_release(struct socket *sock);
void mcp_socket_reap(struct net *net);

#endif /* MCP_SOCKET_H */
