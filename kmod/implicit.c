// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <linux/rculist.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_sock.h>

#include "implicit.h"
#include "session.h"
#include "socket.h"
#include "steer.h"
#include "tcpopt.h"
#include "upstream.h"

/* A server's port is its client's choice: a listener for each has a limit. */
#define MCP_PORTS_MAX		64

/**
 * struct mcp_port - a listener for the connections to one port
 *
 * A further subflow comes to an address of the host, and there to the server's port.
 * The stack takes it only from a listener that has the port of the connection (or
 * one that was announced): hence one for each port, which is bound elsewhere, since
 * nobody is to be able to address it, and is said to have the server's.
 *
 * @list:	in mcp_ports.ports
 * @rcu:	for freeing
 * @port:	constant; the server's
 * @family:	constant; AF_INET or AF_INET6
 * @sock:	the MPTCP listener
 * @tcp:	the TCP socket behind it; with a reference
 * @wait:	wakes mcp_ports.accept for it
 * @sessions:	who has connections from it
 */
struct mcp_port {
	struct list_head list;
	struct rcu_head rcu;
	__be16 port;
	u16 family;
	struct socket *sock;
	struct sock *tcp;
	struct wait_queue_entry wait;
	unsigned int sessions;
};

static int mcp_port_wake(struct wait_queue_entry *wait, unsigned int mode,
			 int sync, void *key)
{
	struct mcp_net *mnet = wait->private;

	queue_work(system_wq, &mnet->implicit.accept);
	return 0;
}

/* Under rcu_read_lock(), or mcp_ports.lock. */
static struct mcp_port *mcp_port_find(struct mcp_net *mnet, u16 family,
				      __be16 port)
{
	struct mcp_ports *im = &mnet->implicit;
	struct mcp_port *p;

	list_for_each_entry_rcu(p, &im->ports, list, lockdep_is_held(&im->lock))
		if (p->port == port && p->family == family)
			return p;
	return NULL;
}

static void mcp_port_free(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct mcp_port, rcu));
}

/* Locked, and it is not accepted from. */
static void mcp_port_close(struct mcp_ports *im, struct mcp_port *p)
{
	list_del_rcu(&p->list);
	WRITE_ONCE(im->count, im->count - 1);
	remove_wait_queue(sk_sleep(p->sock->sk), &p->wait);
	sock_put(p->tcp);
	sock_release(p->sock);
	call_rcu(&p->rcu, mcp_port_free);
}

/* One that nobody uses, and for the longest time. Locked. */
static bool mcp_port_spare(struct mcp_ports *im)
{
	struct mcp_port *p;

	list_for_each_entry_reverse(p, &im->ports, list) {
		if (p->sessions)
			continue;
		mcp_port_close(im, p);
		return true;
	}
	return false;
}

/* Locked. */
static struct mcp_port *mcp_port_open(struct mcp_net *mnet, u16 family,
				      __be16 port)
{
	struct mcp_ports *im = &mnet->implicit;
	struct mcp_port *p;

	if (im->count >= MCP_PORTS_MAX && !mcp_port_spare(im))
		return NULL;
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return NULL;
	p->port = port;
	p->family = family;
	if (mcp_upstream_listen_apart(mnet, family, &p->sock, &p->tcp)) {
		kfree(p);
		return NULL;
	}
	lock_sock(p->tcp);
	inet_sk(p->tcp)->inet_sport = port;
	release_sock(p->tcp);
	init_waitqueue_func_entry(&p->wait, mcp_port_wake);
	p->wait.private = mnet;
	add_wait_queue(sk_sleep(p->sock->sk), &p->wait);
	list_add_rcu(&p->list, &im->ports);
	WRITE_ONCE(im->count, im->count + 1);
	return p;
}

static void mcp_implicit_accept(struct work_struct *work)
{
	struct mcp_net *mnet = container_of(work, struct mcp_net,
					    implicit.accept);
	struct mcp_ports *im = &mnet->implicit;
	struct mcp_port *p;
	bool more = false;

	mutex_lock(&im->lock);
	list_for_each_entry(p, &im->ports, list)
		more |= !mcp_upstream_accept_from(mnet, p->sock);
	mutex_unlock(&im->lock);
	if (more)
		queue_work(system_wq, work);
}

/**
 * mcp_implicit_init() - no listener yet
 * @mnet: the namespace
 *
 * Context: process.
 */
void mcp_implicit_init(struct mcp_net *mnet)
{
	mutex_init(&mnet->implicit.lock);
	INIT_LIST_HEAD(&mnet->implicit.ports);
	INIT_WORK(&mnet->implicit.accept, mcp_implicit_accept);
}

/**
 * mcp_implicit_stop() - close all listeners
 * @mnet: the namespace; no session begins any more
 *
 * Context: process.
 */
void mcp_implicit_stop(struct mcp_net *mnet)
{
	struct mcp_ports *im = &mnet->implicit;
	struct mcp_port *p, *next;

	mutex_lock(&im->lock);
	list_for_each_entry_safe(p, next, &im->ports, list)
		mcp_port_close(im, p);
	mutex_unlock(&im->lock);
	cancel_work_sync(&im->accept);
}

/**
 * mcp_implicit_wants() - does an MPTCP connection that fits a rule end here?
 * @mnet: the namespace
 * @opt: the options of its SYN
 *
 * Context: any.
 */
bool mcp_implicit_wants(struct mcp_net *mnet, const struct mcp_tcpopt *opt)
{
	switch (READ_ONCE(mnet->settings.implicit)) {
	case MCP_IMPLICIT_ALL:
		return opt->mp_capable;
	case MCP_IMPLICIT_MARKED:
		return opt->mp_capable && opt->mp_prefer_proxy;
	default:
		return false;
	}
}

/**
 * mcp_implicit() - is the client's connection an MPTCP one to the server itself?
 * @s: the session
 *
 * Context: any.
 */
bool mcp_implicit(const struct mcp_session *s)
{
	return s->ingress == MCP_INGRESS_INTERCEPT && s->mptcp && !mcp_steered(s);
}

/**
 * mcp_implicit_listen() - have a listener for the connection
 * @s: the session, mcp_implicit()
 *
 * Context: the worker.
 * Return: false if there is none to be had: MPTCP is off, or too many ports are
 * in use. Else mcp_implicit_release() is to be called.
 */
bool mcp_implicit_listen(struct mcp_session *s)
{
	struct mcp_ports *im = &s->mnet->implicit;
	u16 family = s->key.mcp.family;
	__be16 port = s->key.mcp.port;
	struct mcp_port *p;

	mutex_lock(&im->lock);
	p = mcp_port_find(s->mnet, family, port) ?:
		mcp_port_open(s->mnet, family, port);
	if (p) {
		p->sessions++;
		s->listened = true;
	}
	mutex_unlock(&im->lock);
	return p;
}

/**
 * mcp_implicit_release() - undo mcp_implicit_listen(), if it was done
 * @s: the session
 *
 * Context: the worker.
 */
void mcp_implicit_release(struct mcp_session *s)
{
	struct mcp_ports *im = &s->mnet->implicit;
	struct mcp_port *p;

	if (!s->listened)
		return;
	s->listened = false;
	mutex_lock(&im->lock);
	p = mcp_port_find(s->mnet, s->key.mcp.family, s->key.mcp.port);
	if (p)
		p->sessions--;
	mutex_unlock(&im->lock);
}

/**
 * mcp_implicit_assign() - the listener for a SYN
 * @mnet: the namespace
 * @skb: the SYN, at LOCAL_IN, without payload
 * @family: AF_INET or AF_INET6
 * @port: the server's
 *
 * Context: BH off, under rcu_read_lock().
 * Return: false if there is no such listener.
 */
bool mcp_implicit_assign(struct mcp_net *mnet, struct sk_buff *skb, u16 family,
			 __be16 port)
{
	struct mcp_port *p;

	if (!READ_ONCE(mnet->implicit.count))
		return false;
	p = mcp_port_find(mnet, family, port);
	return p && mcp_socket_assign(p->tcp, skb);
}
