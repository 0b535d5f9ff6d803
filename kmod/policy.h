/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who may use the MCP, how much, and how fast; and where nobody may go.
 */
#ifndef MCP_POLICY_H
#define MCP_POLICY_H

#include <linux/if.h>
#include <linux/list.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "endpoint.h"
#include "peer.h"
#include "settings.h"
#include "stats.h"

struct mcp_external;
struct mcp_net;

/* A token bucket in units of one microtoken, filled by the jiffy. */
struct mcp_bucket {
	u64 tokens;
	unsigned long filled;
};

bool mcp_bucket_take(struct mcp_bucket *bucket, u32 rate, u32 burst,
		     unsigned long now);

/**
 * struct mcp_acl - clients that may use the MCP
 * @list:	in mcp_policy.acl
 * @rcu:	for freeing
 * @addr:	prefix; host bits zero
 * @prefixlen:	its length in bits
 * @ifname:	ingress interface; empty: any
 * @origin:	prefix of the originators that they may name (MP_CONVERT, D = 1);
 *		family 0: none
 * @origin_len:	its length in bits
 * @via:	name of the peers that dial for them; empty: none
 * @hits:	SYNs it let in
 */
struct mcp_acl {
	struct list_head list;
	struct rcu_head rcu;
	struct mcp_endpoint addr;
	u8 prefixlen;
	char ifname[IFNAMSIZ];
	struct mcp_endpoint origin;
	u8 origin_len;
	char via[MCP_PEER_NAME_LEN];
	atomic64_t hits;
};

/**
 * struct mcp_client - what one client has and may still take
 * @node:	in mcp_policy.clients
 * @key:	its address without port; of IPv6 the first 64 bits, since one
 *		host has them all
 * @refs:	sessions it has; 0 is a client that the sweep may free, -1 one
 *		that is being freed
 * @half_open:	those that are not bound yet
 * @lock:	guards @bucket; taken with BH off
 * @bucket:	new sessions
 * @used:	jiffies when it last took something
 * @ports:	external ports it has; guarded by mcp_pool.lock, like the next
 * @external:	its external address in the pool, of either family, as long as it
 *		has a mapping there
 * @mapped:	how many mappings it has there
 * @blocks:	its blocks that have a port left, by family
 * @rcu:	for freeing
 */
struct mcp_client {
	struct rhash_head node;
	struct mcp_endpoint key;
	atomic_t refs;
	atomic_t half_open;
	spinlock_t lock;		/* see above */
	struct mcp_bucket bucket;
	unsigned long used;
	u32 ports;
	struct mcp_external *external[2];
	u32 mapped[2];
	struct hlist_head blocks[2];
	struct rcu_head rcu;
};

#define MCP_REPLY_BUCKETS	512
#define MCP_MAX_CLIENTS		65536
#define MCP_MAX_ACL		4096

/**
 * struct mcp_policy - policy of one namespace
 * @acl:	RCU list of struct mcp_acl; written under mcp_net.lock
 * @acl_count:	its length
 * @acl_generation: grows with each change
 * @clients:	clients with sessions, and some that lately had one
 * @client_count: their number
 * @sweep:	frees clients that have nothing left to remember
 * @swept:	jiffies when it last began
 * @reply_lock: guards @replies; taken with BH off
 * @reply_key:	spreads clients over @replies
 * @replies:	limit of refusals told, a fixed table: a stranger costs nothing
 */
struct mcp_policy {
	struct list_head acl;
	unsigned int acl_count;
	unsigned int acl_generation;
	struct rhashtable clients;
	atomic_t client_count;
	struct delayed_work sweep;
	unsigned long swept;
	spinlock_t reply_lock;		/* of @replies */
	siphash_key_t reply_key;
	struct mcp_bucket (*replies)[2];
};

enum mcp_reply_kind { MCP_REPLY_RESET, MCP_REPLY_ERROR };

int mcp_policy_init(struct mcp_policy *policy);
void mcp_policy_exit(struct mcp_policy *policy);

int mcp_acl_add(struct mcp_policy *policy, const struct mcp_endpoint *addr,
		u8 prefixlen, const char *ifname,
		const struct mcp_endpoint *origin, u8 origin_len,
		const char *via);
int mcp_acl_del(struct mcp_policy *policy, const struct mcp_endpoint *addr,
		u8 prefixlen, const char *ifname);
void mcp_acl_flush(struct mcp_policy *policy);
struct mcp_acl *mcp_acl_match(struct mcp_policy *policy,
			      const struct mcp_endpoint *client,
			      const char *ifname);

bool mcp_policy_forbidden(struct mcp_net *mnet,
			  const struct mcp_endpoint *server);

/**
 * struct mcp_admission - what policy said of a new session
 * @client:	its client, with a reference for the session; NULL: refused
 * @reason:	if refused, the counter that says why
 */
struct mcp_admission {
	struct mcp_client *client;
	enum mcp_stat reason;
};

bool mcp_policy_crowded(struct mcp_net *mnet);
struct mcp_admission mcp_policy_admit(struct mcp_net *mnet,
				      const struct mcp_endpoint *client);
void mcp_policy_bound(struct mcp_net *mnet, struct mcp_client *client);
void mcp_policy_release(struct mcp_client *client);
bool mcp_policy_may_reply(struct mcp_net *mnet,
			  const struct mcp_endpoint *client,
			  enum mcp_reply_kind kind);

#endif /* MCP_POLICY_H */
