// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "conversion.h"
#include "netlink_event.h"
#include "peer_dial.h"
#include "policy.h"
#include "preserve.h"
#include "socket.h"
#include "steer.h"
#include "trace.h"
#include "withdraw.h"

/* How often we look whether the side that is left has got everything. */
#define MCP_DRAIN_POLL_MS	20

static const enum mcp_stat mcp_end_stats[__MCP_END_COUNT] = {
	[MCP_END_CLOSED] = MCP_STAT_SESSION_CLOSED,
	[MCP_END_CLIENT_RESET] = MCP_STAT_SESSION_CLIENT_RESET,
	[MCP_END_SERVER_RESET] = MCP_STAT_SESSION_SERVER_RESET,
	[MCP_END_REFUSED] = MCP_STAT_SESSION_REFUSED,
	[MCP_END_UNREACHABLE] = MCP_STAT_SESSION_UNREACHABLE,
	[MCP_END_SYN_TIMEOUT] = MCP_STAT_SESSION_SYN_TIMEOUT,
	[MCP_END_HOLD_EXPIRED] = MCP_STAT_SESSION_HOLD_EXPIRED,
	[MCP_END_CLIENT_GONE] = MCP_STAT_SESSION_CLIENT_GONE,
	[MCP_END_BAD_REQUEST] = MCP_STAT_SESSION_BAD_REQUEST,
	[MCP_END_ERROR_SENT] = MCP_STAT_SESSION_ERROR_SENT,
	[MCP_END_IDLE] = MCP_STAT_SESSION_IDLE,
	[MCP_END_FLUSHED] = MCP_STAT_SESSION_FLUSHED,
	[MCP_END_DOWN] = MCP_STAT_SESSION_DOWN,
	[MCP_END_NO_RESOURCES] = MCP_STAT_SESSION_NO_RESOURCES,
	[MCP_END_EVICTED] = MCP_STAT_SESSION_EVICTED,
	[MCP_END_PASSED] = MCP_STAT_SESSION_PASSED,
};

/**
 * mcp_conversion_refusal() - how a client of that codec is refused
 * @mnet: the namespace
 * @codec: enum mcp_codec, as far as it is known
 * @code: what a Convert client is told
 * @reason: the counter
 *
 * Context: any.
 */
struct mcp_vetting mcp_conversion_refusal(struct mcp_net *mnet, u8 codec,
					  u8 code, enum mcp_stat reason)
{
	struct mcp_vetting vet = { .code = code, .reason = reason };

	if (READ_ONCE(mnet->settings.refusal) == MCP_REFUSAL_SILENT)
		vet.verdict = MCP_VERDICT_SILENCE;
	else if (codec == MCP_CODEC_CONVERT)
		vet.verdict = MCP_VERDICT_ERROR;
	else
		vet.verdict = MCP_VERDICT_RESET;
	return vet;
}

static struct mcp_vetting mcp_vet_mp_convert(struct mcp_net *mnet,
					     const struct mcp_acl *acl,
					     struct mcp_request *req,
					     const struct mcp_endpoint *client,
					     bool mptcp)
{
	struct mcp_vetting vet = { .verdict = MCP_VERDICT_RESET };

	if (!mptcp && READ_ONCE(mnet->settings.require_mptcp)) {
		vet.reason = MCP_STAT_REFUSED_NOT_MPTCP;
	} else if (READ_ONCE(mnet->settings.cookie) == MCP_COOKIE_REQUIRED) {
		/* The element has no room for a cookie. */
		vet.reason = MCP_STAT_REFUSED_COOKIE_MISSING;
	} else if (mcp_policy_forbidden(mnet, &req->server) ||
		   (req->origin.family && mcp_endpoint_forbidden(&req->origin))) {
		vet.verdict = MCP_VERDICT_SILENCE;
		vet.reason = MCP_STAT_REFUSED_DESTINATION;
	} else if (!mcp_preserve_vet(mnet, acl, client, req)) {
		return mcp_conversion_refusal(mnet, req->codec,
					      MCP_ERR_NOT_AUTHORIZED,
					      MCP_STAT_REFUSED_ORIGIN);
	} else {
		vet.verdict = MCP_VERDICT_GO;
	}
	return vet;
}

static struct mcp_vetting mcp_vet_convert(struct mcp_net *mnet,
					  enum mcp_decode decoded,
					  const struct mcp_request *req,
					  const u8 *data,
					  const struct mcp_endpoint *client)
{
	struct mcp_vetting vet = { .verdict = MCP_VERDICT_ERROR };

	if (READ_ONCE(mnet->settings.cookie) == MCP_COOKIE_REQUIRED) {
		if (!req->has_cookie) {
			vet.code = MCP_ERR_MISSING_COOKIE;
			vet.reason = MCP_STAT_REFUSED_COOKIE_MISSING;
			return vet;
		}
		if (!mcp_cookie_check(&mnet->cookies,
				      READ_ONCE(mnet->settings.cookie_lifetime),
				      client, data + req->cookie_off,
				      req->cookie_len)) {
			vet.code = MCP_ERR_NOT_AUTHORIZED;
			vet.reason = MCP_STAT_REFUSED_COOKIE_WRONG;
			return vet;
		}
	}
	if (decoded == MCP_DECODE_ERROR) {
		vet.code = req->error;
		vet.reason = MCP_STAT_REFUSED_OPTION;
	} else if (req->server.family &&
		   mcp_policy_forbidden(mnet, &req->server)) {
		vet.code = MCP_ERR_MALFORMED;
		vet.reason = MCP_STAT_REFUSED_DESTINATION;
	} else {
		vet.verdict = MCP_VERDICT_GO;
	}
	return vet;
}

/**
 * mcp_conversion_vet() - is this request to be served?
 * @mnet: the namespace
 * @acl: the entry that lets its client in; NULL: it was taken back meanwhile
 * @decoded: what mcp_request_decode() said of it, which wants nothing more
 * @req: the request; it loses an originator that is not to be used
 * @data: its octets
 * @client: who sent it
 * @mptcp: it speaks MPTCP
 *
 * Context: any but hard interrupt, under rcu_read_lock().
 */
struct mcp_vetting mcp_conversion_vet(struct mcp_net *mnet,
				      const struct mcp_acl *acl,
				      enum mcp_decode decoded,
				      struct mcp_request *req, const u8 *data,
				      const struct mcp_endpoint *client,
				      bool mptcp)
{
	struct mcp_vetting vet = {
		.verdict = MCP_VERDICT_RESET,
		.reason = MCP_STAT_REFUSED_MALFORMED,
	};

	switch (decoded) {
	case MCP_DECODE_NONE:
		vet.reason = MCP_STAT_REFUSED_NOT_A_REQUEST;
		return vet;
	case MCP_DECODE_RESET:
		return vet;
	case MCP_DECODE_MORE:
		/* It is cut short: there is nothing that could follow. */
		if (req->codec == MCP_CODEC_CONVERT) {
			vet.verdict = MCP_VERDICT_ERROR;
			vet.code = MCP_ERR_MALFORMED;
		}
		return vet;
	case MCP_DECODE_ERROR:
		if (req->error != MCP_ERR_UNSUPPORTED_OPTION) {
			vet.verdict = MCP_VERDICT_ERROR;
			vet.code = req->error;
			return vet;
		}
		break;
	case MCP_DECODE_OK:
		break;
	}
	if (req->codec == MCP_CODEC_CONVERT)
		return mcp_vet_convert(mnet, decoded, req, data, client);
	return mcp_vet_mp_convert(mnet, acl, req, client, mptcp);
}

/* The end of a session, whatever its sockets are doing. */
static void mcp_finish(struct mcp_session *s, enum mcp_end why)
{
	mcp_count(s->mnet, mcp_end_stats[why]);
	trace_mcp_end(s, why);
	if (s->announced)
		mcp_netlink_notify(s, MCP_EVENT_END, why);
	mcp_withdraw_end(s, why);
	mcp_upstream_release(s);
	mcp_downstream_release(s);
	mcp_session_end(s);
}

/* Makes room for the Convert message that begins our stream to the client. */
static bool mcp_reply_open(struct mcp_session *s, struct mcp_message *msg)
{
	if (!mcp_relay_new(s))
		return false;
	if (!s->relay->reply)
		s->relay->reply = kmalloc(MCP_CONVERT_MAX, GFP_KERNEL);
	if (!s->relay->reply)
		return false;
	mcp_message_begin(msg, s->relay->reply, MCP_CONVERT_MAX);
	return true;
}

static bool mcp_reply_close(struct mcp_session *s, struct mcp_message *msg)
{
	struct mcp_flow *flow = &s->relay->flow[MCP_DOWN];
	int len = mcp_message_end(msg);

	if (len < 0)
		return false;
	flow->data = s->relay->reply;
	flow->len = len;
	flow->own = len;
	return true;
}

/* The Error TLV; false if there is no room for it or it would be one too many. */
static bool mcp_reply_error(struct mcp_session *s, u8 code)
{
	const struct mcp_request *req = &s->request;
	u8 number = 0, cookie[MCP_COOKIE_LEN];
	const u8 *value = &number;
	size_t len = sizeof(number);
	struct mcp_message msg;

	/* Of a refusal, who made the session has asked. */
	if (!s->refusal &&
	    !mcp_policy_may_reply(s->mnet, &s->key.client, MCP_REPLY_ERROR)) {
		mcp_count(s->mnet, MCP_STAT_REPLY_SUPPRESSED);
		return false;
	}
	switch (code) {
	case MCP_ERR_UNSUPPORTED_VERSION:
		number = MCP_CONVERT_VERSION;
		break;
	case MCP_ERR_MALFORMED:
	case MCP_ERR_UNSUPPORTED_MESSAGE:
		/* Without early data, where it is known what that is. */
		value = s->payload;
		len = req->len ?: s->payload_len;
		break;
	case MCP_ERR_MISSING_COOKIE:
		mcp_cookie_make(&s->mnet->cookies,
				READ_ONCE(s->mnet->settings.cookie_lifetime),
				&s->key.client, cookie);
		value = cookie;
		len = sizeof(cookie);
		break;
	case MCP_ERR_UNSUPPORTED_OPTION:
		value = req->bad_options;
		len = req->bad_options_len;
		break;
	case MCP_ERR_UNREACHABLE:
		number = s->down.icmp_code;
		break;
	}
	if (!mcp_reply_open(s, &msg))
		return false;
	/* An authorised client's Info TLV is answered in the same message. */
	if (req->info && code >= MCP_ERR_UNSUPPORTED_OPTION)
		mcp_message_supported_extensions(&msg);
	mcp_message_error(&msg, code, value, len);
	return mcp_reply_close(s, &msg);
}

/*
 * Nobody has asked an MCP for this connection: its client sees what it would see
 * without one (protocol.md section 4).
 */
static void mcp_fail_taken(struct mcp_session *s, enum mcp_end why)
{
	/* What answers it is for the client at once. */
	mcp_session_unhash(s);
	switch (why) {
	case MCP_END_SYN_TIMEOUT:
		mcp_upstream_refuse(s, false);
		break;
	case MCP_END_UNREACHABLE:
		mcp_upstream_unreachable(s);
		break;
	case MCP_END_PASSED:
	case MCP_END_NO_RESOURCES:
		/* What a static mapping is for has nowhere else to go. */
		if (s->ingress == MCP_INGRESS_INTERCEPT) {
			mcp_count(s->mnet, MCP_STAT_INTERCEPT_PASSED);
			mcp_upstream_pass(s);
			why = MCP_END_PASSED;
			break;
		}
		fallthrough;
	default:
		mcp_upstream_refuse(s, true);
		break;
	}
	mcp_finish(s, why);
}

/*
 * There will be no conversion. A Convert client is told why in its stream, for
 * which its SYN has to be answered; another one is reset, now or as soon as its
 * handshake, answered early, is complete. Nobody hears of silence.
 */
static void mcp_fail(struct mcp_session *s, enum mcp_end why, u8 code)
{
	bool silent = why == MCP_END_SYN_TIMEOUT;

	s->failure = why;
	s->hold_until = 0;
	s->dial_until = 0;
	s->syn_until = 0;
	mcp_downstream_release(s);
	if (s->ingress != MCP_INGRESS_EXPLICIT && !s->answered) {
		mcp_fail_taken(s, why);
		return;
	}
	if (s->request.codec == MCP_CODEC_CONVERT && mcp_reply_error(s, code)) {
		mcp_count(s->mnet, MCP_STAT_REPLY_ERROR);
		mcp_upstream_answer(s, MCP_STAT_SYN_ANSWERED);
	} else if (!s->answered) {
		mcp_upstream_refuse(s, !silent);
		mcp_finish(s, why);
		return;
	}
	/* The client may be there already. */
	mcp_session_kick(s);
}

static void mcp_fail_dial(struct mcp_session *s, enum mcp_outcome outcome)
{
	static const struct {
		u8 end, code, stat;
	} how[] = {
		[MCP_OUTCOME_REFUSED] = {
			MCP_END_REFUSED, MCP_ERR_RESET, MCP_STAT_DIAL_REFUSED,
		},
		[MCP_OUTCOME_UNREACHABLE] = {
			MCP_END_UNREACHABLE, MCP_ERR_UNREACHABLE,
			MCP_STAT_DIAL_UNREACHABLE,
		},
		[MCP_OUTCOME_NO_ROUTE] = {
			MCP_END_UNREACHABLE, MCP_ERR_NETWORK_FAILURE,
			MCP_STAT_DIAL_UNREACHABLE,
		},
		[MCP_OUTCOME_TIMED_OUT] = {
			MCP_END_SYN_TIMEOUT, MCP_ERR_NETWORK_FAILURE,
			MCP_STAT_DIAL_TIMEOUT,
		},
		[MCP_OUTCOME_NO_RESOURCES] = {
			MCP_END_NO_RESOURCES, MCP_ERR_RESOURCE_EXCEEDED,
			MCP_STAT_DIAL_NO_RESOURCES,
		},
		[MCP_OUTCOME_PASS] = {
			MCP_END_PASSED, MCP_ERR_NETWORK_FAILURE,
			MCP_STAT_DIAL_NO_PEER,
		},
	};
	enum mcp_end why = how[outcome].end;

	mcp_count(s->mnet, how[outcome].stat);
	/* The host's own routing tells its client so; or there is nothing to pass. */
	if (s->ingress != MCP_INGRESS_EXPLICIT) {
		if (outcome == MCP_OUTCOME_NO_ROUTE)
			why = MCP_END_PASSED;
	} else if (outcome == MCP_OUTCOME_PASS) {
		why = MCP_END_UNREACHABLE;
	}
	mcp_fail(s, why, how[outcome].code);
}

/* What begins our stream to a Convert client whose server has accepted. */
static bool mcp_reply_connected(struct mcp_session *s)
{
	const struct mcp_synack *synack = mcp_downstream_synack(&s->down);
	struct mcp_message msg;

	if (s->request.codec != MCP_CODEC_CONVERT)
		return true;
	if (!mcp_reply_open(s, &msg))
		return false;
	if (s->request.info)
		mcp_message_supported_extensions(&msg);
	mcp_message_extended_tcp_header(&msg, synack->options, synack->len);
	return mcp_reply_close(s, &msg);
}

/* A message with an Info TLV and no Connect TLV: answer, and that is all. */
static void mcp_answer_info(struct mcp_session *s)
{
	struct mcp_message msg;

	mcp_count(s->mnet, MCP_STAT_REQUEST_INFO_ONLY);
	s->failure = MCP_END_ERROR_SENT;
	s->hold_until = 0;
	if (mcp_reply_open(s, &msg)) {
		mcp_message_supported_extensions(&msg);
		if (mcp_reply_close(s, &msg)) {
			mcp_upstream_answer(s, MCP_STAT_SYN_ANSWERED);
			return;
		}
	}
	mcp_fail(s, MCP_END_NO_RESOURCES, MCP_ERR_RESOURCE_EXCEEDED);
}

/* The server's half: dial, and act on what came of it. */
static void mcp_dial(struct mcp_session *s)
{
	enum mcp_outcome outcome;

	if (!s->request.server.family) {
		mcp_answer_info(s);
		return;
	}
	if (s->down.outcome == MCP_OUTCOME_NONE) {
		if (mcp_implicit(s) && !mcp_implicit_listen(s)) {
			mcp_fail(s, MCP_END_PASSED, MCP_ERR_NETWORK_FAILURE);
			return;
		}
		s->announced = true;
		mcp_netlink_notify(s, MCP_EVENT_NEW, MCP_END_NONE);
		s->dial_until =
			mcp_deadline(READ_ONCE(s->mnet->settings.syn_timeout));
		mcp_downstream_dial(s);
	} else if (s->down.outcome == MCP_OUTCOME_CROWDED) {
		mcp_downstream_dial_again(s);
	}
	outcome = mcp_downstream_outcome(s);
	if (outcome == MCP_OUTCOME_PASS && !mcp_steered(s) &&
	    READ_ONCE(s->mnet->settings.fallback) == MCP_FALLBACK_DIRECT) {
		mcp_downstream_dial_directly(s);
		outcome = mcp_downstream_outcome(s);
	}
	if (outcome == MCP_OUTCOME_CROWDED)
		return;
	if (outcome == MCP_OUTCOME_PENDING) {
		mcp_downstream_repeat(s);
		return;
	}
	if (outcome == MCP_OUTCOME_ACCEPTED && s->down.withdraw &&
	    (mcp_downstream_speaks_mptcp(s) || mcp_steered(s)) &&
	    mcp_withdraw(s)) {
		trace_mcp_dial(s, outcome);
		mcp_count(s->mnet, MCP_STAT_DIAL_ACCEPTED);
		return;
	}
	if (outcome == MCP_OUTCOME_ACCEPTED &&
	    (mcp_steered(s) || !mcp_downstream_adopt(s)))
		outcome = MCP_OUTCOME_NO_RESOURCES;
	trace_mcp_dial(s, outcome);
	if (outcome != MCP_OUTCOME_ACCEPTED) {
		mcp_fail_dial(s, outcome);
		return;
	}
	mcp_count(s->mnet, MCP_STAT_DIAL_ACCEPTED);
	WRITE_ONCE(s->dialled, true);
	s->dial_until = 0;
	s->syn_until = 0;
	s->hold_until = 0;
	mcp_session_event(s, MCP_EV_EXTERNAL_SYN);
	if (!mcp_reply_connected(s)) {
		mcp_fail(s, MCP_END_NO_RESOURCES, MCP_ERR_RESOURCE_EXCEEDED);
		return;
	}
	mcp_upstream_answer(s, MCP_STAT_SYN_ANSWERED);
}

/* Both connections are there: they are one from now on. */
static void mcp_bind(struct mcp_session *s)
{
	u32 said = s->request.len + mcp_peer_dial_early(s);
	struct mcp_flow *up = &s->relay->flow[MCP_UP];
	u8 subflows;

	s->bound = true;
	mcp_session_bound(s);
	mcp_count(s->mnet, MCP_STAT_SESSION_BOUND);
	if (mcp_upstream_kind(s, &subflows) == MCP_UPSTREAM_MPTCP)
		mcp_count(s->mnet, MCP_STAT_SESSION_MPTCP);
	if (mcp_downstream_kind(s) == MCP_UPSTREAM_MPTCP)
		mcp_count(s->mnet, MCP_STAT_SESSION_SERVER_MPTCP);

	/* Early data goes first; the buffer goes with it. */
	up->chunk = s->payload;
	up->data = s->payload + said;
	up->len = s->payload_len - said;
	s->payload = NULL;
	mcp_count_add(s->mnet, MCP_STAT_EARLY_DATA_OCTETS,
		      s->payload_len - s->request.len);
	if (!up->len)
		mcp_flow_free(up);
	s->relay->flow[MCP_DOWN].chunk = s->relay->reply;
	s->relay->reply = NULL;

	mcp_socket_set_tos(s->upstream, mcp_downstream_synack(&s->down)->tos);
	trace_mcp_bind(s);
	mcp_netlink_notify(s, MCP_EVENT_BOUND, MCP_END_NONE);
}

/* True if a side has taken something since this was last asked. */
static bool mcp_progress(struct mcp_session *s)
{
	u32 owed;

	/* What is passed on is queued as well: only what is acknowledged tells. */
	owed = READ_ONCE(s->upstream->sk->sk_wmem_queued) +
		READ_ONCE(s->down.sock->sk->sk_wmem_queued) -
		(u32)mcp_relay_octets(s, MCP_UP) -
		(u32)mcp_relay_octets(s, MCP_DOWN);
	if (owed == s->relay->owed)
		return false;
	s->relay->owed = owed;
	return true;
}

/* A side has given a sign of life, or said something. */
static void mcp_probe_end(struct mcp_session *s)
{
	s->relay->probed = 0;
	mcp_socket_probe_stop(s->upstream);
	mcp_socket_probe_stop(s->down.sock);
}

static void mcp_relay(struct mcp_session *s)
{
	enum mcp_relay_result result = mcp_relay_run(s);

	if (s->relay->probed && s->state != MCP_STATE_TRANS)
		mcp_probe_end(s);
	switch (result) {
	case MCP_RELAY_WAIT:
		break;
	case MCP_RELAY_AGAIN:
		mcp_session_kick(s);
		break;
	case MCP_RELAY_DONE:
		/* Not before the last octet and both FINs are acknowledged. */
		if (mcp_socket_closed(s->upstream) &&
		    mcp_socket_closed(s->down.sock))
			mcp_finish(s, MCP_END_CLOSED);
		break;
	case MCP_RELAY_DRAIN:
		/* Sockets do not tell when their last octet is acknowledged. */
		s->look_again = mcp_deadline(MCP_DRAIN_POLL_MS);
		if (mcp_progress(s) || !s->drain_until)
			s->drain_until =
				mcp_deadline(READ_ONCE(s->mnet->settings.trans_idle));
		break;
	case MCP_RELAY_UPSTREAM_GONE:
		mcp_session_event(s, MCP_EV_INTERNAL_RST);
		mcp_finish(s, MCP_END_CLIENT_RESET);
		break;
	case MCP_RELAY_DOWNSTREAM_GONE:
		mcp_session_event(s, MCP_EV_EXTERNAL_RST);
		mcp_finish(s, MCP_END_SERVER_RESET);
		break;
	}
}

/* The client is there, but nobody to bind it to. */
static void mcp_last_words(struct mcp_session *s)
{
	if (!s->relay->flow[MCP_DOWN].own && !s->relay->flow[MCP_DOWN].shut) {
		mcp_count(s->mnet, MCP_STAT_REPLY_RESET);
		mcp_finish(s, s->failure);
		return;
	}
	if (!s->request_until)
		s->request_until = mcp_deadline(READ_ONCE(s->mnet->settings.request_timeout));
	switch (mcp_relay_last_words(s)) {
	case MCP_RELAY_AGAIN:
		mcp_session_kick(s);
		break;
	case MCP_RELAY_DONE:
		/* Both have said their FIN; wait for the last ACK. */
		if (mcp_socket_closed(s->upstream))
			mcp_finish(s, s->failure);
		break;
	case MCP_RELAY_UPSTREAM_GONE:
		mcp_finish(s, s->failure);
		break;
	default:
		break;
	}
}

/* Who is let in may have changed since the connection was. */
static struct mcp_vetting mcp_late_vet(struct mcp_session *s,
				       enum mcp_decode decoded)
{
	const struct net_device *dev;
	struct mcp_vetting vet;
	struct mcp_acl *acl;

	rcu_read_lock();
	dev = dev_get_by_index_rcu(s->mnet->net, s->ifindex);
	acl = mcp_acl_match(&s->mnet->policy, &s->key.client,
			    dev ? dev->name : "");
	vet = mcp_conversion_vet(s->mnet, acl, decoded, &s->request, s->payload,
				 &s->key.client, s->mptcp);
	if (vet.verdict == MCP_VERDICT_GO && acl && acl->via[0] &&
	    !mcp_peer_dial_new(s, acl->via, false, GFP_ATOMIC))
		vet = mcp_conversion_refusal(s->mnet, s->request.codec,
					     MCP_ERR_RESOURCE_EXCEEDED,
					     MCP_STAT_REFUSED_NO_MEMORY);
	rcu_read_unlock();
	return vet;
}

/*
 * Reads a late request: exactly the request, whatever comes behind it stays in
 * the socket. True if it is complete and to be served.
 */
static bool mcp_late_request(struct mcp_session *s)
{
	struct mcp_request *req = &s->request;
	enum mcp_decode decoded;
	struct mcp_vetting vet;
	int n;

	for (;;) {
		decoded = mcp_request_decode(s->payload, s->payload_len,
					     s->key.mcp.port, req);
		if (decoded != MCP_DECODE_MORE)
			break;
		n = mcp_socket_receive(s->upstream, s->payload + s->payload_len,
				       req->need - s->payload_len);
		if (n == -EAGAIN)
			return false;
		if (n <= 0) {
			mcp_count(s->mnet, MCP_STAT_REFUSED_REQUEST_INCOMPLETE);
			mcp_finish(s, MCP_END_BAD_REQUEST);
			return false;
		}
		s->payload_len += n;
	}
	spin_lock_bh(&s->lock);
	s->requested = true;
	spin_unlock_bh(&s->lock);
	s->request_until = 0;
	mcp_count(s->mnet, MCP_STAT_REQUEST_LATE);
	vet = mcp_late_vet(s, decoded);
	if (vet.verdict == MCP_VERDICT_GO) {
		mcp_conversion_count_request(s);
		return true;
	}
	mcp_count(s->mnet, vet.reason);
	if (vet.verdict == MCP_VERDICT_ERROR) {
		mcp_fail(s, MCP_END_BAD_REQUEST, vet.code);
		return true;
	}
	mcp_count(s->mnet, MCP_STAT_REPLY_RESET);
	mcp_finish(s, MCP_END_BAD_REQUEST);
	return false;
}

static bool mcp_passed(u32 *until)
{
	if (!*until || !mcp_deadline_passed(*until))
		return false;
	*until = 0;
	return true;
}

/* Refuses one that has got no port in all the time. */
static bool mcp_waited_in_vain(struct mcp_session *s)
{
	if (s->down.outcome != MCP_OUTCOME_CROWDED)
		return false;
	mcp_count(s->mnet, MCP_STAT_REFUSED_PORTS);
	mcp_fail_dial(s, MCP_OUTCOME_NO_RESOURCES);
	return true;
}

static void mcp_hold_expired(struct mcp_session *s)
{
	if (mcp_waited_in_vain(s))
		return;
	if (READ_ONCE(s->mnet->settings.hold_expiry) == MCP_HOLD_EXPIRY_REFUSE) {
		mcp_fail(s, MCP_END_HOLD_EXPIRED, MCP_ERR_NETWORK_FAILURE);
		return;
	}
	mcp_upstream_answer(s, MCP_STAT_SYN_ANSWERED_EARLY);
	mcp_downstream_repeat(s);
}

static void mcp_dial_timeout(struct mcp_session *s)
{
	if (mcp_waited_in_vain(s))
		return;
	mcp_downstream_give_up(s);
	trace_mcp_dial(s, MCP_OUTCOME_TIMED_OUT);
	mcp_fail_dial(s, MCP_OUTCOME_TIMED_OUT);
}

static void mcp_idle_expired(struct mcp_session *s)
{
	if (s->state == MCP_STATE_TRANS && s->bound && s->relay->probed &&
	    mcp_downstream_heard_since(s, s->relay->probed)) {
		mcp_probe_end(s);
		mcp_session_event(s, MCP_EV_EXTERNAL_OTHER);
		return;
	}
	/* Both have said all, but not both have got all: not idle. */
	if (s->state == MCP_STATE_BOTH_FIN && s->bound && mcp_progress(s)) {
		mcp_session_event(s, MCP_EV_EXTERNAL_OTHER);
		return;
	}
	switch (mcp_session_event(s, MCP_EV_EXPIRY)) {
	case MCP_ACTION_PROBE:
		/* Who waits for the client's handshake has nobody to probe. */
		if (!s->bound)
			break;
		s->relay->probed = jiffies ?: 1;
		mcp_count(s->mnet, MCP_STAT_SESSION_PROBED);
		mcp_socket_probe(s->upstream,
				 READ_ONCE(s->mnet->settings.trans_idle));
		mcp_socket_probe(s->down.sock,
				 READ_ONCE(s->mnet->settings.trans_idle));
		break;
	case MCP_ACTION_DELETE:
		if (s->bound || s->failure || s->dialled || !s->requested) {
			mcp_finish(s, s->bound ? MCP_END_IDLE :
				   MCP_END_SYN_TIMEOUT);
			break;
		}
		mcp_dial_timeout(s);
		break;
	default:
		break;
	}
}

static void mcp_time_limits(struct mcp_session *s)
{
	if (mcp_passed(&s->hold_until))
		mcp_hold_expired(s);
	if (!s->dead && mcp_passed(&s->dial_until))
		mcp_dial_timeout(s);
	if (!s->dead && mcp_passed(&s->request_until)) {
		if (!s->requested)
			mcp_count(s->mnet, MCP_STAT_REFUSED_REQUEST_TIMEOUT);
		mcp_finish(s, s->requested ? s->failure : MCP_END_BAD_REQUEST);
	}
	if (!s->dead && mcp_passed(&s->accept_until))
		mcp_finish(s, s->failure ?: MCP_END_CLIENT_GONE);
	if (!s->dead && mcp_passed(&s->drain_until))
		mcp_finish(s, s->gone == MCP_GONE_UPSTREAM ?
			   MCP_END_CLIENT_RESET : MCP_END_SERVER_RESET);
	if (!s->dead && mcp_passed(&s->idle_until))
		mcp_idle_expired(s);
	mcp_passed(&s->look_again);
}

/*
 * It was the oldest half-open session, unless it was bound meanwhile. A SYN that is
 * held gets no answer: most likely nobody waits for one, and a client that does
 * repeats its SYN and gets another session, where a RST would keep it out. So a
 * flood has us send nothing for what it pushes out.
 *
 * Nor does it cost a client its connection whose handshake is complete, only not
 * looked at yet.
 */
static bool mcp_evicted(struct mcp_session *s)
{
	if (!test_bit(MCP_SESSION_EVICTED, &s->events))
		return false;
	/* mcp_withdraw_run() knows whether it is over, and yields then. */
	if (!s->half_open && s->withdrawal)
		return false;
	if (s->half_open &&
	    (s->withdrawal ? !mcp_withdraw_complete(s) :
	     !s->dialled || !mcp_upstream_complete(s)))
		return true;
	clear_bit(MCP_SESSION_EVICTED, &s->events);
	mcp_downstream_keep_room(s);
	return false;
}

/* Ends the session if somebody said so. */
static bool mcp_told_to_end(struct mcp_session *s)
{
	enum mcp_end why;

	if (test_bit(MCP_SESSION_DOWN, &s->events))
		why = MCP_END_DOWN;
	else if (test_bit(MCP_SESSION_FLUSH, &s->events))
		why = MCP_END_FLUSHED;
	else if (test_bit(MCP_SESSION_CANCELLED, &s->events))
		why = MCP_END_CLIENT_RESET;
	else if (mcp_evicted(s))
		why = s->failure ?: MCP_END_EVICTED;
	else
		return false;
	mcp_finish(s, why);
	return true;
}

/* The client's half: its connection is there. */
static void mcp_client(struct mcp_session *s)
{
	if (!s->bound && (s->failure || !s->dialled) &&
	    mcp_socket_closed(s->upstream)) {
		/* It did not want to wait for the server. */
		mcp_finish(s, s->failure ?: MCP_END_CLIENT_RESET);
		return;
	}
	if (s->failure) {
		mcp_last_words(s);
		return;
	}
	if (s->dialled && !s->bound)
		mcp_bind(s);
	if (s->bound)
		mcp_relay(s);
}

/* A session that is only translated. */
static void mcp_run_withdrawn(struct mcp_session *s)
{
	enum mcp_end why = mcp_withdraw_run(s);

	if (why)
		mcp_finish(s, why);
	else
		mcp_session_arm(s);
}

static void mcp_run(struct mcp_session *s)
{
	bool open;

	if (!mcp_session_ready(s) || s->dead || mcp_told_to_end(s))
		return;
	if (s->withdrawal) {
		mcp_run_withdrawn(s);
		return;
	}
	/* What is accepted after this look kicks once more. */
	if (READ_ONCE(s->accepted) && !mcp_relay_new(s)) {
		mcp_finish(s, MCP_END_NO_RESOURCES);
		return;
	}
	open = mcp_upstream_open(s);
	if (s->requested || mcp_late_request(s)) {
		if (s->refusal && !s->failure)
			mcp_fail(s, MCP_END_ERROR_SENT, s->refusal - 1);
		else if (!s->failure && !s->dialled)
			mcp_dial(s);
		if (s->withdrawal && !s->dead) {
			mcp_run_withdrawn(s);
			return;
		}
		if (open && !s->dead)
			mcp_client(s);
	}
	if (!s->dead)
		mcp_time_limits(s);
	if (!s->dead)
		mcp_session_arm(s);
}

/**
 * mcp_conversion_work() - the worker of a session
 * @work: the session's work
 *
 * Looks at everything there is to look at, so that it does not matter what it
 * was kicked for, or how often.
 *
 * Context: process.
 */
void mcp_conversion_work(struct work_struct *work)
{
	struct mcp_session *s = container_of(work, struct mcp_session, work);

	mcp_run(s);
	mcp_session_put(s);
}

/**
 * mcp_conversion_count_request() - a request is taken
 * @s: the session
 *
 * Context: any.
 */
void mcp_conversion_count_request(struct mcp_session *s)
{
	if (s->ingress == MCP_INGRESS_INTERCEPT)
		mcp_count(s->mnet, MCP_STAT_INTERCEPTED);
	else if (s->ingress == MCP_INGRESS_MAPPING)
		mcp_count(s->mnet, MCP_STAT_FORWARDED);
	else
		mcp_count(s->mnet, s->request.codec == MCP_CODEC_CONVERT ?
			  MCP_STAT_REQUEST_CONVERT :
			  MCP_STAT_REQUEST_MP_CONVERT);
	mcp_count(s->mnet, MCP_STAT_SESSION_NEW);
	trace_mcp_request(s);
}

/**
 * mcp_conversion_begin() - a request came in a SYN, or the SYN itself is one, and is
 *			    to be served
 * @s: the session, complete but not published
 * @early: the SYN is answered at once
 *
 * Context: any but hard interrupt.
 */
void mcp_conversion_begin(struct mcp_session *s, bool early)
{
	const struct mcp_settings *set = &s->mnet->settings;

	s->requested = true;
	mcp_session_event(s, MCP_EV_INTERNAL_SYN);
	if (early) {
		s->answered = true;
		s->accept_until = mcp_deadline(READ_ONCE(set->syn_timeout));
	} else if (s->ingress == MCP_INGRESS_EXPLICIT) {
		/* Others have no MPTCP to lose by waiting. */
		s->hold_until = mcp_deadline(READ_ONCE(set->hold_timeout));
	}
}

/**
 * mcp_conversion_error() - a request came in a SYN and is not to be served
 * @s: the session, complete but not published
 * @code: what to tell the client
 *
 * Context: any but hard interrupt.
 */
void mcp_conversion_error(struct mcp_session *s, u8 code)
{
	s->requested = true;
	s->refusal = code + 1;
}

/*
 * The hook has asked the same of the SYN. But whatever way past it there may be,
 * it ends here.
 */
static bool mcp_late_allowed(struct mcp_net *mnet,
			     const struct mcp_session_key *key,
			     const char *ifname)
{
	bool allowed;

	if (!READ_ONCE(mnet->settings.late_request)) {
		mcp_count(mnet, MCP_STAT_REFUSED_LATE_REQUEST_OFF);
		return false;
	}
	rcu_read_lock();
	allowed = mcp_acl_match(&mnet->policy, &key->client, ifname);
	rcu_read_unlock();
	if (!allowed)
		mcp_count(mnet, MCP_STAT_REFUSED_ACL);
	return allowed;
}

/**
 * mcp_conversion_late() - a connection came without a request in its SYN
 * @mnet: the namespace
 * @key: client and MCP
 * @sock: the connection; taken over
 *
 * Context: process.
 */
void mcp_conversion_late(struct mcp_net *mnet,
			 const struct mcp_session_key *key,
			 struct socket *sock)
{
	struct mcp_admission adm;
	struct mcp_arrival arr;
	struct mcp_session *s;

	mcp_upstream_arrival(sock, &arr);
	if (!mcp_late_allowed(mnet, key, arr.ifname))
		goto reset;
	adm = mcp_policy_admit(mnet, &key->client);
	if (!adm.client) {
		mcp_count(mnet, adm.reason);
		goto reset;
	}
	s = mcp_session_new(mnet, key, adm.client, mcp_conversion_work,
			    GFP_KERNEL);
	if (!s) {
		mcp_policy_bound(mnet, adm.client);
		mcp_policy_release(adm.client);
		goto no_memory;
	}
	s->payload = kmalloc(MCP_REQUEST_MAX, GFP_KERNEL);
	s->late = true;
	s->answered = true;
	s->mptcp = arr.mptcp;
	s->down.mp_flags = arr.mp_flags;
	s->tos = arr.tos;
	s->ifindex = arr.ifindex;
	s->request_until =
		mcp_deadline(READ_ONCE(mnet->settings.request_timeout));
	mcp_session_event(s, MCP_EV_INTERNAL_SYN);
	s->accepted = sock;
	/* From here on it is found by others: keep it for the last lines. */
	mcp_session_get(s);
	if (!s->payload || mcp_session_publish(s, false, GFP_KERNEL)) {
		mcp_session_put(s);
		mcp_session_discard(s);
		goto no_memory;
	}
	mcp_session_kick(s);
	mcp_session_put(s);
	return;

no_memory:
	mcp_count(mnet, MCP_STAT_REFUSED_NO_MEMORY);
reset:
	mcp_count(mnet, MCP_STAT_REPLY_RESET);
	mcp_socket_release(sock);
}
