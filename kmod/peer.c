// SPDX-License-Identifier: GPL-2.0
#include <linux/jiffies.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "nat.h"
#include "net.h"
#include "peer.h"

/**
 * mcp_peers_init() - a namespace without peers
 * @peers: where
 *
 * Context: process.
 */
void mcp_peers_init(struct mcp_peers *peers)
{
	INIT_LIST_HEAD(&peers->list);
}

/**
 * mcp_peer_add() - there is one more peer
 * @peers: where
 * @spec: which; copied
 *
 * Context: process, mcp_net.lock held.
 * Return: 0, -EEXIST (one of that name is there already), -ENOSPC or -ENOMEM.
 */
int mcp_peer_add(struct mcp_peers *peers, const struct mcp_peer_spec *spec)
{
	struct list_head *before = &peers->list;
	struct mcp_peer *peer, *old;

	list_for_each_entry(old, &peers->list, list)
		if (!strcmp(old->spec.name, spec->name) &&
		    mcp_endpoint_equal(&old->spec.addr, &spec->addr))
			return -EEXIST;
	if (peers->ids == U64_MAX)
		return -ENOSPC;
	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return -ENOMEM;
	refcount_set(&peer->ref, 1);
	peer->worked = jiffies;
	spin_lock_init(&peer->lock);
	peer->spec = *spec;
	peer->id = ffz(peers->ids);
	peers->ids |= BIT_ULL(peer->id);
	list_for_each_entry(old, &peers->list, list) {
		if (old->spec.prio > spec->prio) {
			before = &old->list;
			break;
		}
	}
	list_add_tail_rcu(&peer->list, before);
	peers->generation++;
	return 0;
}

static void mcp_peer_remove(struct mcp_peers *peers, struct mcp_peer *peer)
{
	list_del_rcu(&peer->list);
	peers->ids &= ~BIT_ULL(peer->id);
	peers->generation++;
	mcp_peer_put(peer);
}

/**
 * mcp_peer_del() - peers are not dialled any more
 * @peers: where
 * @name: their name
 * @addr: only the one at this address and port; family 0: all of them. Port 0:
 *	  whatever its port
 *
 * Connections that they have made stay.
 *
 * Context: process, mcp_net.lock held.
 * Return: 0 or -ENOENT.
 */
int mcp_peer_del(struct mcp_peers *peers, const char *name,
		 const struct mcp_endpoint *addr)
{
	struct mcp_peer *peer, *next;
	struct mcp_endpoint at;
	int err = -ENOENT;

	list_for_each_entry_safe(peer, next, &peers->list, list) {
		at = peer->spec.addr;
		if (!addr->port)
			at.port = 0;
		if (strcmp(peer->spec.name, name) ||
		    (addr->family && !mcp_endpoint_equal(&at, addr)))
			continue;
		mcp_peer_remove(peers, peer);
		err = 0;
	}
	return err;
}

/**
 * mcp_peers_flush() - there is no peer any more
 * @peers: where
 *
 * Context: process, mcp_net.lock held or the namespace going away.
 */
void mcp_peers_flush(struct mcp_peers *peers)
{
	struct mcp_peer *peer, *next;

	list_for_each_entry_safe(peer, next, &peers->list, list)
		mcp_peer_remove(peers, peer);
}

/**
 * mcp_peer_named() - is there a peer of that name?
 * @peers: where
 * @name: the name
 *
 * Context: process, mcp_net.lock held.
 */
bool mcp_peer_named(struct mcp_peers *peers, const char *name)
{
	const struct mcp_peer *peer;

	list_for_each_entry(peer, &peers->list, list)
		if (!strcmp(peer->spec.name, name))
			return true;
	return false;
}

/*
 * What was seen of a path need not hold for another: a peer that does not convert
 * is given a new chance once we come from another address.
 */
static bool mcp_peer_moved(struct mcp_net *mnet, const struct mcp_peer *peer,
			   const struct mcp_endpoint *from)
{
	struct mcp_endpoint addr;

	return mcp_nat_source(mnet, &peer->spec.addr, 0, &addr) &&
		!mcp_endpoint_equal(&addr, from);
}

/*
 * May it be dialled? One whose time has come is tried by one session; for others it
 * is what it was, until that one knows more.
 */
static bool mcp_peer_ready(struct mcp_net *mnet, struct mcp_peer *peer, bool claim)
{
	struct mcp_endpoint from = { };
	bool ready;
	u8 state;

	spin_lock_bh(&peer->lock);
	state = peer->state;
	ready = (state != MCP_PEER_DOWN && state != MCP_PEER_PLAIN) ||
		time_after_eq(jiffies, peer->until);
	if (!ready && state == MCP_PEER_PLAIN)
		from = peer->plain_from;
	spin_unlock_bh(&peer->lock);
	if (from.family)
		ready = mcp_peer_moved(mnet, peer, &from);
	if (!ready || !claim || (state != MCP_PEER_DOWN && state != MCP_PEER_PLAIN))
		return ready;
	spin_lock_bh(&peer->lock);
	peer->until = jiffies +
		msecs_to_jiffies(2 * READ_ONCE(mnet->settings.peer_timeout));
	peer->plain_from.family = 0;
	spin_unlock_bh(&peer->lock);
	return true;
}

/*
 * A connection can only be steered to a peer of the client's family that is asked by
 * the SYN: headers are not translated, and there is no stream to ask in.
 */
static bool mcp_peer_suits(struct mcp_peer *peer, const char *name, u16 steered)
{
	return !strcmp(peer->spec.name, name) &&
		(!steered || (peer->spec.codec == MCP_CODEC_MP_CONVERT &&
			      peer->spec.addr.family == steered &&
			      !mcp_peer_wants_late(peer)));
}

/**
 * mcp_peer_at() - is there a peer at this address?
 * @mnet: the namespace
 * @addr: the address; its port does not matter
 *
 * Context: any but hard interrupt.
 */
bool mcp_peer_at(struct mcp_net *mnet, const struct mcp_endpoint *addr)
{
	struct mcp_endpoint at = *addr;
	struct mcp_peer *peer;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(peer, &mnet->peers.list, list) {
		at.port = peer->spec.addr.port;
		found = mcp_endpoint_equal(&at, &peer->spec.addr);
		if (found)
			break;
	}
	rcu_read_unlock();
	return found;
}

/**
 * mcp_peer_usable() - is it worth a try to have a peer dial?
 * @mnet: the namespace
 * @name: name of the peers
 * @steered: family of a connection that is to be steered to it; 0: it is to dial
 *
 * Context: any but hard interrupt.
 */
bool mcp_peer_usable(struct mcp_net *mnet, const char *name, u16 steered)
{
	struct mcp_peer *peer;
	bool usable = false;

	rcu_read_lock();
	list_for_each_entry_rcu(peer, &mnet->peers.list, list) {
		if (!mcp_peer_suits(peer, name, steered) ||
		    !mcp_peer_ready(mnet, peer, false))
			continue;
		usable = true;
		break;
	}
	rcu_read_unlock();
	return usable;
}

/**
 * mcp_peer_pick() - the peer that is to dial
 * @mnet: the namespace
 * @name: name of the peers
 * @tried: bits of those that are not to be asked again
 * @steered: as mcp_peer_usable() has it
 *
 * Context: any but hard interrupt.
 * Return: the first that may be dialled, with a reference (mcp_peer_put()); or
 * NULL.
 */
struct mcp_peer *mcp_peer_pick(struct mcp_net *mnet, const char *name, u64 tried,
			       u16 steered)
{
	struct mcp_peer *peer, *found = NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(peer, &mnet->peers.list, list) {
		if (!mcp_peer_suits(peer, name, steered) ||
		    tried & BIT_ULL(peer->id) ||
		    !refcount_inc_not_zero(&peer->ref))
			continue;
		if (mcp_peer_ready(mnet, peer, true)) {
			found = peer;
			break;
		}
		mcp_peer_put(peer);
	}
	rcu_read_unlock();
	return found;
}

/**
 * mcp_peer_put() - drop a reference
 * @peer: the peer
 *
 * Context: any.
 */
void mcp_peer_put(struct mcp_peer *peer)
{
	if (refcount_dec_and_test(&peer->ref))
		kfree_rcu(peer, rcu);
}

/**
 * mcp_peer_count() - something happened with it
 * @peer: the peer
 * @count: what
 *
 * Context: any.
 */
void mcp_peer_count(struct mcp_peer *peer, enum mcp_peer_count count)
{
	atomic64_inc(&peer->counts[count]);
}

/**
 * mcp_peer_works() - it has shown that it converts
 * @peer: the peer
 *
 * Context: any but hard interrupt.
 */
void mcp_peer_works(struct mcp_peer *peer)
{
	unsigned long now = jiffies;

	/* Others read it all the time: it is written only once a tick. */
	if (READ_ONCE(peer->worked) != now)
		WRITE_ONCE(peer->worked, now);
	if (READ_ONCE(peer->state) == MCP_PEER_UP)
		return;
	spin_lock_bh(&peer->lock);
	WRITE_ONCE(peer->state, MCP_PEER_UP);
	spin_unlock_bh(&peer->lock);
}

/**
 * mcp_peer_failed() - it cannot serve us now
 * @mnet: the namespace
 * @peer: the peer; it is left alone for `peer-retry`
 *
 * Context: any but hard interrupt.
 */
void mcp_peer_failed(struct mcp_net *mnet, struct mcp_peer *peer)
{
	mcp_count(mnet, MCP_STAT_PEER_FAILED);
	mcp_peer_count(peer, MCP_PEER_COUNT_FAILED);
	spin_lock_bh(&peer->lock);
	WRITE_ONCE(peer->state, MCP_PEER_DOWN);
	peer->until = jiffies +
		msecs_to_jiffies(READ_ONCE(mnet->settings.peer_retry));
	spin_unlock_bh(&peer->lock);
}

/**
 * mcp_peer_is_plain() - it is no MCP, or not to be reached as one
 * @mnet: the namespace
 * @peer: the peer; it is left alone for `capability-ttl`
 * @from: our address when that was seen
 *
 * Context: any but hard interrupt.
 */
void mcp_peer_is_plain(struct mcp_net *mnet, struct mcp_peer *peer,
		       const struct mcp_endpoint *from)
{
	mcp_count(mnet, MCP_STAT_PEER_NO_ECHO);
	mcp_peer_count(peer, MCP_PEER_COUNT_FAILED);
	spin_lock_bh(&peer->lock);
	WRITE_ONCE(peer->state, MCP_PEER_PLAIN);
	peer->until = jiffies +
		msecs_to_jiffies(READ_ONCE(mnet->settings.capability_ttl));
	peer->plain_from = *from;
	peer->plain_from.port = 0;
	spin_unlock_bh(&peer->lock);
}

/**
 * mcp_peer_lost_payload() - a SYN to it has lost its payload on the way
 * @mnet: the namespace
 * @peer: the peer; it is asked behind the handshake for `capability-ttl`
 *
 * Context: any but hard interrupt.
 */
void mcp_peer_lost_payload(struct mcp_net *mnet, struct mcp_peer *peer)
{
	mcp_count(mnet, MCP_STAT_PEER_LOST_PAYLOAD);
	spin_lock_bh(&peer->lock);
	peer->late = true;
	peer->late_until = jiffies +
		msecs_to_jiffies(READ_ONCE(mnet->settings.capability_ttl));
	spin_unlock_bh(&peer->lock);
}

/**
 * mcp_peer_wants_late() - is a request of use only behind the handshake?
 * @peer: the peer
 *
 * Context: any but hard interrupt.
 */
bool mcp_peer_wants_late(struct mcp_peer *peer)
{
	bool late;

	spin_lock_bh(&peer->lock);
	if (peer->late && time_after_eq(jiffies, peer->late_until))
		peer->late = false;
	late = peer->late;
	spin_unlock_bh(&peer->lock);
	return late;
}

/**
 * mcp_peer_learn_cookie() - it wants a cookie in each request (RFC 8803 6.2.7)
 * @peer: the peer
 * @cookie: which
 * @len: octets of it
 *
 * Context: any but hard interrupt.
 * Return: false if that is the one it was given, or too long a one.
 */
bool mcp_peer_learn_cookie(struct mcp_peer *peer, const u8 *cookie, size_t len)
{
	struct mcp_peer_spec *spec = &peer->spec;
	bool learnt;

	if (!len || len > MCP_PEER_COOKIE_MAX)
		return false;
	spin_lock_bh(&peer->lock);
	learnt = spec->cookie_len != len || memcmp(spec->cookie, cookie, len);
	memcpy(spec->cookie, cookie, len);
	spec->cookie_len = len;
	spin_unlock_bh(&peer->lock);
	return learnt;
}

/**
 * mcp_peer_cookie() - the cookie for a request
 * @peer: the peer
 * @cookie: where it goes, MCP_PEER_COOKIE_MAX octets
 *
 * Context: any but hard interrupt.
 * Return: octets of it; 0: there is none.
 */
u8 mcp_peer_cookie(struct mcp_peer *peer, u8 *cookie)
{
	u8 len;

	spin_lock_bh(&peer->lock);
	len = peer->spec.cookie_len;
	memcpy(cookie, peer->spec.cookie, len);
	spin_unlock_bh(&peer->lock);
	return len;
}

/**
 * mcp_peer_state() - what is known of it
 * @peer: the peer
 * @left_ms: for how long, in milliseconds; 0: no limit
 *
 * Context: any but hard interrupt.
 * Return: enum mcp_peer_state.
 */
u8 mcp_peer_state(struct mcp_peer *peer, u32 *left_ms)
{
	long left;
	u8 state;

	spin_lock_bh(&peer->lock);
	state = peer->state;
	left = state == MCP_PEER_DOWN || state == MCP_PEER_PLAIN ?
		(long)(peer->until - jiffies) : 0;
	spin_unlock_bh(&peer->lock);
	*left_ms = left > 0 ? jiffies_to_msecs(left) : 0;
	return state;
}
