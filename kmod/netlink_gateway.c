// SPDX-License-Identifier: GPL-2.0
#include <linux/netlink.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "net.h"
#include "netlink.h"
#include "netlink_gateway.h"

/* 6.1 wants to be able to write to it. */
static struct netlink_range_validation mcp_range_lifetime __ro_after_init = {
	.min = 1, .max = MCP_FORWARD_LIFETIME_MAX,
};

#define MCP_NAME_POLICY	{ .type = NLA_NUL_STRING, .len = MCP_PEER_NAME_LEN - 1 }

static const struct nla_policy mcp_peer_policy[MCP_PEER_A_MAX + 1] = {
	[MCP_PEER_A_NAME] = MCP_NAME_POLICY,
	[MCP_PEER_A_FAMILY] = { .type = NLA_U16 },
	[MCP_PEER_A_ADDR] = NLA_POLICY_RANGE(NLA_BINARY, 4, 16),
	[MCP_PEER_A_PORT] = NLA_POLICY_MIN(NLA_BE16, 1),
	[MCP_PEER_A_CODEC] = NLA_POLICY_RANGE(NLA_U8, MCP_CODEC_MP_CONVERT,
					      MCP_CODEC_IMPLICIT),
	[MCP_PEER_A_PRIO] = { .type = NLA_U32 },
	[MCP_PEER_A_COOKIE] = NLA_POLICY_RANGE(NLA_BINARY, 1,
					       MCP_PEER_COOKIE_MAX),
	[MCP_PEER_A_ORIGIN] = { .type = NLA_FLAG },
};

static const struct nla_policy mcp_endpoint_policy[MCP_ENDPOINT_A_MAX + 1] = {
	[MCP_ENDPOINT_A_FAMILY] = { .type = NLA_U16 },
	[MCP_ENDPOINT_A_ADDR] = NLA_POLICY_RANGE(NLA_BINARY, 4, 16),
	[MCP_ENDPOINT_A_PORT] = NLA_POLICY_MIN(NLA_BE16, 1),
};

static const struct nla_policy mcp_intercept_policy[MCP_INTERCEPT_A_MAX + 1] = {
	[MCP_INTERCEPT_A_INDEX] = NLA_POLICY_MIN(NLA_U32, 1),
	[MCP_INTERCEPT_A_ACTION] = NLA_POLICY_MAX(NLA_U8, MCP_INTERCEPT_PEER),
	[MCP_INTERCEPT_A_IFNAME] = { .type = NLA_NUL_STRING, .len = IFNAMSIZ - 1 },
	[MCP_INTERCEPT_A_LOCAL] = { .type = NLA_FLAG },
	[MCP_INTERCEPT_A_FROM] = NLA_POLICY_NESTED(mcp_prefix_policy),
	[MCP_INTERCEPT_A_TO] = NLA_POLICY_NESTED(mcp_prefix_policy),
	[MCP_INTERCEPT_A_FIRST] = NLA_POLICY_MIN(NLA_U16, 1),
	[MCP_INTERCEPT_A_LAST] = NLA_POLICY_MIN(NLA_U16, 1),
	[MCP_INTERCEPT_A_PEER] = MCP_NAME_POLICY,
};

static const struct nla_policy mcp_forward_policy[MCP_FORWARD_A_MAX + 1] = {
	[MCP_FORWARD_A_EXTERNAL] = NLA_POLICY_NESTED(mcp_endpoint_policy),
	[MCP_FORWARD_A_CLIENT] = NLA_POLICY_NESTED(mcp_endpoint_policy),
	[MCP_FORWARD_A_PEER] = MCP_NAME_POLICY,
	[MCP_FORWARD_A_LIFETIME] = NLA_POLICY_FULL_RANGE(NLA_U32, &mcp_range_lifetime),
};

const struct nla_policy mcp_peer_cmd_policy[MCP_A_PEER + 1] = {
	[MCP_A_PEER] = NLA_POLICY_NESTED(mcp_peer_policy),
};

const struct nla_policy mcp_intercept_cmd_policy[MCP_A_INTERCEPT + 1] = {
	[MCP_A_INTERCEPT] = NLA_POLICY_NESTED(mcp_intercept_policy),
};

const struct nla_policy mcp_forward_cmd_policy[MCP_A_FORWARD + 1] = {
	[MCP_A_FORWARD] = NLA_POLICY_NESTED(mcp_forward_policy),
};

/* An address without prefix length: all of its bits count. */
static int mcp_get_address(struct genl_info *info, struct nlattr *family,
			   struct nlattr *octets, struct mcp_endpoint *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (!family || !octets) {
		NL_SET_ERR_MSG(info->extack,
			       "an endpoint has a family and an address");
		return -EINVAL;
	}
	addr->family = nla_get_u16(family);
	if ((addr->family != AF_INET && addr->family != AF_INET6) ||
	    nla_len(octets) != mcp_addr_len(addr->family)) {
		NL_SET_ERR_MSG_ATTR(info->extack, octets,
				    "the address does not fit the family");
		return -EINVAL;
	}
	memcpy(addr->addr.octets, nla_data(octets), mcp_addr_len(addr->family));
	if (mcp_endpoint_forbidden(addr)) {
		NL_SET_ERR_MSG_ATTR(info->extack, octets,
				    "no host can have such an address");
		return -EINVAL;
	}
	return 0;
}

/* Puts an entry of a list, the @index-th from 1, into a message; or -EMSGSIZE. */
typedef int (*mcp_put_entry)(struct sk_buff *skb, struct list_head *entry,
			     u32 index);

/* Walks a list of entries for a dump: begins at the one it had no room for. */
static void mcp_dump_list(struct sk_buff *skb, struct netlink_callback *cb,
			  struct list_head *head, u8 cmd, mcp_put_entry put)
{
	struct list_head *entry;
	long n = 0;
	void *hdr;

	list_for_each(entry, head) {
		if (n++ < cb->args[0])
			continue;
		hdr = mcp_dump_put(skb, cb, cmd);
		if (!hdr)
			return;
		if (put(skb, entry, n)) {
			genlmsg_cancel(skb, hdr);
			return;
		}
		genlmsg_end(skb, hdr);
		cb->args[0] = n;
	}
}

/* ----------------------------------------------------------------- peers */

/* It stands in lists, and in the place of "direct". */
static bool mcp_peer_name_valid(const char *name)
{
	const char *c;

	for (c = name; *c; c++)
		if (!isascii(*c) || (!isalnum(*c) && !strchr("._-", *c)))
			return false;
	return *name && strcmp(name, "direct");
}

static int mcp_get_peer(struct genl_info *info, struct mcp_peer_spec *spec,
			bool whole)
{
	struct nlattr *tb[MCP_PEER_A_MAX + 1];
	int err;

	if (GENL_REQ_ATTR_CHECK(info, MCP_A_PEER))
		return -EINVAL;
	err = nla_parse_nested(tb, MCP_PEER_A_MAX, info->attrs[MCP_A_PEER],
			       mcp_peer_policy, info->extack);
	if (err)
		return err;
	if (tb[MCP_PEER_A_NAME])
		nla_strscpy(spec->name, tb[MCP_PEER_A_NAME], sizeof(spec->name));
	if (!mcp_peer_name_valid(spec->name)) {
		NL_SET_ERR_MSG(info->extack,
			       "a peer's name is of A-Z a-z 0-9 . _ -, and not 'direct'");
		return -EINVAL;
	}
	if (whole || tb[MCP_PEER_A_ADDR])
		err = mcp_get_address(info, tb[MCP_PEER_A_FAMILY],
				      tb[MCP_PEER_A_ADDR], &spec->addr);
	if (err)
		return err;
	if (tb[MCP_PEER_A_PORT])
		spec->addr.port = nla_get_be16(tb[MCP_PEER_A_PORT]);
	else if (whole)
		spec->addr.port = htons(MCP_DEFAULT_PORT);
	spec->codec = tb[MCP_PEER_A_CODEC] ?
		nla_get_u8(tb[MCP_PEER_A_CODEC]) : MCP_CODEC_MP_CONVERT;
	spec->prio = tb[MCP_PEER_A_PRIO] ? nla_get_u32(tb[MCP_PEER_A_PRIO]) : 0;
	spec->origin = nla_get_flag(tb[MCP_PEER_A_ORIGIN]);
	if (tb[MCP_PEER_A_COOKIE]) {
		spec->cookie_len = nla_len(tb[MCP_PEER_A_COOKIE]);
		memcpy(spec->cookie, nla_data(tb[MCP_PEER_A_COOKIE]),
		       spec->cookie_len);
	}
	if (spec->cookie_len && spec->codec != MCP_CODEC_CONVERT) {
		NL_SET_ERR_MSG_ATTR(info->extack, tb[MCP_PEER_A_COOKIE],
				    "only Convert has room for a cookie: use codec convert");
		return -EINVAL;
	}
	if (spec->origin && spec->codec != MCP_CODEC_MP_CONVERT) {
		NL_SET_ERR_MSG_ATTR(info->extack, tb[MCP_PEER_A_ORIGIN],
				    "only MP_CONVERT has room for an origin: use codec mp-convert");
		return -EINVAL;
	}
	return 0;
}

int mcp_cmd_peer_add(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_peer_spec spec = { };
	int err;

	err = mcp_get_peer(info, &spec, true);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_peer_add(&mnet->peers, &spec);
	mutex_unlock(&mnet->lock);
	if (err == -EEXIST)
		NL_SET_ERR_MSG(info->extack, "the peer is there already");
	else if (err == -ENOSPC)
		NL_SET_ERR_MSG(info->extack, "there are 64 peers already");
	return err;
}

int mcp_cmd_peer_del(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_peer_spec spec = { };
	int err;

	err = mcp_get_peer(info, &spec, false);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_peer_del(&mnet->peers, spec.name, &spec.addr);
	mutex_unlock(&mnet->lock);
	if (err)
		NL_SET_ERR_MSG(info->extack, "there is no such peer");
	return err;
}

int mcp_cmd_peer_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);

	mutex_lock(&mnet->lock);
	mcp_peers_flush(&mnet->peers);
	mutex_unlock(&mnet->lock);
	return 0;
}

static int mcp_put_peer_counts(struct sk_buff *skb, const struct mcp_peer *peer)
{
	static const u8 attrs[__MCP_PEER_COUNTS] = {
		[MCP_PEER_COUNT_DIALS] = MCP_PEER_A_DIALS,
		[MCP_PEER_COUNT_ACCEPTED] = MCP_PEER_A_ACCEPTED,
		[MCP_PEER_COUNT_REFUSED] = MCP_PEER_A_REFUSED,
		[MCP_PEER_COUNT_FAILED] = MCP_PEER_A_FAILED,
		[MCP_PEER_COUNT_LATE] = MCP_PEER_A_LATE,
	};
	int i, err = 0;

	for (i = 0; i < __MCP_PEER_COUNTS && !err; i++)
		err = nla_put_u64_64bit(skb, attrs[i],
					atomic64_read(&peer->counts[i]),
					MCP_PEER_A_PAD);
	return err;
}

static int mcp_put_peer(struct sk_buff *skb, struct list_head *entry, u32 index)
{
	struct mcp_peer *peer = list_entry(entry, struct mcp_peer, list);
	const struct mcp_peer_spec *spec = &peer->spec;
	u8 cookie[MCP_PEER_COOKIE_MAX], cookie_len, state;
	struct nlattr *nest = nla_nest_start(skb, MCP_A_PEER);
	u32 left;
	int err;

	if (!nest)
		return -EMSGSIZE;
	cookie_len = mcp_peer_cookie(peer, cookie);
	state = mcp_peer_state(peer, &left);
	err = nla_put_string(skb, MCP_PEER_A_NAME, spec->name) ?:
		nla_put_u16(skb, MCP_PEER_A_FAMILY, spec->addr.family) ?:
		nla_put(skb, MCP_PEER_A_ADDR, mcp_addr_len(spec->addr.family),
			spec->addr.addr.octets) ?:
		nla_put_be16(skb, MCP_PEER_A_PORT, spec->addr.port) ?:
		nla_put_u8(skb, MCP_PEER_A_CODEC, spec->codec) ?:
		nla_put_u32(skb, MCP_PEER_A_PRIO, spec->prio) ?:
		(cookie_len ? nla_put(skb, MCP_PEER_A_COOKIE, cookie_len,
				      cookie) : 0) ?:
		(spec->origin ? nla_put_flag(skb, MCP_PEER_A_ORIGIN) : 0) ?:
		nla_put_u8(skb, MCP_PEER_A_STATE, state) ?:
		(left ? nla_put_u32(skb, MCP_PEER_A_LEFT, left) : 0) ?:
		mcp_put_peer_counts(skb, peer);
	nla_nest_end(skb, nest);
	return err;
}

int mcp_dump_peer(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct mcp_net *mnet = mcp_net(sock_net(skb->sk));

	mutex_lock(&mnet->lock);
	cb->seq = mnet->peers.generation;
	mcp_dump_list(skb, cb, &mnet->peers.list, MCP_CMD_PEER_GET,
		      mcp_put_peer);
	mutex_unlock(&mnet->lock);
	return skb->len;
}

/* ----------------------------------------------------------------- rules */

static int mcp_get_rule_prefix(struct genl_info *info, struct nlattr *nest,
			       struct mcp_endpoint *addr, u8 *len)
{
	struct nlattr *tb[MCP_PREFIX_A_MAX + 1];

	if (!nest)
		return 0;
	return nla_parse_nested(tb, MCP_PREFIX_A_MAX, nest, mcp_prefix_policy,
				info->extack) ?:
		mcp_get_prefix(info, tb[MCP_PREFIX_A_FAMILY],
			       tb[MCP_PREFIX_A_ADDR],
			       tb[MCP_PREFIX_A_PREFIXLEN], addr, len);
}

static int mcp_get_rule(struct genl_info *info, struct mcp_rule *rule)
{
	struct nlattr *tb[MCP_INTERCEPT_A_MAX + 1];
	bool by_peer;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, MCP_A_INTERCEPT))
		return -EINVAL;
	err = nla_parse_nested(tb, MCP_INTERCEPT_A_MAX,
			       info->attrs[MCP_A_INTERCEPT],
			       mcp_intercept_policy, info->extack) ?:
		mcp_get_rule_prefix(info, tb[MCP_INTERCEPT_A_FROM], &rule->from,
				    &rule->from_len) ?:
		mcp_get_rule_prefix(info, tb[MCP_INTERCEPT_A_TO], &rule->to,
				    &rule->to_len);
	if (err)
		return err;
	rule->local = nla_get_flag(tb[MCP_INTERCEPT_A_LOCAL]);
	if (tb[MCP_INTERCEPT_A_IFNAME])
		nla_strscpy(rule->ifname, tb[MCP_INTERCEPT_A_IFNAME], IFNAMSIZ);
	rule->first = tb[MCP_INTERCEPT_A_FIRST] ?
		nla_get_u16(tb[MCP_INTERCEPT_A_FIRST]) : 1;
	rule->last = tb[MCP_INTERCEPT_A_LAST] ?
		nla_get_u16(tb[MCP_INTERCEPT_A_LAST]) : U16_MAX;
	if (tb[MCP_INTERCEPT_A_PEER])
		nla_strscpy(rule->peer, tb[MCP_INTERCEPT_A_PEER],
			    sizeof(rule->peer));
	rule->action = tb[MCP_INTERCEPT_A_ACTION] ?
		nla_get_u8(tb[MCP_INTERCEPT_A_ACTION]) : MCP_INTERCEPT_PASS;
	if (rule->first > rule->last) {
		NL_SET_ERR_MSG(info->extack, "the last port is below the first");
		return -EINVAL;
	}
	if (rule->from.family && rule->to.family &&
	    rule->from.family != rule->to.family) {
		NL_SET_ERR_MSG(info->extack,
			       "source and destination are of one family");
		return -EINVAL;
	}
	by_peer = rule->action == MCP_INTERCEPT_PEER;
	if (!tb[MCP_INTERCEPT_A_ACTION] || by_peer != !!rule->peer[0]) {
		NL_SET_ERR_MSG(info->extack,
			       "a rule says pass, direct, or by which peer");
		return -EINVAL;
	}
	if (rule->local && rule->ifname[0]) {
		NL_SET_ERR_MSG(info->extack,
			       "the host's own connections come in by no interface");
		return -EINVAL;
	}
	return 0;
}

int mcp_cmd_intercept_add(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_rule rule = { };
	int err;

	err = mcp_get_rule(info, &rule);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_need_peer(mnet, info, rule.peer) ?:
		mcp_rule_add(&mnet->intercept, &rule);
	mutex_unlock(&mnet->lock);
	if (err == -ENOSPC)
		NL_SET_ERR_MSG(info->extack, "the list is full");
	return err;
}

int mcp_cmd_intercept_del(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct nlattr *tb[MCP_INTERCEPT_A_MAX + 1];
	int err;

	if (GENL_REQ_ATTR_CHECK(info, MCP_A_INTERCEPT))
		return -EINVAL;
	err = nla_parse_nested(tb, MCP_INTERCEPT_A_MAX,
			       info->attrs[MCP_A_INTERCEPT],
			       mcp_intercept_policy, info->extack);
	if (err)
		return err;
	if (!tb[MCP_INTERCEPT_A_INDEX]) {
		NL_SET_ERR_MSG(info->extack, "a rule is known by its number");
		return -EINVAL;
	}
	mutex_lock(&mnet->lock);
	err = mcp_rule_del(&mnet->intercept,
			   nla_get_u32(tb[MCP_INTERCEPT_A_INDEX]));
	mutex_unlock(&mnet->lock);
	if (err)
		NL_SET_ERR_MSG(info->extack, "there is no such rule");
	return err;
}

int mcp_cmd_intercept_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);

	mutex_lock(&mnet->lock);
	mcp_rules_flush(&mnet->intercept);
	mutex_unlock(&mnet->lock);
	return 0;
}

static int mcp_put_rule(struct sk_buff *skb, struct list_head *entry, u32 index)
{
	struct mcp_rule *rule = list_entry(entry, struct mcp_rule, list);
	struct nlattr *nest = nla_nest_start(skb, MCP_A_INTERCEPT);
	int err;

	if (!nest)
		return -EMSGSIZE;
	err = nla_put_u32(skb, MCP_INTERCEPT_A_INDEX, index) ?:
		nla_put_u8(skb, MCP_INTERCEPT_A_ACTION, rule->action) ?:
		(rule->ifname[0] ? nla_put_string(skb, MCP_INTERCEPT_A_IFNAME,
						  rule->ifname) : 0) ?:
		(rule->local ? nla_put_flag(skb, MCP_INTERCEPT_A_LOCAL) : 0) ?:
		mcp_put_prefix(skb, MCP_INTERCEPT_A_FROM, &rule->from,
			       rule->from_len) ?:
		mcp_put_prefix(skb, MCP_INTERCEPT_A_TO, &rule->to,
			       rule->to_len) ?:
		nla_put_u16(skb, MCP_INTERCEPT_A_FIRST, rule->first) ?:
		nla_put_u16(skb, MCP_INTERCEPT_A_LAST, rule->last) ?:
		(rule->peer[0] ? nla_put_string(skb, MCP_INTERCEPT_A_PEER,
						rule->peer) : 0) ?:
		nla_put_u64_64bit(skb, MCP_INTERCEPT_A_HITS,
				  atomic64_read(&rule->hits),
				  MCP_INTERCEPT_A_PAD) ?:
		nla_put_u64_64bit(skb, MCP_INTERCEPT_A_PASSED,
				  atomic64_read(&rule->passed),
				  MCP_INTERCEPT_A_PAD);
	nla_nest_end(skb, nest);
	return err;
}

int mcp_dump_intercept(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct mcp_net *mnet = mcp_net(sock_net(skb->sk));

	mutex_lock(&mnet->lock);
	cb->seq = mnet->intercept.generation;
	mcp_dump_list(skb, cb, &mnet->intercept.rules, MCP_CMD_INTERCEPT_GET,
		      mcp_put_rule);
	mutex_unlock(&mnet->lock);
	return skb->len;
}

/* ------------------------------------------------------- static mappings */

static int mcp_get_endpoint(struct genl_info *info, struct nlattr *nest,
			    struct mcp_endpoint *ep)
{
	struct nlattr *tb[MCP_ENDPOINT_A_MAX + 1];
	int err;

	err = nla_parse_nested(tb, MCP_ENDPOINT_A_MAX, nest,
			       mcp_endpoint_policy, info->extack) ?:
		mcp_get_address(info, tb[MCP_ENDPOINT_A_FAMILY],
				tb[MCP_ENDPOINT_A_ADDR], ep);
	if (!err && tb[MCP_ENDPOINT_A_PORT])
		ep->port = nla_get_be16(tb[MCP_ENDPOINT_A_PORT]);
	return err;
}

static int mcp_get_forward(struct genl_info *info, struct mcp_forward *forward,
			   u32 *lifetime, bool whole)
{
	struct nlattr *tb[MCP_FORWARD_A_MAX + 1];
	struct mcp_endpoint to;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, MCP_A_FORWARD))
		return -EINVAL;
	err = nla_parse_nested(tb, MCP_FORWARD_A_MAX, info->attrs[MCP_A_FORWARD],
			       mcp_forward_policy, info->extack);
	if (err)
		return err;
	if (!tb[MCP_FORWARD_A_EXTERNAL] || (whole && !tb[MCP_FORWARD_A_CLIENT])) {
		NL_SET_ERR_MSG(info->extack,
			       "a static mapping has an external endpoint and a client's");
		return -EINVAL;
	}
	err = mcp_get_endpoint(info, tb[MCP_FORWARD_A_EXTERNAL],
			       &forward->external);
	if (err || !whole)
		return err;
	err = mcp_get_endpoint(info, tb[MCP_FORWARD_A_CLIENT], &forward->client);
	if (err)
		return err;
	if (!forward->external.port && forward->client.port) {
		NL_SET_ERR_MSG(info->extack,
			       "all ports of an address go to the same ports of the client");
		return -EINVAL;
	}
	to = forward->client;
	if (!to.port)
		to.port = forward->external.port;
	if (mcp_endpoint_equal(&forward->external, &to)) {
		NL_SET_ERR_MSG(info->extack, "that is a loop");
		return -EINVAL;
	}
	if (tb[MCP_FORWARD_A_PEER])
		nla_strscpy(forward->peer, tb[MCP_FORWARD_A_PEER],
			    sizeof(forward->peer));
	*lifetime = tb[MCP_FORWARD_A_LIFETIME] ?
		nla_get_u32(tb[MCP_FORWARD_A_LIFETIME]) : 0;
	return 0;
}

int mcp_cmd_forward_add(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_forward forward = { };
	u32 lifetime;
	int err;

	err = mcp_get_forward(info, &forward, &lifetime, true);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_need_peer(mnet, info, forward.peer) ?:
		mcp_forward_add(mnet, &forward, lifetime);
	mutex_unlock(&mnet->lock);
	if (err == -EEXIST)
		NL_SET_ERR_MSG(info->extack, "the endpoint has a static mapping already");
	else if (err == -EADDRINUSE)
		NL_SET_ERR_MSG(info->extack,
			       "a program of the host listens there, or a client's session has the port");
	else if (err == -ENOSPC)
		NL_SET_ERR_MSG(info->extack, "the list is full");
	return err;
}

int mcp_cmd_forward_del(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);
	struct mcp_forward forward = { };
	u32 lifetime;
	int err;

	err = mcp_get_forward(info, &forward, &lifetime, false);
	if (err)
		return err;
	mutex_lock(&mnet->lock);
	err = mcp_forward_del(mnet, &forward.external);
	mutex_unlock(&mnet->lock);
	if (err)
		NL_SET_ERR_MSG(info->extack, "there is no such static mapping");
	return err;
}

int mcp_cmd_forward_flush(struct sk_buff *skb, struct genl_info *info)
{
	struct mcp_net *mnet = mcp_info_net(info);

	mutex_lock(&mnet->lock);
	mcp_forwards_flush(&mnet->forwards);
	mutex_unlock(&mnet->lock);
	return 0;
}

static int mcp_put_forward(struct sk_buff *skb, struct list_head *entry,
			   u32 index)
{
	struct mcp_forward *forward = list_entry(entry, struct mcp_forward, list);
	struct nlattr *nest = nla_nest_start(skb, MCP_A_FORWARD);
	u32 left = mcp_forward_left(forward);
	int err;

	if (!nest)
		return -EMSGSIZE;
	err = mcp_put_endpoint(skb, MCP_FORWARD_A_EXTERNAL, &forward->external) ?:
		mcp_put_endpoint(skb, MCP_FORWARD_A_CLIENT, &forward->client) ?:
		(forward->peer[0] ? nla_put_string(skb, MCP_FORWARD_A_PEER,
						   forward->peer) : 0) ?:
		(left ? nla_put_u32(skb, MCP_FORWARD_A_LIFETIME, left) : 0) ?:
		nla_put_u64_64bit(skb, MCP_FORWARD_A_HITS,
				  atomic64_read(&forward->hits),
				  MCP_FORWARD_A_PAD);
	nla_nest_end(skb, nest);
	return err;
}

int mcp_dump_forward(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct mcp_net *mnet = mcp_net(sock_net(skb->sk));

	mutex_lock(&mnet->lock);
	cb->seq = mnet->forwards.generation;
	mcp_dump_list(skb, cb, &mnet->forwards.list, MCP_CMD_FORWARD_GET,
		      mcp_put_forward);
	mutex_unlock(&mnet->lock);
	return skb->len;
}
