/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SYNs to an external address and port from servers that nobody has dialled: no
 * answer for six seconds, then ICMP, unless the client's own SYN goes there
 * meanwhile (RFC 5382 REQ-4).
 */
#ifndef MCP_UNSOLICITED_H
#define MCP_UNSOLICITED_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct mcp_net;
struct mcp_tuple;
struct sk_buff;

#define MCP_UNSOLICITED_BUCKETS	256
/* Further ones are dropped: that is silence too. */
#define MCP_UNSOLICITED_MAX	1024

/**
 * struct mcp_unsolicited - unsolicited SYNs of one namespace
 * @lock:	guards the rest; taken with BH off
 * @queue:	all of them, oldest first
 * @buckets:	by tuple
 * @count:	how many
 * @work:	answers the oldest
 */
struct mcp_unsolicited {
	spinlock_t lock;		/* see above */
	struct list_head queue;
	struct hlist_head buckets[MCP_UNSOLICITED_BUCKETS];
	u32 count;
	struct delayed_work work;
};

void mcp_unsolicited_init(struct mcp_net *mnet);
void mcp_unsolicited_flush(struct mcp_net *mnet);
bool mcp_unsolicited_hold(struct mcp_net *mnet, struct sk_buff *skb,
			  const struct mcp_tuple *tuple);
void mcp_unsolicited_refuse(struct mcp_net *mnet, struct sk_buff *skb,
			    u16 family, int ifindex);
void mcp_unsolicited_forget(struct mcp_net *mnet,
			    const struct mcp_tuple *tuple);

#endif /* MCP_UNSOLICITED_H */
