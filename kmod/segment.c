// SPDX-License-Identifier: GPL-2.0
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "segment.h"
#include "tcpopt.h"

/* The lengths of the network header after the packet became longer or shorter. */
static void mcp_fix_length(struct sk_buff *skb)
{
	struct iphdr *iph = ip_hdr(skb);

	if (iph->version == 4) {
		iph->tot_len = htons(skb->len - skb_network_offset(skb));
		ip_send_check(iph);
	} else {
		ipv6_hdr(skb)->payload_len =
			htons(skb->len - skb_network_offset(skb) -
			      sizeof(struct ipv6hdr));
	}
}

static __sum16 mcp_tcp_sum(const struct sk_buff *skb, unsigned int len,
			   __wsum sum)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (iph->version == 4)
		return csum_tcpudp_magic(iph->saddr, iph->daddr, len,
					 IPPROTO_TCP, sum);
	return csum_ipv6_magic(&ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr,
			       len, IPPROTO_TCP, sum);
}

/* The TCP checksum of a packet that has been changed. Linear. */
static void mcp_fix_checksum(struct sk_buff *skb, unsigned int thoff)
{
	struct tcphdr *th = (struct tcphdr *)(skb->data + thoff);
	unsigned int len = skb->len - thoff;

	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		th->check = ~mcp_tcp_sum(skb, len, 0);
		return;
	}
	th->check = 0;
	th->check = mcp_tcp_sum(skb, len, csum_partial(th, len, 0));
}

/**
 * mcp_segment_consume() - take the payload out of a SYN
 * @skb: the SYN, on its way in; its checksum was verified
 * @thoff: offset of the TCP header from skb->data
 * @shift: octets of payload that the stack is to acknowledge
 *
 * The stack answers with ack = ISN + @shift + 1: to the client, that is its SYN
 * and its payload.
 *
 * Context: any; does not sleep. Pointers into @skb are void afterwards.
 * Return: 0, or -ENOMEM: then the packet is of no use.
 */
int mcp_segment_consume(struct sk_buff *skb, unsigned int thoff, u32 shift)
{
	unsigned int len;
	struct tcphdr *th;

	if (skb_ensure_writable(skb, thoff + sizeof(*th)))
		return -ENOMEM;
	th = (struct tcphdr *)(skb->data + thoff);
	len = th->doff * 4;
	if (skb_ensure_writable(skb, thoff + len) ||
	    pskb_trim(skb, thoff + len))
		return -ENOMEM;
	mcp_fix_length(skb);

	th = (struct tcphdr *)(skb->data + thoff);
	th->seq = htonl(ntohl(th->seq) + shift);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->csum_level = 0;
	mcp_fix_checksum(skb, thoff);
	return 0;
}

/**
 * mcp_segment_copy() - a copy of a SYN to be kept
 * @skb: the SYN, on its way in; its checksum was verified. It may get shorter
 * @thoff: offset of the TCP header from skb->data
 * @payload_len: octets of payload that the copy is to have
 *
 * What a packet comes in can be much more than the packet: a page that others lie
 * in too, or the pieces of a datagram of 64 KB. The copy has only what it needs,
 * but for its sender's place in the headers of the link.
 *
 * Context: BH off, under rcu_read_lock(): @skb's route need not be held.
 * Return: the copy, with a route that is held if there is one; or NULL.
 */
struct sk_buff *mcp_segment_copy(struct sk_buff *skb, unsigned int thoff,
				 unsigned int payload_len)
{
	unsigned int link = skb_mac_header_was_set(skb) ?
		skb->data - skb_mac_header(skb) : 0;
	struct sk_buff *copy;
	struct tcphdr _th, *th;
	unsigned int len;
	bool stale;

	th = skb_header_pointer(skb, thoff, sizeof(_th), &_th);
	if (!th)
		return NULL;
	len = thoff + th->doff * 4 + payload_len;
	stale = skb->ip_summed == CHECKSUM_PARTIAL || skb->len > len;
	if (pskb_trim(skb, len))
		return NULL;
	skb_gso_reset(skb);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->csum_level = 0;
	copy = skb_copy_expand(skb, ALIGN(link, 16), 0,
			       GFP_ATOMIC | __GFP_NOWARN);
	if (!copy)
		return NULL;
	if (skb_dst(copy) && !skb_dst_force(copy)) {
		kfree_skb(copy);
		return NULL;
	}
	mcp_fix_length(copy);
	/* It may go on to where that is looked at. */
	if (stale)
		mcp_fix_checksum(copy, thoff);
	return copy;
}

/* Puts octets behind the packet, and sets lengths; -ENOMEM or 0. */
static int mcp_append(struct sk_buff *skb, const u8 *data, unsigned int len)
{
	if (skb_is_nonlinear(skb) && skb_linearize(skb))
		return -ENOMEM;
	if ((skb_cloned(skb) || skb_tailroom(skb) < len) &&
	    pskb_expand_head(skb, 0, len, GFP_ATOMIC))
		return -ENOMEM;
	skb_put_data(skb, data, len);
	mcp_fix_length(skb);
	return 0;
}

/**
 * mcp_segment_insert() - put a payload into a SYN/ACK
 * @skb: the SYN/ACK, on its way out
 * @thoff: offset of the TCP header from skb->data
 * @data: the payload
 * @len: its length in octets
 *
 * The sequence number goes back by @len, so that the first octet of the stream
 * keeps its number.
 *
 * Context: any; does not sleep. Pointers into @skb are void afterwards.
 * Return: 0, or -ENOMEM: then the packet is as it was.
 */
int mcp_segment_insert(struct sk_buff *skb, unsigned int thoff, const u8 *data,
		       unsigned int len)
{
	struct tcphdr *th;

	if (mcp_append(skb, data, len))
		return -ENOMEM;
	th = (struct tcphdr *)(skb->data + thoff);
	th->seq = htonl(ntohl(th->seq) - len);
	mcp_fix_checksum(skb, thoff);
	return 0;
}

/**
 * mcp_segment_mp_flags() - set flags in the MP_CAPABLE of a SYN/ACK
 * @skb: the SYN/ACK, on its way out
 * @thoff: offset of the TCP header from skb->data
 * @flags: which, see &struct mcp_tcpopt.mp_flags
 *
 * No key and no HMAC is made of them. Nothing happens if there is no MP_CAPABLE.
 *
 * Context: any; does not sleep. Pointers into @skb are void afterwards.
 */
void mcp_segment_mp_flags(struct sk_buff *skb, unsigned int thoff, u8 flags)
{
	struct tcphdr *th;
	u8 *option, *end;

	if (skb_ensure_writable(skb, thoff + sizeof(*th)))
		return;
	th = (struct tcphdr *)(skb->data + thoff);
	if (skb_ensure_writable(skb, thoff + th->doff * 4))
		return;
	th = (struct tcphdr *)(skb->data + thoff);
	end = (u8 *)th + th->doff * 4;
	option = mcp_tcpopt_mp_capable((u8 *)(th + 1), end - (u8 *)(th + 1));
	if (!option)
		return;
	option[3] |= flags;
	mcp_fix_checksum(skb, thoff);
}

/**
 * mcp_segment_add_option() - put one more option into a SYN with MP_CAPABLE
 * @skb: the SYN, on its way out, without payload
 * @thoff: offset of the TCP header from skb->data
 * @option: the option
 * @len: its length in octets, a multiple of 4
 *
 * Context: any; does not sleep. Pointers into @skb are void afterwards.
 * Return: 0, or a negative error: then the packet is as it was. -ENOENT: it has no
 * MP_CAPABLE; -ENOSPC: there is no room.
 */
int mcp_segment_add_option(struct sk_buff *skb, unsigned int thoff,
			   const u8 *option, unsigned int len)
{
	u8 options[MCP_TCPOPT_MAX];
	struct tcphdr *th;
	unsigned int have;

	if (!pskb_may_pull(skb, thoff + sizeof(*th)))
		return -EINVAL;
	th = (struct tcphdr *)(skb->data + thoff);
	have = th->doff * 4 - sizeof(*th);
	if (have + len > sizeof(options) || skb->len != thoff + sizeof(*th) + have)
		return -ENOSPC;
	if (skb_copy_bits(skb, thoff + sizeof(*th), options, have) ||
	    !mcp_tcpopt_mp_capable(options, have))
		return -ENOENT;
	/* Behind the other options is behind the packet. */
	if (mcp_append(skb, option, len))
		return -ENOMEM;
	th = (struct tcphdr *)(skb->data + thoff);
	th->doff += len / 4;
	mcp_fix_checksum(skb, thoff);
	return 0;
}
