// SPDX-License-Identifier: GPL-2.0
#include <linux/netfilter.h>
#include <net/netfilter/ipv4/nf_reject.h>
#include <net/netfilter/ipv6/nf_reject.h>

#include "net.h"
#include "reply.h"

/**
 * mcp_reply_reset() - answer a SYN with RST
 * @mnet: the namespace
 * @syn: the SYN, on its way in, with device and route; stays the caller's
 * @client: its source
 *
 * The RST acknowledges the payload too: a client that sent one believes no
 * other. No more than so many a second for one client.
 *
 * Context: BH off, under rcu_read_lock().
 */
void mcp_reply_reset(struct mcp_net *mnet, struct sk_buff *syn,
		     const struct mcp_endpoint *client)
{
	if (!mcp_policy_may_reply(mnet, client, MCP_REPLY_RESET)) {
		mcp_count(mnet, MCP_STAT_REPLY_SUPPRESSED);
		return;
	}
	mcp_count(mnet, MCP_STAT_REPLY_RESET);
	if (client->family == AF_INET)
		nf_send_reset(mnet->net, NULL, syn, NF_INET_LOCAL_IN);
	else
		nf_send_reset6(mnet->net, NULL, syn, NF_INET_LOCAL_IN);
}

/**
 * mcp_reply_unreachable() - answer a SYN with an ICMP error
 * @mnet: the namespace
 * @syn: the SYN, on its way in, with device; if it has a route, that must not be one
 *	 for the host. Stays the caller's
 * @client: its source
 * @code: code of "destination unreachable"
 *
 * No more than so many a second for one client, as with RSTs.
 *
 * Context: BH off, under rcu_read_lock().
 */
void mcp_reply_unreachable(struct mcp_net *mnet, struct sk_buff *syn,
			   const struct mcp_endpoint *client, u8 code)
{
	if (!mcp_policy_may_reply(mnet, client, MCP_REPLY_RESET)) {
		mcp_count(mnet, MCP_STAT_REPLY_SUPPRESSED);
		return;
	}
	mcp_count(mnet, MCP_STAT_REPLY_UNREACHABLE);
	if (client->family == AF_INET)
		nf_send_unreach(syn, code, NF_INET_PRE_ROUTING);
	else
		nf_send_unreach6(mnet->net, syn, code, NF_INET_PRE_ROUTING);
}
