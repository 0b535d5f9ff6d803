/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The MCP of one network namespace. Nothing of it is shared with another.
 */
#ifndef MCP_NET_H
#define MCP_NET_H

#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/rhashtable.h>
#include <linux/xarray.h>

#include "cookie.h"
#include "forward.h"
#include "inbound.h"
#include "implicit.h"
#include "intercept.h"
#include "peer.h"
#include "plain_server.h"
#include "policy.h"
#include "pool.h"
#include "preserve.h"
#include "settings.h"
#include "stats.h"
#include "unsolicited.h"
#include "upstream.h"

/**
 * struct mcp_net - the MCP of one network namespace
 * @net:	the namespace; outlives this
 * @lock:	serialises the control plane: up, set, down, acl
 * @up:		hooks are registered and the listeners listen
 * @was_up:	it has been up, so there may be sockets of ours
 * @settings:	see struct mcp_settings
 * @stats:	counters
 * @policy:	who may use the MCP, how much, how fast
 * @pool:	external addresses and ports
 * @preserve:	sessions that have none of them, but an address of their client
 * @unsolicited: SYNs there that nobody asked for
 * @inbound:	SYNs there that are let in
 * @plain:	servers that answer only without MP_CAPABLE
 * @peers:	other MCPs that dial for this one
 * @intercept:	which connections are taken off the path
 * @implicit:	listeners for those that are MPTCP
 * @forwards:	static mappings
 * @cookies:	keys of the Cookie TLV
 * @ts_key:	spreads servers over timestamp offsets
 * @upstream:	the listeners
 * @hooks:	as registered
 * @held:	sessions whose connection is not accepted yet, by their SYN's
 *		addresses and ports
 * @dials:	sessions whose server has not answered yet, or that are not
 *		adopted yet, by its address and port and ours
 * @ways:	both ways of each translated subflow (struct mcp_way), by the
 *		addresses and ports of its packets
 * @tokens:	struct mcp_withdrawal, by the server's token
 * @translated:	subflows in @ways
 * @sessions:	all sessions, by number, with MCP_MARK_... on some; its lock is
 *		taken with BH off
 * @next_id:	where the search for a free number begins
 * @session_count: sessions whose memory is not released yet
 * @half_open:	sessions that are not bound yet
 * @refusals:	sessions that are only there to tell an error
 */
struct mcp_net {
	struct net *net;
	struct mutex lock;		/* of the control plane */
	bool up;
	bool was_up;
	struct mcp_settings settings;
	struct mcp_stats __percpu *stats;
	struct mcp_policy policy;
	struct mcp_pool pool;
	struct mcp_preserve preserve;
	struct mcp_unsolicited unsolicited;
	struct mcp_inbound inbound;
	struct mcp_plain_servers plain;
	struct mcp_peers peers;
	struct mcp_intercept intercept;
	struct mcp_ports implicit;
	struct mcp_forwards forwards;
	struct mcp_cookies cookies;
	siphash_key_t ts_key;
	struct mcp_upstream upstream;
	struct nf_hook_ops hooks[6];

	struct rhashtable held ____cacheline_aligned;
	struct rhashtable dials;
	struct rhashtable ways;
	struct rhashtable tokens;
	atomic_t translated;
	struct xarray sessions;
	u32 next_id;
	atomic_t session_count;
	atomic_t half_open;
	atomic_t refusals;
};

struct mcp_net *mcp_net(const struct net *net);
int mcp_net_up(struct mcp_net *mnet, const struct mcp_settings *settings);
int mcp_net_down(struct mcp_net *mnet);

/* Counts @id in the namespace of @mnet. Any context. */
static inline void mcp_count(const struct mcp_net *mnet, enum mcp_stat id)
{
	mcp_stat_inc(mnet->stats, id);
}

static inline void mcp_count_add(const struct mcp_net *mnet, enum mcp_stat id,
				 u64 n)
{
	mcp_stat_add(mnet->stats, id, n);
}

#endif /* MCP_NET_H */
