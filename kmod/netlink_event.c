// SPDX-License-Identifier: GPL-2.0
#include <linux/ktime.h>
#include <net/genetlink.h>

#include "net.h"
#include "netlink.h"
#include "netlink_event.h"
#include "pool.h"
#include "session.h"

/* An endpoint, as mcp_put_endpoint() puts it. */
#define MCP_ENDPOINT_SIZE						\
	(nla_total_size(0) + nla_total_size(sizeof(u16)) +		\
	 nla_total_size(sizeof(union mcp_addr)) + nla_total_size(sizeof(__be16)))
/* Small as they are, more of these fit into a listener's buffer. */
#define MCP_MAPPING_EVENT_SIZE						\
	(nla_total_size(sizeof(u8)) + nla_total_size_64bit(sizeof(u64)) + \
	 nla_total_size(0) + 2 * MCP_ENDPOINT_SIZE + nla_total_size(sizeof(u16)))

/* An event for who listens to a group, on its way. */
struct mcp_event_msg {
	struct net *net;
	unsigned int group;
	gfp_t gfp;
	struct sk_buff *skb;
	void *hdr;
};

static bool mcp_event_wanted(struct net *net, unsigned int group)
{
	return genl_has_listeners(&mcp_genl_family, net, group) > 0;
}

/* Whoever missed this one gets ENOBUFS, as if it had been too slow. */
static void mcp_event_lost(struct mcp_event_msg *msg)
{
	nlmsg_free(msg->skb);
	genl_set_err(&mcp_genl_family, msg->net, 0, msg->group, -ENOBUFS);
}

/* Begins an event, @size octets large. False: it is lost. */
static bool mcp_event_begin(struct mcp_event_msg *msg, enum mcp_cmd cmd,
			    enum mcp_event event, size_t size)
{
	msg->skb = genlmsg_new(size, msg->gfp);
	if (!msg->skb)
		goto lost;
	msg->hdr = genlmsg_put(msg->skb, 0, 0, &mcp_genl_family, 0, cmd);
	if (!msg->hdr || nla_put_u8(msg->skb, MCP_A_EVENT, event) ||
	    nla_put_u64_64bit(msg->skb, MCP_A_TIME, ktime_get_real_ns(),
			      MCP_A_PAD))
		goto lost;
	return true;

lost:
	mcp_event_lost(msg);
	return false;
}

/* Sends an event; @err: it could not be put together. */
static void mcp_event_end(struct mcp_event_msg *msg, int err)
{
	if (err) {
		mcp_event_lost(msg);
		return;
	}
	genlmsg_end(msg->skb, msg->hdr);
	genlmsg_multicast_netns(&mcp_genl_family, msg->net, msg->skb, 0,
				msg->group, msg->gfp);
}

/**
 * mcp_netlink_notify() - tell who listens what happened to a session
 * @s: the session
 * @event: what
 * @why: with MCP_EVENT_END: the reason
 *
 * Context: the worker.
 */
void mcp_netlink_notify(struct mcp_session *s, enum mcp_event event,
			enum mcp_end why)
{
	struct mcp_event_msg msg = {
		.net = s->mnet->net,
		.group = MCP_GROUP_SESSION,
		.gfp = GFP_KERNEL,
	};

	if (mcp_event_wanted(msg.net, msg.group) &&
	    mcp_event_begin(&msg, MCP_CMD_SESSION_EVENT, event,
			    GENLMSG_DEFAULT_SIZE))
		mcp_event_end(&msg, mcp_put_session(msg.skb, s, why));
}

static int mcp_put_mapping(struct sk_buff *skb, const struct mcp_mapping *map)
{
	const struct mcp_endpoint *client = &map->key.client;
	struct mcp_endpoint external = map->external;
	const struct mcp_block *block = map->block;
	u16 last = ntohs(external.port);
	struct nlattr *nest;
	int err;

	if (block) {
		client = &map->client->key;
		last = map->ext->first + block->first;
		external.port = htons(last);
		last += block->ports - 1;
	}
	nest = nla_nest_start(skb, MCP_A_MAPPING);
	if (!nest)
		return -EMSGSIZE;
	err = mcp_put_endpoint(skb, MCP_MAPPING_A_CLIENT, client) ?:
		mcp_put_endpoint(skb, MCP_MAPPING_A_EXTERNAL, &external) ?:
		nla_put_u16(skb, MCP_MAPPING_A_LAST, last);
	nla_nest_end(skb, nest);
	return err;
}

/**
 * mcp_netlink_mapping_wanted() - does anybody listen to events of mappings?
 * @mnet: the namespace
 *
 * Context: any.
 */
bool mcp_netlink_mapping_wanted(const struct mcp_net *mnet)
{
	return mcp_event_wanted(mnet->net, MCP_GROUP_MAPPING);
}

/**
 * mcp_netlink_mapping() - tell who listens what external ports a client has
 * @mnet: the namespace
 * @event: MCP_EVENT_NEW or MCP_EVENT_END
 * @map: a mapping: told is its block, if it has one, else itself
 * @gfp: may it sleep?
 *
 * What RFC 6888 section 4 wants in a log, and no destination (REQ-12).
 *
 * Context: any but hard interrupt, as @gfp says. The mapping has its port.
 */
void mcp_netlink_mapping(const struct mcp_net *mnet, enum mcp_event event,
			 const struct mcp_mapping *map, gfp_t gfp)
{
	struct mcp_event_msg msg = {
		.net = mnet->net,
		.group = MCP_GROUP_MAPPING,
		.gfp = gfp,
	};

	if (mcp_event_wanted(msg.net, msg.group) &&
	    mcp_event_begin(&msg, MCP_CMD_MAPPING_EVENT, event,
			    MCP_MAPPING_EVENT_SIZE))
		mcp_event_end(&msg, mcp_put_mapping(msg.skb, map));
}
