// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/percpu.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "hook.h"
#include "net.h"
#include "nat.h"
#include "netlink.h"
#include "pages.h"
#include "relay.h"
#include "session.h"
#include "socket.h"
#include "translate.h"
#include "withdraw.h"

static unsigned int mcp_net_id;

/**
 * mcp_net() - the MCP of a namespace
 * @net: the namespace
 *
 * Context: any, while the namespace and the module are there.
 */
struct mcp_net *mcp_net(const struct net *net)
{
	return net_generic(net, mcp_net_id);
}

/**
 * mcp_net_up() - start the MCP of a namespace
 * @mnet: the namespace
 * @settings: its settings from now on
 *
 * Context: process, mcp_net.lock held.
 * Return: 0; -EEXIST if it is up; -EADDRINUSE, -ENOPROTOOPT (MPTCP is off) or
 * another negative error, and nothing has changed but the settings.
 */
int mcp_net_up(struct mcp_net *mnet, const struct mcp_settings *settings)
{
	int err;

	if (mnet->up)
		return -EEXIST;
	mnet->settings = *settings;
	mnet->was_up = true;
	/* The hooks first: no connection without them, not for a moment. */
	err = mcp_hook_register(mnet);
	if (err)
		goto drain;
	err = mcp_upstream_listen(mnet);
	if (err)
		goto unregister;
	mnet->up = true;
	return 0;

unregister:
	mcp_hook_unregister(mnet);
drain:
	/* Each hook is at work as soon as it is there. */
	mcp_inbound_flush(mnet);
	mcp_session_drain(mnet);
	mcp_implicit_stop(mnet);
	mcp_unsolicited_flush(mnet);
	return err;
}

/**
 * mcp_net_down() - stop the MCP of a namespace, end its sessions
 * @mnet: the namespace
 *
 * Context: process, mcp_net.lock held or the namespace going away.
 * Return: 0, or -ENOENT if it is not up.
 */
int mcp_net_down(struct mcp_net *mnet)
{
	if (!mnet->up)
		return -ENOENT;
	mcp_upstream_stop(mnet);
	mcp_hook_unregister(mnet);
	mcp_inbound_flush(mnet);
	mcp_session_drain(mnet);
	mcp_implicit_stop(mnet);
	mcp_unsolicited_flush(mnet);
	mcp_plain_forget(&mnet->plain);
	mnet->up = false;
	return 0;
}

static int __net_init mcp_net_init(struct net *net)
{
	struct mcp_net *mnet = mcp_net(net);
	int err;

	mnet->net = net;
	mutex_init(&mnet->lock);
	mnet->settings = mcp_settings_default;
	mcp_cookies_init(&mnet->cookies);
	mcp_upstream_init(mnet);
	mcp_unsolicited_init(mnet);
	mcp_inbound_init(mnet);
	mcp_plain_init(&mnet->plain);
	mcp_peers_init(&mnet->peers);
	mcp_intercept_init(&mnet->intercept);
	mcp_implicit_init(mnet);
	mcp_forwards_init(&mnet->forwards);
	mnet->stats = alloc_percpu(struct mcp_stats);
	if (!mnet->stats)
		return -ENOMEM;
	err = mcp_policy_init(&mnet->policy);
	if (err)
		goto free_stats;
	err = mcp_pool_init(&mnet->pool);
	if (err)
		goto exit_policy;
	err = mcp_nat_init(mnet);
	if (err)
		goto exit_pool;
	err = mcp_translate_init(mnet);
	if (err)
		goto exit_nat;
	err = mcp_withdraw_init(mnet);
	if (err)
		goto exit_translate;
	err = mcp_session_net_init(mnet);
	if (err)
		goto exit_withdraw;
	return 0;

exit_withdraw:
	mcp_withdraw_exit(mnet);
exit_translate:
	mcp_translate_exit(mnet);
exit_nat:
	mcp_nat_exit(mnet);
exit_pool:
	mcp_pool_exit(&mnet->pool);
exit_policy:
	mcp_policy_exit(&mnet->policy);
free_stats:
	free_percpu(mnet->stats);
	return err;
}

static void __net_exit mcp_net_exit(struct net *net)
{
	struct mcp_net *mnet = mcp_net(net);

	mcp_net_down(mnet);
	mcp_forwards_exit(mnet);
	mcp_rules_flush(&mnet->intercept);
	mcp_peers_flush(&mnet->peers);
	if (mnet->was_up)
		mcp_socket_reap(net);
	mcp_session_net_exit(mnet);
	mcp_withdraw_exit(mnet);
	mcp_translate_exit(mnet);
	mcp_nat_exit(mnet);
	mcp_plain_forget(&mnet->plain);
	mcp_pool_exit(&mnet->pool);
	mcp_policy_exit(&mnet->policy);
	free_percpu(mnet->stats);
}

/*
 * As a device: the exit of a namespace then comes before that of its real
 * devices, which held SYNs and routes refer to.
 */
static struct pernet_operations mcp_net_ops = {
	.init = mcp_net_init,
	.exit = mcp_net_exit,
	.id = &mcp_net_id,
	.size = sizeof(struct mcp_net),
};

static int __init mcp_init(void)
{
	int err;

	err = mcp_pages_init();
	if (err)
		return err;
	err = mcp_pool_module_init();
	if (err)
		goto exit_pages;
	err = mcp_relay_module_init();
	if (err)
		goto exit_pool;
	err = mcp_session_module_init();
	if (err)
		goto exit_relay;
	err = register_pernet_device(&mcp_net_ops);
	if (err)
		goto exit_session;
	err = mcp_netlink_init();
	if (err)
		goto unregister_net;
	return 0;

unregister_net:
	unregister_pernet_device(&mcp_net_ops);
exit_session:
	mcp_session_module_exit();
exit_relay:
	mcp_relay_module_exit();
exit_pool:
	mcp_pool_module_exit();
exit_pages:
	mcp_pages_exit();
	return err;
}

static void __exit mcp_exit(void)
{
	mcp_netlink_exit();
	unregister_pernet_device(&mcp_net_ops);
	mcp_session_module_exit();
	mcp_relay_module_exit();
	mcp_pool_module_exit();
	mcp_pages_exit();
}

module_init(mcp_init);
module_exit(mcp_exit);

MODULE_DESCRIPTION("MPTCP Conversion Point: MPTCP with the client, TCP with the server");
MODULE_LICENSE("GPL");
MODULE_VERSION(MCP_VERSION);
MODULE_ALIAS_GENL_FAMILY(MCP_GENL_NAME);
