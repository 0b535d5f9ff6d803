// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/rculist.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/inet_sock.h>
#include <net/route.h>
#include <net/mptcp.h>
#include <net/tcp.h>

#include "deliver.h"
#include "intercept.h"
#include "nat.h"
#include "net.h"
#include "pool.h"
#include "session.h"
#include "socket.h"
#include "steer.h"
#include "withdraw.h"

/**
 * mcp_intercept_init() - a namespace without rules
 * @in: where
 *
 * Context: process.
 */
void mcp_intercept_init(struct mcp_intercept *in)
{
	INIT_LIST_HEAD(&in->rules);
}

/**
 * mcp_rule_add() - there is one more rule, behind the others
 * @in: where
 * @spec: which; copied
 *
 * Context: process, mcp_net.lock held.
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int mcp_rule_add(struct mcp_intercept *in, const struct mcp_rule *spec)
{
	struct mcp_rule *rule;

	if (in->count >= MCP_MAX_RULES)
		return -ENOSPC;
	rule = kmemdup(spec, sizeof(*spec), GFP_KERNEL_ACCOUNT);
	if (!rule)
		return -ENOMEM;
	list_add_tail_rcu(&rule->list, &in->rules);
	WRITE_ONCE(in->count, in->count + 1);
	WRITE_ONCE(in->local, in->local + rule->local);
	in->generation++;
	return 0;
}

static void mcp_rule_remove(struct mcp_intercept *in, struct mcp_rule *rule)
{
	list_del_rcu(&rule->list);
	WRITE_ONCE(in->count, in->count - 1);
	WRITE_ONCE(in->local, in->local - rule->local);
	in->generation++;
	kfree_rcu(rule, rcu);
}

/**
 * mcp_rule_del() - a rule is no more; its connections go on
 * @in: where
 * @index: its number, from 1 on
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or -ENOENT.
 */
int mcp_rule_del(struct mcp_intercept *in, u32 index)
{
	struct mcp_rule *rule;
	u32 number = 0;

	list_for_each_entry(rule, &in->rules, list) {
		if (++number != index)
			continue;
		mcp_rule_remove(in, rule);
		return 0;
	}
	return -ENOENT;
}

/**
 * mcp_rules_flush() - there is no rule any more
 * @in: where
 *
 * Context: process, mcp_net.lock held or the namespace going away.
 */
void mcp_rules_flush(struct mcp_intercept *in)
{
	struct mcp_rule *rule, *next;

	list_for_each_entry_safe(rule, next, &in->rules, list)
		mcp_rule_remove(in, rule);
}

/**
 * mcp_intercept_busy() - is there anything that a packet could be for?
 * @in: which rules
 *
 * While there is not, nobody pays for it.
 *
 * Context: any.
 */
bool mcp_intercept_busy(const struct mcp_intercept *in)
{
	unsigned long until = READ_ONCE(in->until);

	return READ_ONCE(in->count) || atomic_read(&in->sessions) ||
		(until && time_before(jiffies, until));
}

static bool mcp_rule_fits(const struct mcp_rule *rule,
			  const struct mcp_endpoint *from,
			  const struct mcp_endpoint *to,
			  const struct net_device *dev)
{
	u16 port = ntohs(to->port);

	/* What comes by the loopback device is the host's own. */
	if (rule->local != !!(dev->flags & IFF_LOOPBACK))
		return false;
	return (!rule->ifname[0] || !strcmp(rule->ifname, dev->name)) &&
		port >= rule->first && port <= rule->last &&
		(!rule->from.family ||
		 mcp_prefix_has(&rule->from, rule->from_len, from)) &&
		(!rule->to.family ||
		 mcp_prefix_has(&rule->to, rule->to_len, to));
}

/**
 * mcp_intercept_match() - is a connection to be taken off the path?
 * @mnet: the namespace
 * @from: who opens it
 * @to: to whom
 * @dev: the interface its SYN comes in by
 *
 * Only what would be routed on: not what is the host's, or an address of its pool.
 *
 * Context: any but hard interrupt, under rcu_read_lock().
 * Return: the rule that says so, with an action other than "pass"; or NULL.
 */
struct mcp_rule *mcp_intercept_match(struct mcp_net *mnet,
				     const struct mcp_endpoint *from,
				     const struct mcp_endpoint *to,
				     const struct net_device *dev)
{
	struct mcp_rule *rule;

	if (mcp_endpoint_forbidden(to) || mcp_endpoint_forbidden(from))
		return NULL;
	list_for_each_entry_rcu(rule, &mnet->intercept.rules, list) {
		if (!mcp_rule_fits(rule, from, to, dev))
			continue;
		if (rule->action == MCP_INTERCEPT_PASS ||
		    mcp_route_type(mnet->net, to) != RTN_UNICAST ||
		    mcp_pool_has(&mnet->pool, to))
			return NULL;
		return rule;
	}
	return NULL;
}

/**
 * mcp_intercept_has() - is there a socket of ours at the server's address?
 * @mnet: the namespace
 * @server: address and port
 * @client: who speaks with it
 *
 * Also one that is not accepted yet, or in TIME_WAIT.
 *
 * Context: any but hard interrupt.
 */
bool mcp_intercept_has(struct mcp_net *mnet, const struct mcp_endpoint *server,
		       const struct mcp_endpoint *client)
{
	struct sock *sk = mcp_socket_find(mnet->net, server, client, 0);
	bool ours;

	if (!sk)
		return false;
	ours = inet_sk_transparent(sk);
	sock_gen_put(sk);
	return ours;
}

/* Is there a session that has not answered this one's SYN? */
static bool mcp_intercept_waits(struct mcp_net *mnet,
				const struct mcp_endpoint *from,
				const struct mcp_endpoint *to)
{
	const struct mcp_session_key key = { .client = *from, .mcp = *to };
	struct mcp_session *s;

	if (!atomic_read(&mnet->intercept.sessions))
		return false;
	s = mcp_session_find(mnet, &key);
	if (s)
		mcp_session_put(s);
	return s;
}

/* Is that a dial of ours? */
static bool mcp_intercept_own(struct mcp_net *mnet,
			      const struct mcp_endpoint *from,
			      const struct mcp_endpoint *to)
{
	const struct mcp_tuple tuple = { .external = *from, .server = *to };
	struct mcp_session *s = mcp_nat_find(mnet, &tuple);

	if (s)
		mcp_session_put(s);
	return s;
}

/*
 * A SYN of a program, not of the kernel; but MPTCP's own sockets are the kernel's,
 * whoever has asked for them.
 */
static bool mcp_intercept_wants(struct mcp_net *mnet, const struct sk_buff *skb,
				const struct mcp_endpoint *from,
				const struct mcp_endpoint *to,
				const struct mcp_tcpopt *opt)
{
	const struct net_device *lo = mnet->net->loopback_dev;
	const struct sock *sk = skb->sk;
	const struct mcp_rule *rule;

	if (!sk || !sk_fullsock(sk) || inet_sk(sk)->inet_sport != from->port)
		return false;
	if (opt->join_syn)
		return mcp_withdraw_joins(mnet, opt->token, to);
	if (sk->sk_kern_sock && (!opt->mp_capable || !sk_is_mptcp(sk)))
		return false;
	/* Who chooses a way himself is not led another. */
	if (sk->sk_mark || sk->sk_bound_dev_if)
		return false;
	rule = mcp_intercept_match(mnet, from, to, lo);
	if (!rule)
		return false;
	if (opt->mp_capable)
		return rule->action == MCP_INTERCEPT_PEER &&
			mcp_steer_wants(mnet, rule->peer, to) &&
			!mcp_intercept_own(mnet, from, to);
	return rule->action != MCP_INTERCEPT_PEER ||
		(mcp_peer_usable(mnet, rule->peer, 0) &&
		 !mcp_peer_at(mnet, to));
}

/**
 * mcp_intercept_out() - a packet of the host goes out: is it to be taken?
 * @mnet: the namespace
 * @skb: the packet, at LOCAL_OUT
 * @from: its source
 * @to: its destination
 * @opt: of a SYN that opens a connection: its options; else NULL
 *
 * Then it comes in again by the loopback device, as if it were a stranger's.
 *
 * Context: under rcu_read_lock().
 */
void mcp_intercept_out(struct mcp_net *mnet, struct sk_buff *skb,
		       const struct mcp_endpoint *from,
		       const struct mcp_endpoint *to,
		       const struct mcp_tcpopt *opt)
{
	if (!mcp_intercept_busy(&mnet->intercept))
		return;
	if (mcp_intercept_has(mnet, to, from) ||
	    (opt && READ_ONCE(mnet->intercept.local) &&
	     mcp_intercept_wants(mnet, skb, from, to, opt)) ||
	    mcp_intercept_waits(mnet, from, to))
		mcp_deliver_back(mnet->net, skb, from->family);
}

/**
 * mcp_intercept_begin() - a session whose SYN was not addressed to the MCP
 * @s: the session, not published yet
 * @ingress: enum mcp_ingress
 *
 * Context: any.
 */
void mcp_intercept_begin(struct mcp_session *s, u8 ingress)
{
	s->ingress = ingress;
	atomic_inc(&s->mnet->intercept.sessions);
}

/**
 * mcp_intercept_end() - undo mcp_intercept_begin(), if it was done
 * @s: the session, to which nobody has a reference
 *
 * Context: any.
 */
void mcp_intercept_end(struct mcp_session *s)
{
	struct mcp_intercept *in = &s->mnet->intercept;

	if (s->ingress == MCP_INGRESS_EXPLICIT)
		return;
	/* What is left in TIME_WAIT still gets its packets. */
	WRITE_ONCE(in->until, (jiffies + TCP_TIMEWAIT_LEN) ?: 1);
	atomic_dec_return_release(&in->sessions);
}
