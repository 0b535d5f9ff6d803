/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the control plane tells without being asked: one multicast group for
 * each kind of event. While nobody listens, an event costs a look at that.
 */
#ifndef MCP_NETLINK_EVENT_H
#define MCP_NETLINK_EVENT_H

#include <linux/mptcpproxy.h>
#include <linux/types.h>

struct mcp_mapping;
struct mcp_net;
struct mcp_session;

/* Of the family, in the order of mcp_genl_groups. */
enum { MCP_GROUP_SESSION, MCP_GROUP_MAPPING };

void mcp_netlink_notify(struct mcp_session *s, enum mcp_event event,
			enum mcp_end why);
bool mcp_netlink_mapping_wanted(const struct mcp_net *mnet);
void mcp_netlink_mapping(const struct mcp_net *mnet, enum mcp_event event,
			 const struct mcp_mapping *map, gfp_t gfp);

#endif /* MCP_NETLINK_EVENT_H */
