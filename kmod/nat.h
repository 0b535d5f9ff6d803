/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packet path to the server while there is no socket for it: our SYN, made
 * of the client's, and what comes back.
 */
#ifndef MCP_NAT_H
#define MCP_NAT_H

#include <linux/math64.h>
#include <linux/types.h>
#include <net/tcp.h>

struct mcp_endpoint;
struct mcp_net;
struct mcp_session;
struct mcp_tcpopt;
struct mcp_tuple;
struct sk_buff;

/* The timestamp of a segment sent now, as the socket's will be. Any context. */
static inline u32 mcp_nat_timestamp(u32 offset)
{
	return (u32)div_u64(tcp_clock_ns(), NSEC_PER_MSEC) + offset;
}

/* For the round-trip time. Any context. */
static inline u32 mcp_nat_clock_us(void)
{
	return (u32)div_u64(tcp_clock_ns(), NSEC_PER_USEC);
}

int mcp_nat_init(struct mcp_net *mnet);
void mcp_nat_exit(struct mcp_net *mnet);
bool mcp_nat_source(struct mcp_net *mnet, const struct mcp_endpoint *server,
		    u8 tos, struct mcp_endpoint *addr);
int mcp_nat_open(struct mcp_session *s);
int mcp_nat_syn(struct mcp_session *s);
void mcp_nat_syn_again(struct mcp_session *s, const struct mcp_tcpopt *opt);
void mcp_nat_close(struct mcp_session *s, bool reset);
struct mcp_session *mcp_nat_find(struct mcp_net *mnet,
				 const struct mcp_tuple *tuple);

unsigned int mcp_nat_tcp(struct mcp_net *mnet, struct sk_buff *skb,
			 unsigned int thoff, u16 family);
unsigned int mcp_nat_icmp(struct mcp_net *mnet, struct sk_buff *skb,
			  unsigned int off, u16 family);
bool mcp_nat_hairpin(struct mcp_net *mnet, const struct sk_buff *skb,
		     u16 family);
unsigned int mcp_nat_rest(struct mcp_net *mnet, struct sk_buff *skb, u16 family);

#endif /* MCP_NAT_H */
