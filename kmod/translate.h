/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections without a socket of ours: each side's packets get the addresses and
 * ports that the other side knows, and nothing else of them changes.
 */
#ifndef MCP_TRANSLATE_H
#define MCP_TRANSLATE_H

#include <linux/list.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>

#include "behave.h"
#include "endpoint.h"
#include "relay.h"

struct mcp_mapping;
struct mcp_net;
struct mcp_session;
struct sk_buff;

/* Whence a packet comes and whither it goes. */
struct mcp_pair {
	struct mcp_endpoint src;
	struct mcp_endpoint dst;
};

/**
 * struct mcp_way - one direction of a subflow, as its packets come in
 * @node:	in mcp_net.ways while mcp_subflow.hashed
 * @pair:	constant; what its packets have. They leave with the reverse of what
 *		those of the other way have
 * @dir:	constant; enum mcp_direction
 * @stamped:	they have timestamps
 * @ack:	what they have acknowledged last
 * @tsval:	their last timestamp
 */
struct mcp_way {
	struct rhash_head node;
	struct mcp_pair pair;
	u8 dir;
	bool stamped;
	u32 ack;
	u32 tsval;
};

/**
 * struct mcp_subflow - one TCP connection that is translated
 *
 * Packets find it by either way, under RCU.
 *
 * @way:	by enum mcp_direction: from the client, from the server
 * @session:	constant; held until this is freed
 * @list:	in its session's list; the worker's
 * @map:	external address and port, if they are this subflow's alone; the
 *		worker's
 * @rcu:	for freeing
 * @isn:	constant; sequence number of the client's SYN
 * @shift:	constant; octets of payload that the client's SYN had
 * @initiator:	constant; enum mcp_direction: who completes the handshake
 * @initial:	constant; the session's first: its SYN/ACK has the echo
 * @lock:	guards what follows; taken with BH off
 * @hashed:	packets find it
 * @confirmed:	the handshake is complete
 * @state:	enum mcp_state
 * @timer:	enum mcp_timer: how long it may be idle
 * @reset_by:	enum mcp_gone: who sent a RST
 * @heard:	jiffies; when the timer was restarted. Also written without the lock
 */
struct mcp_subflow {
	struct mcp_way way[2];
	struct mcp_session *session;
	struct list_head list;
	struct mcp_mapping *map;
	struct rcu_head rcu;
	u32 isn;
	u16 shift;
	u8 initiator;
	bool initial;

	spinlock_t lock;		/* of the next fields */
	bool hashed;
	bool confirmed;
	u8 state;
	u8 timer;
	u8 reset_by;
	unsigned long heard;
};

int mcp_translate_init(struct mcp_net *mnet);
void mcp_translate_exit(struct mcp_net *mnet);

struct mcp_subflow *mcp_subflow_new(struct mcp_session *s,
				    const struct mcp_pair *up,
				    const struct mcp_pair *down);
void mcp_subflow_free(struct mcp_subflow *sf);
int mcp_subflow_publish(struct mcp_subflow *sf);
void mcp_subflow_unhash(struct mcp_subflow *sf);
unsigned long mcp_subflow_deadline(struct mcp_subflow *sf);
enum mcp_action mcp_subflow_expire(struct mcp_subflow *sf);
void mcp_subflow_probe(struct mcp_subflow *sf);
void mcp_subflow_reset(struct mcp_subflow *sf);

struct mcp_session *mcp_translate_session(struct mcp_net *mnet,
					  const struct sk_buff *skb);
bool mcp_translate_yield(struct mcp_net *mnet, const struct mcp_pair *pair);
bool mcp_translate_knows(struct mcp_net *mnet, const struct mcp_pair *pair);
void mcp_translate_clamp_mss(u8 *options, unsigned int len, u16 mss,
			     struct sk_buff *skb, __sum16 *check);
unsigned int mcp_translate_tcp(struct mcp_net *mnet, struct sk_buff *skb,
			       unsigned int thoff, u16 family);
unsigned int mcp_translate_icmp(struct mcp_net *mnet, struct sk_buff *skb,
				unsigned int off, u16 family);

#endif /* MCP_TRANSLATE_H */
