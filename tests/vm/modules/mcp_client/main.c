// SPDX-License-Identifier: GPL-2.0
/*
 * A client's half of the conversion, for programs that know nothing of it: puts
 * a request into their SYNs and takes the echo out of the SYN/ACKs. For tests.
 *
 * Each network namespace has /proc/net/mcp_client. Writing
 *
 *	ADDRESS PORT MARK OCTETS
 *
 * (OCTETS in hexadecimal) puts OCTETS into each SYN to that address and port
 * that a socket with that SO_MARK sends, joins excepted; writing "flush"
 * forgets them all. Writing
 *
 *	strip PORT
 *
 * takes the payload out of each SYN to that port and SYN/ACK from it that comes in,
 * as some middleboxes do; port 0 ends that. Reading gives counters:
 *
 *	inserted N	SYNs that were given a payload
 *	echoed N	SYN/ACKs whose payload was the beginning of one's OCTETS
 *	unechoed N	SYN/ACKs without payload
 *	foreign N	SYN/ACKs with any other payload; it stays
 *	failed N	SYNs that went out unchanged for lack of memory
 */
#include <linux/inet.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/proc_fs.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "segment.h"

#define MC_OCTETS_MAX	1400
/* A SYN of more than this would not go through the links of the scenarios. */
#define MC_LINE_MAX	(2 * MC_OCTETS_MAX + 100)

struct mc_rule {
	struct list_head list;
	struct rcu_head rcu;
	u16 family;
	__be16 port;
	union nf_inet_addr addr;
	u32 mark;
	u32 len;
	u8 octets[];
};

struct mc_net {
	struct list_head rules;
	struct mutex lock;	/* of changes to @rules */
	__be16 strip;		/* port; 0: none */
	atomic_t inserted, echoed, unechoed, foreign, failed;
};

static unsigned int mc_net_id;

static struct mc_net *mc_of(const struct net *net)
{
	return net_generic(net, mc_net_id);
}

/* ------------------------------------------------------------- packets */

static bool mc_fits(const struct mc_rule *rule, u16 family,
		    const union nf_inet_addr *addr, __be16 port)
{
	return rule->family == family && rule->port == port &&
		!memcmp(&rule->addr, addr, family == AF_INET ? 4 : 16);
}

/* The options of a SYN: is there an MP_JOIN? */
static bool mc_is_join(const struct sk_buff *skb, unsigned int thoff,
		       unsigned int doff)
{
	u8 opt[40];
	unsigned int len = doff - sizeof(struct tcphdr), at = 0;

	if (skb_copy_bits(skb, thoff + sizeof(struct tcphdr), opt, len))
		return false;
	while (at + 2 < len && opt[at] != TCPOPT_EOL) {
		if (opt[at] == TCPOPT_NOP) {
			at++;
			continue;
		}
		if (opt[at] == 30)
			return opt[at + 2] >> 4 == 1;
		if (opt[at + 1] < 2)
			break;
		at += opt[at + 1];
	}
	return false;
}

static void mc_syn(struct mc_net *mc, struct sk_buff *skb, unsigned int thoff,
		   u16 family, const union nf_inet_addr *daddr,
		   const struct tcphdr *th)
{
	struct mc_rule *rule;

	list_for_each_entry_rcu(rule, &mc->rules, list) {
		if (rule->mark != skb->mark ||
		    !mc_fits(rule, family, daddr, th->dest))
			continue;
		if (mc_is_join(skb, thoff, th->doff * 4))
			return;
		if (mcp_segment_insert(skb, thoff, rule->octets, rule->len))
			atomic_inc(&mc->failed);
		else
			atomic_inc(&mc->inserted);
		return;
	}
}

static unsigned int mc_synack(struct mc_net *mc, struct sk_buff *skb,
			      unsigned int thoff, u16 family,
			      const union nf_inet_addr *saddr,
			      const struct tcphdr *th)
{
	unsigned int off = thoff + th->doff * 4, len;
	struct mc_rule *rule;
	bool known = false;

	if (off > skb->len || skb_linearize(skb))
		return NF_DROP;
	len = skb->len - off;
	list_for_each_entry_rcu(rule, &mc->rules, list) {
		if (!mc_fits(rule, family, saddr, th->source))
			continue;
		known = true;
		if (!len || len > rule->len ||
		    memcmp(skb->data + off, rule->octets, len))
			continue;
		if (mcp_segment_consume(skb, thoff, len))
			return NF_DROP;
		atomic_inc(&mc->echoed);
		return NF_ACCEPT;
	}
	if (known)
		atomic_inc(len ? &mc->foreign : &mc->unechoed);
	return NF_ACCEPT;
}

static unsigned int mc_strip(struct mc_net *mc, struct sk_buff *skb,
			     unsigned int thoff, const struct tcphdr *th)
{
	__be16 port = READ_ONCE(mc->strip);

	if (!port || port != (th->ack ? th->source : th->dest))
		return NF_ACCEPT;
	return mcp_segment_consume(skb, thoff, 0) ? NF_DROP : NF_ACCEPT;
}

/* What is ours of a TCP header at @thoff. */
static const struct tcphdr *mc_header(const struct sk_buff *skb,
				      unsigned int thoff, struct tcphdr *buf)
{
	const struct tcphdr *th;

	th = skb_header_pointer(skb, thoff, sizeof(*buf), buf);
	return th && th->syn && th->doff >= 5 ? th : NULL;
}

static unsigned int mc_packet(const struct nf_hook_state *state,
			      struct sk_buff *skb, unsigned int thoff,
			      u16 family, const union nf_inet_addr *saddr,
			      const union nf_inet_addr *daddr)
{
	struct mc_net *mc = mc_of(state->net);
	const struct tcphdr *th;
	struct tcphdr buf;

	th = mc_header(skb, thoff, &buf);
	if (!th)
		return NF_ACCEPT;
	buf = *th;	/* the packet is going to change */
	if (state->hook == NF_INET_PRE_ROUTING)
		return mc_strip(mc, skb, thoff, &buf);
	if (state->hook == NF_INET_LOCAL_IN)
		return th->ack ? mc_synack(mc, skb, thoff, family, saddr, &buf) :
			NF_ACCEPT;
	if (!th->ack)
		mc_syn(mc, skb, thoff, family, daddr, &buf);
	return NF_ACCEPT;
}

static unsigned int mc_hook4(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	union nf_inet_addr saddr = { .ip = ip_hdr(skb)->saddr };
	union nf_inet_addr daddr = { .ip = ip_hdr(skb)->daddr };

	if (ip_hdr(skb)->protocol != IPPROTO_TCP)
		return NF_ACCEPT;
	return mc_packet(state, skb, ip_hdrlen(skb), AF_INET, &saddr, &daddr);
}

static unsigned int mc_hook6(void *priv, struct sk_buff *skb,
			     const struct nf_hook_state *state)
{
	union nf_inet_addr saddr = { .in6 = ipv6_hdr(skb)->saddr };
	union nf_inet_addr daddr = { .in6 = ipv6_hdr(skb)->daddr };

	if (ipv6_hdr(skb)->nexthdr != IPPROTO_TCP)
		return NF_ACCEPT;
	return mc_packet(state, skb, sizeof(struct ipv6hdr), AF_INET6, &saddr,
			 &daddr);
}

static const struct nf_hook_ops mc_hooks[] = {
	{
		.hook = mc_hook4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_FIRST,
	}, {
		.hook = mc_hook6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_FIRST,
	}, {
		.hook = mc_hook4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP_PRI_LAST,
	}, {
		.hook = mc_hook4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	}, {
		.hook = mc_hook6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_POST_ROUTING,
		.priority = NF_IP6_PRI_LAST,
	}, {
		.hook = mc_hook6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	},
};

/* ------------------------------------------------------- /proc/net/mcp_client */

static int mc_show(struct seq_file *seq, void *v)
{
	struct mc_net *mc = mc_of(seq_file_single_net(seq));

	seq_printf(seq, "inserted %d\nechoed %d\nunechoed %d\nforeign %d\nfailed %d\n",
		   atomic_read(&mc->inserted), atomic_read(&mc->echoed),
		   atomic_read(&mc->unechoed), atomic_read(&mc->foreign),
		   atomic_read(&mc->failed));
	return 0;
}

static void mc_flush(struct mc_net *mc)
{
	struct mc_rule *rule, *next;

	mutex_lock(&mc->lock);
	list_for_each_entry_safe(rule, next, &mc->rules, list) {
		list_del_rcu(&rule->list);
		kfree_rcu(rule, rcu);
	}
	mutex_unlock(&mc->lock);
}

static int mc_add(struct mc_net *mc, char *line)
{
	char *addr = strsep(&line, " "), *port = strsep(&line, " ");
	char *mark = strsep(&line, " "), *hex = line;
	struct mc_rule *rule;
	u16 number;
	size_t len;

	if (!hex)
		return -EINVAL;
	len = strlen(hex) / 2;
	if (!len || len > MC_OCTETS_MAX)
		return -EINVAL;
	rule = kzalloc(struct_size(rule, octets, len), GFP_KERNEL);
	if (!rule)
		return -ENOMEM;
	rule->len = len;
	rule->family = AF_INET;
	if (!in4_pton(addr, -1, (u8 *)&rule->addr, -1, NULL)) {
		rule->family = AF_INET6;
		if (!in6_pton(addr, -1, (u8 *)&rule->addr, -1, NULL))
			goto inval;
	}
	if (kstrtou16(port, 10, &number) || kstrtou32(mark, 10, &rule->mark) ||
	    hex2bin(rule->octets, hex, len))
		goto inval;
	rule->port = htons(number);
	mutex_lock(&mc->lock);
	list_add_rcu(&rule->list, &mc->rules);
	mutex_unlock(&mc->lock);
	return 0;
inval:
	kfree(rule);
	return -EINVAL;
}

static int mc_write(struct file *file, char *line, size_t size)
{
	struct mc_net *mc = mc_of(seq_file_single_net(file->private_data));

	strim(line);
	if (!strncmp(line, "strip ", 6)) {
		u16 port;

		if (kstrtou16(line + 6, 10, &port))
			return -EINVAL;
		WRITE_ONCE(mc->strip, htons(port));
		return 0;
	}
	if (strcmp(line, "flush"))
		return mc_add(mc, line);
	mc_flush(mc);
	return 0;
}

/* ---------------------------------------------------------------- lifetime */

static int __net_init mc_net_init(struct net *net)
{
	struct mc_net *mc = mc_of(net);
	int err;

	INIT_LIST_HEAD(&mc->rules);
	mutex_init(&mc->lock);
	if (!proc_create_net_single_write("mcp_client", 0600, net->proc_net,
					  mc_show, mc_write, NULL))
		return -ENOMEM;
	err = nf_register_net_hooks(net, mc_hooks, ARRAY_SIZE(mc_hooks));
	if (err)
		remove_proc_entry("mcp_client", net->proc_net);
	return err;
}

static void __net_exit mc_net_exit(struct net *net)
{
	nf_unregister_net_hooks(net, mc_hooks, ARRAY_SIZE(mc_hooks));
	remove_proc_entry("mcp_client", net->proc_net);
	mc_flush(mc_of(net));
}

static struct pernet_operations mc_net_ops = {
	.init = mc_net_init,
	.exit = mc_net_exit,
	.id = &mc_net_id,
	.size = sizeof(struct mc_net),
};

static int __init mc_init(void)
{
	return register_pernet_subsys(&mc_net_ops);
}
module_init(mc_init);

static void __exit mc_exit(void)
{
	unregister_pernet_subsys(&mc_net_ops);
}
module_exit(mc_exit);

MODULE_DESCRIPTION("Puts MPTCP Conversion Point requests into SYNs (for tests)");
MODULE_LICENSE("GPL");
