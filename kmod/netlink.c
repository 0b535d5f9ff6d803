// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/netlink.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "net.h"
#include "netlink.h"
#include "netlink_event.h"
#include "netlink_gateway.h"
#include "peer_dial.h"
#include "session.h"
#include "withdraw.h"

static const struct genl_multicast_group mcp_genl_groups[] = {
	/* Like dumps, they show who speaks with whom, and who is who. */
	[MCP_GROUP_SESSION] = {
		.name = MCP_GENL_MCGRP_SESSION,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
	[MCP_GROUP_MAPPING] = {
		.name = MCP_GENL_MCGRP_MAPPING,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

/* 6.1 wants to be able to write to them. */
#define MCP_RANGE(name, lo, hi)						\
	static struct netlink_range_validation name __ro_after_init = {	\
		.min = (lo), .max = (hi),				\
	}

MCP_RANGE(mcp_range_timeout, 100, 60000);
MCP_RANGE(mcp_range_syn_timeout, 1000, 300000);
MCP_RANGE(mcp_range_cookie_lifetime, 1, 604800);
/* msecs_to_jiffies() takes more than INT_MAX for ever. */
MCP_RANGE(mcp_range_idle, 100, 24UL * 24 * 3600 * 1000);
MCP_RANGE(mcp_range_sessions, 1, 1 << 24);
MCP_RANGE(mcp_range_rate, 0, 1000000);
MCP_RANGE(mcp_range_burst, 1, 1000000);
MCP_RANGE(mcp_range_subflows, 1, 64);
MCP_RANGE(mcp_range_port_block, 0, 4096);

static const struct nla_policy mcp_setting_policy[MCP_S_MAX + 1] = {
	[MCP_S_PORT] = NLA_POLICY_MIN(NLA_BE16, 1),
	[MCP_S_HANDSHAKE] = NLA_POLICY_MAX(NLA_U8, MCP_HANDSHAKE_EARLY),
	[MCP_S_HOLD_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_timeout),
	[MCP_S_HOLD_EXPIRY] = NLA_POLICY_MAX(NLA_U8, MCP_HOLD_EXPIRY_REFUSE),
	[MCP_S_ECHO] = NLA_POLICY_MAX(NLA_U8, 1),
	[MCP_S_REQUIRE_MPTCP] = NLA_POLICY_MAX(NLA_U8, 1),
	[MCP_S_LATE_REQUEST] = NLA_POLICY_MAX(NLA_U8, 1),
	[MCP_S_REQUEST_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_timeout),
	[MCP_S_SYN_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_syn_timeout),
	[MCP_S_COOKIE] = NLA_POLICY_MAX(NLA_U8, MCP_COOKIE_REQUIRED),
	[MCP_S_COOKIE_LIFETIME] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_cookie_lifetime),
	[MCP_S_REFUSAL] = NLA_POLICY_MAX(NLA_U8, MCP_REFUSAL_SILENT),
	[MCP_S_EST_IDLE] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_idle),
	[MCP_S_TRANS_IDLE] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_idle),
	[MCP_S_I_KNOW] = { .type = NLA_FLAG },
	[MCP_S_MAX_SESSIONS] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_sessions),
	[MCP_S_MAX_HALF_OPEN] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_sessions),
	[MCP_S_MAX_HALF_OPEN_CLIENT] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_sessions),
	[MCP_S_SESSION_RATE] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_rate),
	[MCP_S_SESSION_BURST] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_burst),
	[MCP_S_ERROR_RATE] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_rate),
	[MCP_S_MAX_PORTS_CLIENT] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_sessions),
	[MCP_S_RELAY_MP_CAPABLE] = NLA_POLICY_MAX(NLA_U8, 1),
	[MCP_S_MPTCP] = NLA_POLICY_MAX(NLA_U8, MCP_MPTCP_WITHDRAW),
	[MCP_S_SERVER_LEG] = NLA_POLICY_MAX(NLA_U8, MCP_SERVER_LEG_MPTCP),
	[MCP_S_SOURCE] = NLA_POLICY_MAX(NLA_U8, MCP_SOURCE_PRESERVE),
	[MCP_S_FILTERING] = NLA_POLICY_MAX(NLA_U8, MCP_FILTERING_ADDRESS),
	[MCP_S_REFRESH] = NLA_POLICY_MAX(NLA_U8, MCP_REFRESH_OUTBOUND),
	[MCP_S_MAX_SUBFLOWS] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_subflows),
	[MCP_S_PORT_BLOCK] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_port_block),
	[MCP_S_PEER_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_timeout),
	[MCP_S_PEER_RETRY] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_idle),
	[MCP_S_CAPABILITY_TTL] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_idle),
	[MCP_S_FALLBACK] = NLA_POLICY_MAX(NLA_U8, MCP_FALLBACK_DIRECT),
	[MCP_S_IMPLICIT] = NLA_POLICY_MAX(NLA_U8, MCP_IMPLICIT_OFF),
};

const struct nla_policy mcp_prefix_policy[MCP_PREFIX_A_MAX + 1] = {
	[MCP_PREFIX_A_FAMILY] = { .type = NLA_U16 },
	[MCP_PREFIX_A_ADDR] = NLA_POLICY_RANGE(NLA_BINARY, 4, 16),
	[MCP_PREFIX_A_PREFIXLEN] = NLA_POLICY_MAX(NLA_U8, 128),
};

static const struct nla_policy mcp_acl_policy[MCP_ACL_A_MAX + 1] = {
	[MCP_ACL_A_FAMILY] = { .type = NLA_U16 },
	[MCP_ACL_A_ADDR] = NLA_POLICY_RANGE(NLA_BINARY, 4, 16),
	[MCP_ACL_A_PREFIXLEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[MCP_ACL_A_IFNAME] = { .type = NLA_NUL_STRING, .len = IFNAMSIZ - 1 },
	[MCP_ACL_A_ORIGIN] = NLA_POLICY_NESTED(mcp_prefix_policy),
	[MCP_ACL_A_VIA] = { .type = NLA_NUL_STRING,
			    .len = MCP_PEER_NAME_LEN - 1 },
};

static const struct nla_policy mcp_pool_policy[MCP_POOL_A_MAX + 1] = {
	[MCP_POOL_A_FAMILY] = { .type = NLA_U16 },
	[MCP_POOL_A_ADDR] = NLA_POLICY_RANGE(NLA_BINARY, 4, 16),
	[MCP_POOL_A_PREFIXLEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[MCP_POOL_A_FIRST] = NLA_POLICY_MIN(NLA_U16, 1),
	[MCP_POOL_A_LAST] = NLA_POLICY_MIN(NLA_U16, 1),
};

/* Of a command without attributes; with a maximum of 0 they would be ignored. */
static const struct nla_policy mcp_no_policy[MCP_A_VERSION + 1] = {
	[MCP_A_VERSION] = { .type = NLA_REJECT },
};

static const struct nla_policy mcp_settings_policy[MCP_A_SETTINGS + 1] = {
	[MCP_A_SETTINGS] = NLA_POLICY_NESTED(mcp_setting_policy),
};

static const struct nla_policy mcp_acl_cmd_policy[MCP_A_ACL + 1] = {
	[MCP_A_ACL] = NLA_POLICY_NESTED(mcp_acl_policy),
};

static const struct nla_policy mcp_pool_cmd_policy[MCP_A_POOL + 1] = {
	[MCP_A_POOL] = NLA_POLICY_NESTED(mcp_pool_policy),
};

static const struct nla_policy mcp_flush_policy[MCP_A_SESSION_ID + 1] = {
	[MCP_A_SESSION_ID] = { .type = NLA_U64 },
};

#define MCP_OFFSET(field)	offsetof(struct mcp_settings, field)
#define MCP_SIZE(field)		sizeof_field(struct mcp_settings, field)

/* Where each setting that is a plain number lives. */
static const struct {
	u8 offset;
	u8 size;
} mcp_setting_fields[MCP_S_MAX + 1] = {
	[MCP_S_PORT] = { MCP_OFFSET(port), MCP_SIZE(port) },
	[MCP_S_HANDSHAKE] = { MCP_OFFSET(handshake), MCP_SIZE(handshake) },
	[MCP_S_HOLD_TIMEOUT] = { MCP_OFFSET(hold_timeout), MCP_SIZE(hold_timeout) },
	[MCP_S_HOLD_EXPIRY] = { MCP_OFFSET(hold_expiry), MCP_SIZE(hold_expiry) },
	[MCP_S_ECHO] = { MCP_OFFSET(echo), MCP_SIZE(echo) },
	[MCP_S_REQUIRE_MPTCP] = { MCP_OFFSET(require_mptcp), MCP_SIZE(require_mptcp) },
	[MCP_S_LATE_REQUEST] = { MCP_OFFSET(late_request), MCP_SIZE(late_request) },
	[MCP_S_REQUEST_TIMEOUT] = { MCP_OFFSET(request_timeout), MCP_SIZE(request_timeout) },
	[MCP_S_SYN_TIMEOUT] = { MCP_OFFSET(syn_timeout), MCP_SIZE(syn_timeout) },
	[MCP_S_COOKIE] = { MCP_OFFSET(cookie), MCP_SIZE(cookie) },
	[MCP_S_COOKIE_LIFETIME] = { MCP_OFFSET(cookie_lifetime), MCP_SIZE(cookie_lifetime) },
	[MCP_S_REFUSAL] = { MCP_OFFSET(refusal), MCP_SIZE(refusal) },
	[MCP_S_EST_IDLE] = { MCP_OFFSET(est_idle), MCP_SIZE(est_idle) },
	[MCP_S_TRANS_IDLE] = { MCP_OFFSET(trans_idle), MCP_SIZE(trans_idle) },
	[MCP_S_MAX_SESSIONS] = { MCP_OFFSET(max_sessions), MCP_SIZE(max_sessions) },
	[MCP_S_MAX_HALF_OPEN] = { MCP_OFFSET(max_half_open), MCP_SIZE(max_half_open) },
	[MCP_S_MAX_HALF_OPEN_CLIENT] = { MCP_OFFSET(max_half_open_client),
					 MCP_SIZE(max_half_open_client) },
	[MCP_S_SESSION_RATE] = { MCP_OFFSET(session_rate), MCP_SIZE(session_rate) },
	[MCP_S_SESSION_BURST] = { MCP_OFFSET(session_burst), MCP_SIZE(session_burst) },
	[MCP_S_ERROR_RATE] = { MCP_OFFSET(error_rate), MCP_SIZE(error_rate) },
	[MCP_S_MAX_PORTS_CLIENT] = { MCP_OFFSET(max_ports_client),
				     MCP_SIZE(max_ports_client) },
	[MCP_S_RELAY_MP_CAPABLE] = { MCP_OFFSET(relay_mp_capable),
				     MCP_SIZE(relay_mp_capable) },
	[MCP_S_MPTCP] = { MCP_OFFSET(mptcp), MCP_SIZE(mptcp) },
	[MCP_S_SERVER_LEG] = { MCP_OFFSET(server_leg), MCP_SIZE(server_leg) },
	[MCP_S_SOURCE] = { MCP_OFFSET(source), MCP_SIZE(source) },
	[MCP_S_FILTERING] = { MCP_OFFSET(filtering), MCP_SIZE(filtering) },
	[MCP_S_REFRESH] = { MCP_OFFSET(refresh), MCP_SIZE(refresh) },
	[MCP_S_MAX_SUBFLOWS] = { MCP_OFFSET(max_subflows), MCP_SIZE(max_subflows) },
	[MCP_S_PORT_BLOCK] = { MCP_OFFSET(port_block), MCP_SIZE(port_block) },
	[MCP_S_PEER_TIMEOUT] = { MCP_OFFSET(peer_timeout), MCP_SIZE(peer_timeout) },
	[MCP_S_PEER_RETRY] = { MCP_OFFSET(peer_retry), MCP_SIZE(peer_retry) },
	[MCP_S_CAPABILITY_TTL] = { MCP_OFFSET(capability_ttl), MCP_SIZE(capability_ttl) },
	[MCP_S_FALLBACK] = { MCP_OFFSET(fallback), MCP_SIZE(fallback) },
	[MCP_S_IMPLICIT] = { MCP_OFFSET(implicit), MCP_SIZE(implicit) },
};

static void *mcp_setting_at(struct mcp_settings *set, int attr)
{
	return (u8 *)set + mcp_setting_fields[attr].offset;
}

/* An idle time that RFC 5382 REQ-5 does not allow, without a word that it is meant. */
static bool mcp_too_short(struct nlattr **tb, int attr, u32 least)
{
	return !tb[MCP_S_I_KNOW] && tb[attr] && nla_get_u32(tb[attr]) < least;
}

/* Reads what the request changes into @set. */
static int mcp_get_settings(struct genl_info *info, struct mcp_settings *set,
			    bool up)
{
	struct nlattr *tb[MCP_S_MAX + 1];
	int attr, err;

	if (!info->attrs[MCP_A_SETTINGS])
		return 0;
	err = nla_parse_nested(tb, MCP_S_MAX, info->attrs[MCP_A_SETTINGS],
			       mcp_setting_policy, info->extack);
	if (err)
		return err;
	if (tb[MCP_S_PORT] && !up) {
		NL_SET_ERR_MSG_ATTR(info->extack, tb[MCP_S_PORT],
				    "the port can only be chosen when the MCP goes up");
		return -EINVAL;
	}
	if (tb[MCP_S_PORT_BLOCK] &&
	    !mcp_block_size_valid(nla_get_u32(tb[MCP_S_PORT_BLOCK]))) {
		NL_SET_ERR_MSG_ATTR(info->extack, tb[MCP_S_PORT_BLOCK],
				    "a block has a power of two of ports, from 64 to 4096");
		return -EINVAL;
	}
	if (mcp_too_short(tb, MCP_S_EST_IDLE, MCP_ESTABLISHED_IDLE_MS) ||
	    mcp_too_short(tb, MCP_S_TRANS_IDLE, MCP_TRANSITORY_IDLE_MS)) {
		NL_SET_ERR_MSG(info->extack,
			       "idle times below 7440 s and 240 s break RFC 5382 REQ-5; say i-know if you do");
		return -EINVAL;
	}
	for (attr = 1; attr <= MCP_S_MAX; attr++) {
		if (!tb[attr])
			continue;
		/* Readers take no lock: each field is written in one go. */
		switch (mcp_setting_fields[attr].size) {
		case sizeof(u8):
			WRITE_ONCE(*(u8 *)mcp_setting_at(set, attr),
				   nla_get_u8(tb[attr]));
			break;
		case sizeof(__be16):
			WRITE_ONCE(*(__be16 *)mcp_setting_at(set, attr),
				   nla_get_be16(tb[attr]));
			break;
		case sizeof(u32):
			WRITE_ONCE(*(u32 *)mcp_setting_at(set, attr),
				   nla_get_u32(tb[attr]));
			break;
		}
	}
	return 0;
}

/**
 * mcp_info_net() - the MCP that a request is about
 * @info: the request
 *
 * Context: process.
 */
struct mcp_net *mcp_info_net(struct genl_info *info)
{
	return mcp_net(genl_info_net(info));
}

static int mcp_cmd_up(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_settings set = mcp_settings_default;
	struct mcp_net *mnet = mcp_info_net(info);
	int err;

	err = mcp_get_settings(info, &set, true);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_net_up(mnet, &set);
	mutex_unlock(&mnet->lock);
	switch (err) {
	case -EEXIST:
		NL_SET_ERR_MSG(info->extack, "the MCP is up already; use set");
		break;
	case -EADDRINUSE:
		NL_SET_ERR_MSG(info->extack, "the port is in use by another program");
		break;
	case -ENOPROTOOPT:
	case -EPROTONOSUPPORT:
		NL_SET_ERR_MSG(info->extack,
			       "MPTCP is off: sysctl net.mptcp.enabled=1");
		break;
	}
	return err;
}

static int mcp_cmd_set(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	int err = -ENOENT;

	mutex_lock(&mnet->lock);
	if (mnet->up)
		err = mcp_get_settings(info, &mnet->settings, false);
	else
		NL_SET_ERR_MSG(info->extack, "the MCP is not up");
	mutex_unlock(&mnet->lock);
	return err;
}

static int mcp_cmd_down(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	int err;

	mutex_lock(&mnet->lock);
	err = mcp_net_down(mnet);
	mutex_unlock(&mnet->lock);
	if (err)
		NL_SET_ERR_MSG(info->extack, "the MCP is not up");
	return err;
}

static int mcp_put_settings(struct sk_buff *skb, struct mcp_settings *set)
{
	struct nlattr *nest;
	int attr, err = 0;

	nest = nla_nest_start(skb, MCP_A_SETTINGS);
	if (!nest)
		return -EMSGSIZE;
	for (attr = 1; attr <= MCP_S_MAX && !err; attr++)
		if (mcp_setting_fields[attr].size)
			err = nla_put(skb, attr, mcp_setting_fields[attr].size,
				      mcp_setting_at(set, attr));
	nla_nest_end(skb, nest);
	return err;
}

/* A reply to @info with nothing in it yet. */
static struct sk_buff *mcp_reply_new(struct genl_info *info, u8 cmd, void **hdr)
{
	struct sk_buff *msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (!msg)
		return NULL;
	*hdr = genlmsg_put_reply(msg, info, &mcp_genl_family, 0, cmd);
	if (!*hdr) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int mcp_cmd_show(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct sk_buff *msg;
	void *hdr;
	int err;

	msg = mcp_reply_new(info, MCP_CMD_SHOW, &hdr);
	if (!msg)
		return -ENOMEM;
	mutex_lock(&mnet->lock);
	err = nla_put_string(msg, MCP_A_VERSION, MCP_VERSION) ?:
		nla_put_u8(msg, MCP_A_UP, mnet->up) ?:
		mcp_put_settings(msg, &mnet->settings);
	mutex_unlock(&mnet->lock);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static bool mcp_host_bits_zero(const struct mcp_endpoint *addr, u8 prefixlen)
{
	unsigned int bits = mcp_addr_len(addr->family) * 8, bit;

	for (bit = prefixlen; bit < bits; bit++)
		if (addr->addr.octets[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

/**
 * mcp_get_prefix() - read a prefix
 * @info: the request
 * @family: attribute of its address family; or NULL
 * @octets: attribute of its address; or NULL
 * @len: attribute of its length; or NULL
 * @addr: the address, port zero
 * @prefixlen: the length in bits, valid for the family
 *
 * Context: process.
 * Return: 0 or -EINVAL, and the request has a message.
 */
int mcp_get_prefix(struct genl_info *info, struct nlattr *family,
		   struct nlattr *octets, struct nlattr *len,
		   struct mcp_endpoint *addr, u8 *prefixlen)
{
	if (!family || !octets || !len) {
		NL_SET_ERR_MSG(info->extack,
			       "an entry has a family, an address and a prefix length");
		return -EINVAL;
	}
	memset(addr, 0, sizeof(*addr));
	addr->family = nla_get_u16(family);
	*prefixlen = nla_get_u8(len);
	if ((addr->family != AF_INET && addr->family != AF_INET6) ||
	    nla_len(octets) != mcp_addr_len(addr->family) ||
	    *prefixlen > mcp_addr_len(addr->family) * 8) {
		NL_SET_ERR_MSG_ATTR(info->extack, octets,
				    "address and prefix length do not fit the family");
		return -EINVAL;
	}
	memcpy(addr->addr.octets, nla_data(octets), mcp_addr_len(addr->family));
	if (!mcp_host_bits_zero(addr, *prefixlen)) {
		NL_SET_ERR_MSG_ATTR(info->extack, octets,
				    "the address has bits behind the prefix");
		return -EINVAL;
	}
	return 0;
}

static int mcp_get_origin(struct genl_info *info, struct nlattr *nest,
			  struct mcp_acl *acl)
{
	struct nlattr *tb[MCP_PREFIX_A_MAX + 1];

	return nla_parse_nested(tb, MCP_PREFIX_A_MAX, nest, mcp_prefix_policy,
				info->extack) ?:
		mcp_get_prefix(info, tb[MCP_PREFIX_A_FAMILY],
			       tb[MCP_PREFIX_A_ADDR],
			       tb[MCP_PREFIX_A_PREFIXLEN], &acl->origin,
			       &acl->origin_len);
}

/* An entry as a request describes it, into what is all zero. */
static int mcp_get_acl(struct genl_info *info, struct mcp_acl *acl)
{
	struct nlattr *tb[MCP_ACL_A_MAX + 1];
	int err;

	if (GENL_REQ_ATTR_CHECK(info, MCP_A_ACL))
		return -EINVAL;
	err = nla_parse_nested(tb, MCP_ACL_A_MAX, info->attrs[MCP_A_ACL],
			       mcp_acl_policy, info->extack) ?:
		mcp_get_prefix(info, tb[MCP_ACL_A_FAMILY], tb[MCP_ACL_A_ADDR],
			       tb[MCP_ACL_A_PREFIXLEN], &acl->addr,
			       &acl->prefixlen);
	if (err)
		return err;
	if (tb[MCP_ACL_A_IFNAME])
		nla_strscpy(acl->ifname, tb[MCP_ACL_A_IFNAME], IFNAMSIZ);
	if (tb[MCP_ACL_A_VIA])
		nla_strscpy(acl->via, tb[MCP_ACL_A_VIA], sizeof(acl->via));
	return tb[MCP_ACL_A_ORIGIN] ?
		mcp_get_origin(info, tb[MCP_ACL_A_ORIGIN], acl) : 0;
}

/**
 * mcp_need_peer() - a peer of that name must be there
 * @mnet: the namespace
 * @info: the request
 * @name: the name; "": none is needed
 *
 * Peers that are taken back later leave it to the setting "fallback".
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or -ENODEV, and the request has a message.
 */
int mcp_need_peer(struct mcp_net *mnet, struct genl_info *info, const char *name)
{
	if (!name[0] || mcp_peer_named(&mnet->peers, name))
		return 0;
	NL_SET_ERR_MSG(info->extack, "there is no peer of that name");
	return -ENODEV;
}

static int mcp_cmd_acl_add(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_acl acl = { };
	int err;

	err = mcp_get_acl(info, &acl);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_need_peer(mnet, info, acl.via);
	if (!err)
		err = mcp_acl_add(&mnet->policy, &acl.addr, acl.prefixlen,
				  acl.ifname,
				  acl.origin.family ? &acl.origin : NULL,
				  acl.origin_len, acl.via);
	mutex_unlock(&mnet->lock);
	if (err == -EEXIST)
		NL_SET_ERR_MSG(info->extack, "the entry is there already");
	else if (err == -ENOSPC)
		NL_SET_ERR_MSG(info->extack, "the list is full");
	return err;
}

static int mcp_cmd_acl_del(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_acl acl = { };
	int err;

	err = mcp_get_acl(info, &acl);
	if (err)
		return err;
	if (acl.origin.family || acl.via[0]) {
		NL_SET_ERR_MSG(info->extack,
			       "an entry is known by its prefix and interface alone");
		return -EINVAL;
	}
	mutex_lock(&mnet->lock);
	err = mcp_acl_del(&mnet->policy, &acl.addr, acl.prefixlen, acl.ifname);
	mutex_unlock(&mnet->lock);
	if (err)
		NL_SET_ERR_MSG(info->extack, "there is no such entry");
	return err;
}

static int mcp_cmd_acl_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);

	mutex_lock(&mnet->lock);
	mcp_acl_flush(&mnet->policy);
	mutex_unlock(&mnet->lock);
	return 0;
}

/**
 * mcp_dump_put() - begin one more message of a dump
 * @skb: where
 * @cb: the dump
 * @cmd: which
 *
 * Context: process.
 * Return: for genlmsg_end() or genlmsg_cancel(); NULL: there is no more room.
 */
void *mcp_dump_put(struct sk_buff *skb, struct netlink_callback *cb,
		   u8 cmd)
{
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				cb->nlh->nlmsg_seq, &mcp_genl_family,
				NLM_F_MULTI, cmd);

	if (hdr)
		genl_dump_check_consistent(cb, hdr);
	return hdr;
}

/**
 * mcp_put_prefix() - put a prefix into a message
 * @skb: the message
 * @attr: as this nest
 * @addr: its address; nothing is put if it is none
 * @prefixlen: its length in bits
 *
 * Context: any.
 * Return: 0 or -EMSGSIZE.
 */
int mcp_put_prefix(struct sk_buff *skb, int attr, const struct mcp_endpoint *addr,
		   u8 prefixlen)
{
	struct nlattr *nest;
	int err;

	if (!addr->family)
		return 0;
	nest = nla_nest_start(skb, attr);
	if (!nest)
		return -EMSGSIZE;
	err = nla_put_u16(skb, MCP_PREFIX_A_FAMILY, addr->family) ?:
		nla_put(skb, MCP_PREFIX_A_ADDR, mcp_addr_len(addr->family),
			addr->addr.octets) ?:
		nla_put_u8(skb, MCP_PREFIX_A_PREFIXLEN, prefixlen);
	nla_nest_end(skb, nest);
	return err;
}

static int mcp_put_acl(struct sk_buff *skb, const struct mcp_acl *acl)
{
	struct nlattr *nest = nla_nest_start(skb, MCP_A_ACL);
	int err;

	if (!nest)
		return -EMSGSIZE;
	err = nla_put_u16(skb, MCP_ACL_A_FAMILY, acl->addr.family) ?:
		nla_put(skb, MCP_ACL_A_ADDR, mcp_addr_len(acl->addr.family),
			acl->addr.addr.octets) ?:
		nla_put_u8(skb, MCP_ACL_A_PREFIXLEN, acl->prefixlen) ?:
		(acl->ifname[0] ?
		 nla_put_string(skb, MCP_ACL_A_IFNAME, acl->ifname) : 0) ?:
		mcp_put_prefix(skb, MCP_ACL_A_ORIGIN, &acl->origin,
			       acl->origin_len) ?:
		(acl->via[0] ?
		 nla_put_string(skb, MCP_ACL_A_VIA, acl->via) : 0) ?:
		nla_put_u64_64bit(skb, MCP_ACL_A_HITS,
				  atomic64_read(&acl->hits), MCP_ACL_A_PAD);
	nla_nest_end(skb, nest);
	return err;
}

static int mcp_dump_acl(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct mcp_net *mnet = mcp_net(sock_net(skb->sk));
	struct mcp_acl *acl;
	long n = 0;
	void *hdr;

	mutex_lock(&mnet->lock);
	cb->seq = mnet->policy.acl_generation;
	list_for_each_entry(acl, &mnet->policy.acl, list) {
		if (n++ < cb->args[0])
			continue;
		hdr = mcp_dump_put(skb, cb, MCP_CMD_ACL_GET);
		if (!hdr)
			break;
		if (mcp_put_acl(skb, acl)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		cb->args[0] = n;
	}
	mutex_unlock(&mnet->lock);
	return skb->len;
}

static int mcp_get_pool(struct genl_info *info, struct mcp_pool_range *range)
{
	struct nlattr *tb[MCP_POOL_A_MAX + 1];
	int err;

	if (GENL_REQ_ATTR_CHECK(info, MCP_A_POOL))
		return -EINVAL;
	err = nla_parse_nested(tb, MCP_POOL_A_MAX, info->attrs[MCP_A_POOL],
			       mcp_pool_policy, info->extack) ?:
		mcp_get_prefix(info, tb[MCP_POOL_A_FAMILY], tb[MCP_POOL_A_ADDR],
			       tb[MCP_POOL_A_PREFIXLEN], &range->addr,
			       &range->prefixlen);
	if (err)
		return err;
	range->first = tb[MCP_POOL_A_FIRST] ?
		nla_get_u16(tb[MCP_POOL_A_FIRST]) : MCP_POOL_DEFAULT_FIRST;
	range->last = tb[MCP_POOL_A_LAST] ?
		nla_get_u16(tb[MCP_POOL_A_LAST]) : MCP_POOL_LAST_PORT;
	if (range->first > range->last) {
		NL_SET_ERR_MSG(info->extack, "the last port is below the first");
		return -EINVAL;
	}
	return 0;
}

static int mcp_cmd_pool_add(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_pool_range range;
	int err;

	err = mcp_get_pool(info, &range);
	if (err)
		return err;
	if (mcp_endpoint_forbidden(&range.addr)) {
		NL_SET_ERR_MSG(info->extack,
			       "no host can have such an address");
		return -EINVAL;
	}
	if (range.prefixlen + MCP_POOL_MAX_BITS <
	    mcp_addr_len(range.addr.family) * 8) {
		NL_SET_ERR_MSG(info->extack,
			       "a range has no more than 65536 addresses");
		return -EINVAL;
	}
	mutex_lock(&mnet->lock);
	err = mcp_pool_add(&mnet->pool, &range.addr, range.prefixlen,
			   range.first, range.last);
	mutex_unlock(&mnet->lock);
	if (err == -EEXIST)
		NL_SET_ERR_MSG(info->extack,
			       "it overlaps what is in the pool already");
	else if (err == -ENOSPC)
		NL_SET_ERR_MSG(info->extack, "the pool has 64 ranges already");
	return err;
}

static int mcp_cmd_pool_del(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_pool_range range;
	int err;

	err = mcp_get_pool(info, &range);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_pool_del(&mnet->pool, &range.addr, range.prefixlen);
	mutex_unlock(&mnet->lock);
	if (err)
		NL_SET_ERR_MSG(info->extack, "there is no such range");
	return err;
}

static int mcp_cmd_pool_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);

	mutex_lock(&mnet->lock);
	mcp_pool_flush(&mnet->pool);
	mutex_unlock(&mnet->lock);
	return 0;
}

static int mcp_put_pool(struct sk_buff *skb, struct mcp_pool *pool,
			const struct mcp_pool_range *range)
{
	struct nlattr *nest = nla_nest_start(skb, MCP_A_POOL);
	int err;

	if (!nest)
		return -EMSGSIZE;
	err = nla_put_u16(skb, MCP_POOL_A_FAMILY, range->addr.family) ?:
		nla_put(skb, MCP_POOL_A_ADDR, mcp_addr_len(range->addr.family),
			range->addr.addr.octets) ?:
		nla_put_u8(skb, MCP_POOL_A_PREFIXLEN, range->prefixlen) ?:
		nla_put_u16(skb, MCP_POOL_A_FIRST, range->first) ?:
		nla_put_u16(skb, MCP_POOL_A_LAST, range->last) ?:
		nla_put_u64_64bit(skb, MCP_POOL_A_USED,
				  mcp_pool_used(pool, range), MCP_POOL_A_PAD);
	nla_nest_end(skb, nest);
	return err;
}

static int mcp_dump_pool(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct mcp_net *mnet = mcp_net(sock_net(skb->sk));
	struct mcp_pool_range *range;
	long n = 0;
	void *hdr;

	mutex_lock(&mnet->lock);
	cb->seq = mnet->pool.generation;
	list_for_each_entry(range, &mnet->pool.ranges, list) {
		if (n++ < cb->args[0])
			continue;
		hdr = mcp_dump_put(skb, cb, MCP_CMD_POOL_GET);
		if (!hdr)
			break;
		if (mcp_put_pool(skb, &mnet->pool, range)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		cb->args[0] = n;
	}
	mutex_unlock(&mnet->lock);
	return skb->len;
}

/**
 * mcp_put_endpoint() - put an address, and its port if it has one, into a message
 * @skb: the message
 * @attr: as this nest
 * @ep: what; nothing is put if it is none
 *
 * Context: any.
 * Return: 0 or -EMSGSIZE.
 */
int mcp_put_endpoint(struct sk_buff *skb, int attr, const struct mcp_endpoint *ep)
{
	struct nlattr *nest;
	int err;

	if (!ep->family)
		return 0;
	nest = nla_nest_start(skb, attr);
	if (!nest)
		return -EMSGSIZE;
	err = nla_put_u16(skb, MCP_ENDPOINT_A_FAMILY, ep->family) ?:
		nla_put(skb, MCP_ENDPOINT_A_ADDR, mcp_addr_len(ep->family),
			ep->addr.octets) ?:
		(ep->port ? nla_put_be16(skb, MCP_ENDPOINT_A_PORT, ep->port) :
		 0);
	nla_nest_end(skb, nest);
	return err;
}

/**
 * mcp_put_session() - put all there is to say of a session into a message
 * @skb: the message
 * @s: the session
 * @why: the reason for its end; MCP_END_NONE: it has not ended
 *
 * Context: process.
 * Return: 0 or -EMSGSIZE.
 */
int mcp_put_session(struct sk_buff *skb, struct mcp_session *s, enum mcp_end why)
{
	u64 age = div_u64((u64)(jiffies - s->born) * MSEC_PER_SEC, HZ);
	struct mcp_endpoint server = { }, peer = { }, external;
	u64 up = mcp_relay_octets(s, MCP_UP);
	u64 down = mcp_relay_octets(s, MCP_DOWN);
	struct nlattr *nest;
	u8 kind, server_kind, subflows;
	int err;

	if (!mcp_withdraw_show(s, &kind, &subflows, &up, &down))
		kind = mcp_upstream_kind(s, &subflows);
	server_kind = mcp_downstream_kind(s);
	mcp_peer_dial_show(s, &peer);
	spin_lock_bh(&s->lock);
	if (s->requested)
		server = s->request.server;
	external = s->down.tuple.external;
	spin_unlock_bh(&s->lock);

	nest = nla_nest_start(skb, MCP_A_SESSION);
	if (!nest)
		return -EMSGSIZE;
	err = nla_put_u64_64bit(skb, MCP_SESSION_A_ID, s->id,
				MCP_SESSION_A_PAD) ?:
		mcp_put_endpoint(skb, MCP_SESSION_A_CLIENT, &s->key.client) ?:
		mcp_put_endpoint(skb, MCP_SESSION_A_MCP, &s->key.mcp) ?:
		mcp_put_endpoint(skb, MCP_SESSION_A_SERVER, &server) ?:
		mcp_put_endpoint(skb, MCP_SESSION_A_EXTERNAL, &external) ?:
		nla_put_u8(skb, MCP_SESSION_A_STATE, READ_ONCE(s->state)) ?:
		nla_put_u8(skb, MCP_SESSION_A_CODEC, s->request.codec) ?:
		nla_put_u8(skb, MCP_SESSION_A_UPSTREAM, kind) ?:
		nla_put_u8(skb, MCP_SESSION_A_DOWNSTREAM,
			   server_kind) ?:
		nla_put_u8(skb, MCP_SESSION_A_INGRESS, s->ingress) ?:
		mcp_put_endpoint(skb, MCP_SESSION_A_PEER, &peer) ?:
		(subflows ? nla_put_u8(skb, MCP_SESSION_A_SUBFLOWS, subflows) :
		 0) ?:
		nla_put_u64_64bit(skb, MCP_SESSION_A_AGE, age,
				  MCP_SESSION_A_PAD) ?:
		nla_put_u64_64bit(skb, MCP_SESSION_A_BYTES_UP,
				  up, MCP_SESSION_A_PAD) ?:
		nla_put_u64_64bit(skb, MCP_SESSION_A_BYTES_DOWN,
				  down, MCP_SESSION_A_PAD) ?:
		(why ? nla_put_u8(skb, MCP_SESSION_A_END, why) : 0);
	nla_nest_end(skb, nest);
	return err;
}

static int mcp_dump_sessions(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct mcp_net *mnet = mcp_net(sock_net(skb->sk));
	struct mcp_session *s;
	u32 id = cb->args[0];
	void *hdr;
	int err;

	/* Numbers are not used again soon: a session is shown at most once. */
	while (cb->args[0] <= U32_MAX && (s = mcp_session_next(mnet, &id))) {
		err = -EMSGSIZE;
		hdr = mcp_dump_put(skb, cb, MCP_CMD_SESSION_GET);
		if (hdr)
			err = mcp_put_session(skb, s, MCP_END_NONE);
		mcp_session_put(s);
		if (err) {
			if (hdr)
				genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		cb->args[0] = (long)id + 1;
		id++;
	}
	return skb->len;
}

static int mcp_cmd_session_count(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct nlattr *nest;
	struct sk_buff *msg;
	void *hdr;

	msg = mcp_reply_new(info, MCP_CMD_SESSION_COUNT, &hdr);
	if (!msg)
		return -ENOMEM;
	nest = nla_nest_start(msg, MCP_A_COUNT);
	if (!nest ||
	    nla_put_u32(msg, MCP_COUNT_A_TOTAL,
			atomic_read(&mnet->session_count)) ||
	    nla_put_u32(msg, MCP_COUNT_A_HALF_OPEN,
			atomic_read(&mnet->half_open)) ||
	    nla_put_u32(msg, MCP_COUNT_A_CLIENTS,
			atomic_read(&mnet->policy.client_count))) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int mcp_cmd_session_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_session *s;
	u32 id = 0, only = 0;

	if (info->attrs[MCP_A_SESSION_ID]) {
		u64 wanted = nla_get_u64(info->attrs[MCP_A_SESSION_ID]);

		id = wanted;
		only = wanted;
		s = wanted && wanted <= U32_MAX ?
			mcp_session_next(mnet, &id) : NULL;
		if (!s || id != only) {
			if (s)
				mcp_session_put(s);
			NL_SET_ERR_MSG(info->extack, "there is no such session");
			return -ENOENT;
		}
		mcp_session_signal(s, MCP_SESSION_FLUSH);
		mcp_session_put(s);
		return 0;
	}
	while ((s = mcp_session_next(mnet, &id))) {
		mcp_session_signal(s, MCP_SESSION_FLUSH);
		mcp_session_put(s);
		cond_resched();
		if (id++ == U32_MAX)
			break;
	}
	return 0;
}

static int mcp_dump_stats(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct mcp_net *mnet = mcp_net(sock_net(skb->sk));
	struct nlattr *nest;
	void *hdr;

	for (; cb->args[0] < __MCP_STAT_COUNT; cb->args[0]++) {
		hdr = mcp_dump_put(skb, cb, MCP_CMD_STATS_GET);
		if (!hdr)
			break;
		nest = nla_nest_start(skb, MCP_A_STAT);
		if (!nest ||
		    nla_put_string(skb, MCP_STAT_A_NAME,
				   mcp_stat_name(cb->args[0])) ||
		    nla_put_u64_64bit(skb, MCP_STAT_A_VALUE,
				      mcp_stat_sum(mnet->stats, cb->args[0]),
				      MCP_STAT_A_PAD)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		nla_nest_end(skb, nest);
		genlmsg_end(skb, hdr);
	}
	return skb->len;
}

static const struct genl_ops mcp_genl_ops[] = {
	{
		.cmd = MCP_CMD_UP,
		.doit = mcp_cmd_up,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_settings_policy,
		.maxattr = ARRAY_SIZE(mcp_settings_policy) - 1,
	}, {
		.cmd = MCP_CMD_SET,
		.doit = mcp_cmd_set,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_settings_policy,
		.maxattr = ARRAY_SIZE(mcp_settings_policy) - 1,
	}, {
		.cmd = MCP_CMD_SHOW,
		.doit = mcp_cmd_show,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_DOWN,
		.doit = mcp_cmd_down,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_ACL_ADD,
		.doit = mcp_cmd_acl_add,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_acl_cmd_policy,
		.maxattr = ARRAY_SIZE(mcp_acl_cmd_policy) - 1,
	}, {
		.cmd = MCP_CMD_ACL_DEL,
		.doit = mcp_cmd_acl_del,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_acl_cmd_policy,
		.maxattr = ARRAY_SIZE(mcp_acl_cmd_policy) - 1,
	}, {
		.cmd = MCP_CMD_ACL_FLUSH,
		.doit = mcp_cmd_acl_flush,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_ACL_GET,
		.dumpit = mcp_dump_acl,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_SESSION_GET,
		.dumpit = mcp_dump_sessions,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_SESSION_COUNT,
		.doit = mcp_cmd_session_count,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_SESSION_FLUSH,
		.doit = mcp_cmd_session_flush,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_flush_policy,
		.maxattr = ARRAY_SIZE(mcp_flush_policy) - 1,
	}, {
		.cmd = MCP_CMD_STATS_GET,
		.dumpit = mcp_dump_stats,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_POOL_ADD,
		.doit = mcp_cmd_pool_add,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_pool_cmd_policy,
		.maxattr = ARRAY_SIZE(mcp_pool_cmd_policy) - 1,
	}, {
		.cmd = MCP_CMD_POOL_DEL,
		.doit = mcp_cmd_pool_del,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_pool_cmd_policy,
		.maxattr = ARRAY_SIZE(mcp_pool_cmd_policy) - 1,
	}, {
		.cmd = MCP_CMD_POOL_FLUSH,
		.doit = mcp_cmd_pool_flush,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_POOL_GET,
		.dumpit = mcp_dump_pool,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_PEER_ADD,
		.doit = mcp_cmd_peer_add,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_peer_cmd_policy,
		.maxattr = MCP_A_PEER,
	}, {
		.cmd = MCP_CMD_PEER_DEL,
		.doit = mcp_cmd_peer_del,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_peer_cmd_policy,
		.maxattr = MCP_A_PEER,
	}, {
		.cmd = MCP_CMD_PEER_FLUSH,
		.doit = mcp_cmd_peer_flush,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_PEER_GET,
		.dumpit = mcp_dump_peer,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_INTERCEPT_ADD,
		.doit = mcp_cmd_intercept_add,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_intercept_cmd_policy,
		.maxattr = MCP_A_INTERCEPT,
	}, {
		.cmd = MCP_CMD_INTERCEPT_DEL,
		.doit = mcp_cmd_intercept_del,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_intercept_cmd_policy,
		.maxattr = MCP_A_INTERCEPT,
	}, {
		.cmd = MCP_CMD_INTERCEPT_FLUSH,
		.doit = mcp_cmd_intercept_flush,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_INTERCEPT_GET,
		.dumpit = mcp_dump_intercept,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_FORWARD_ADD,
		.doit = mcp_cmd_forward_add,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_forward_cmd_policy,
		.maxattr = MCP_A_FORWARD,
	}, {
		.cmd = MCP_CMD_FORWARD_DEL,
		.doit = mcp_cmd_forward_del,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_forward_cmd_policy,
		.maxattr = MCP_A_FORWARD,
	}, {
		.cmd = MCP_CMD_FORWARD_FLUSH,
		.doit = mcp_cmd_forward_flush,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	}, {
		.cmd = MCP_CMD_FORWARD_GET,
		.dumpit = mcp_dump_forward,
		.flags = GENL_UNS_ADMIN_PERM,
		.policy = mcp_no_policy,
		.maxattr = ARRAY_SIZE(mcp_no_policy) - 1,
	},
};

struct genl_family mcp_genl_family __ro_after_init = {
	.name = MCP_GENL_NAME,
	.version = MCP_GENL_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = mcp_genl_ops,
	.n_ops = ARRAY_SIZE(mcp_genl_ops),
	.mcgrps = mcp_genl_groups,
	.n_mcgrps = ARRAY_SIZE(mcp_genl_groups),
	.resv_start_op = MCP_CMD_UP,
};

/**
 * mcp_netlink_init() - be there for the tool
 *
 * Context: process.
 * Return: 0 or a negative error.
 */
int __init mcp_netlink_init(void)
{
	return genl_register_family(&mcp_genl_family);
}

/**
 * mcp_netlink_exit() - undo mcp_netlink_init()
 *
 * Context: process.
 */
void mcp_netlink_exit(void)
{
	genl_unregister_family(&mcp_genl_family);
}
