// SPDX-License-Identifier: GPL-2.0
/*
 * The session state machine of RFC 6146 section 3.5.2.2 as a table. There V6 is
 * the internal side and V4 the external one. What departs from that section, or
 * says more than it:
 *
 * - CLOSED means that there is no session and no mapping, so that packets other
 *   than SYNs are dropped.
 * - An RST moves a half-closed session to TRANS too: RFC 7857 section 2.2 wants
 *   four minutes' wait after any RST, RFC 6146 would keep it for two hours.
 * - RFC 6146 lets the FIN that leaves ESTABLISHED, and all packets after both
 *   FINs, leave the timer alone. RFC 5382 REQ-5 counts idle time, so here they
 *   restart it. An RST never prolongs anything.
 */
#include "behave.h"

#define ROW(_state, _timer, _action) {			\
		.state = MCP_STATE_##_state,		\
		.timer = MCP_TIMER_##_timer,		\
		.action = MCP_ACTION_##_action,		\
	}

static const struct mcp_transition
transitions[__MCP_STATE_COUNT][__MCP_EV_COUNT] = {
	/*
	 * "CLOSED": a SYN from inside is translated and opens a session. One
	 * from outside is stored for TCP_INCOMING_SYN (RFC 5382 REQ-4). Any
	 * other packet for which there is no BIB entry is discarded.
	 */
	[MCP_STATE_CLOSED] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(INTERNAL_INIT, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(CLOSED, KEEP, DROP),
		[MCP_EV_INTERNAL_RST]	= ROW(CLOSED, KEEP, DROP),
		[MCP_EV_INTERNAL_OTHER]	= ROW(CLOSED, KEEP, DROP),
		[MCP_EV_EXTERNAL_SYN]	= ROW(EXTERNAL_INIT, INCOMING_SYN, HOLD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(CLOSED, KEEP, DROP),
		[MCP_EV_EXTERNAL_RST]	= ROW(CLOSED, KEEP, DROP),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(CLOSED, KEEP, DROP),
		[MCP_EV_EXPIRY]		= ROW(CLOSED, STOP, NONE),
	},
	/*
	 * "V6 INIT": a SYN from outside, with or without ACK (RFC 5382 REQ-2,
	 * simultaneous open), establishes. A SYN from inside is forwarded and
	 * sets the lifetime to TCP_TRANS. Any other packet is forwarded and
	 * changes nothing.
	 */
	[MCP_STATE_INTERNAL_INIT] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(INTERNAL_INIT, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(INTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_INTERNAL_RST]	= ROW(INTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_INTERNAL_OTHER]	= ROW(INTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_SYN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(INTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_RST]	= ROW(INTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(INTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXPIRY]		= ROW(CLOSED, STOP, DELETE),
	},
	/*
	 * "V4 INIT": a SYN from inside establishes, and a held SYN is thrown
	 * away. The held SYN's retransmission is held like it, without more
	 * time: the first one's six seconds count. On expiry the held SYN is
	 * answered with Port Unreachable and the session is gone. Any other
	 * packet is forwarded and changes nothing.
	 */
	[MCP_STATE_EXTERNAL_INIT] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(EXTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_INTERNAL_RST]	= ROW(EXTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_INTERNAL_OTHER]	= ROW(EXTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_SYN]	= ROW(EXTERNAL_INIT, KEEP, HOLD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(EXTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_RST]	= ROW(EXTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(EXTERNAL_INIT, KEEP, FORWARD),
		[MCP_EV_EXPIRY]		= ROW(CLOSED, STOP, UNREACHABLE),
	},
	/*
	 * "ESTABLISHED": a FIN is noted with its side, an RST leads to TRANS
	 * with TCP_TRANS, since the peer may not accept it (RFC 7857 section
	 * 2.2). Any other packet restarts TCP_EST. On expiry a probe is sent and
	 * TRANS waits for its answer.
	 */
	[MCP_STATE_ESTABLISHED] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(INTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_RST]	= ROW(TRANS, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_OTHER]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_SYN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(EXTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_RST]	= ROW(TRANS, TRANSITORY, FORWARD),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXPIRY]		= ROW(TRANS, TRANSITORY, PROBE),
	},
	/*
	 * "V6 FIN RCV": the other side's FIN leads to BOTH_FIN with TCP_TRANS.
	 * Any other packet restarts TCP_EST, but for RST (see above).
	 */
	[MCP_STATE_INTERNAL_FIN] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(INTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(INTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_RST]	= ROW(TRANS, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_OTHER]	= ROW(INTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_SYN]	= ROW(INTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_EXTERNAL_RST]	= ROW(TRANS, TRANSITORY, FORWARD),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(INTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXPIRY]		= ROW(CLOSED, STOP, DELETE),
	},
	/* "V4 FIN RCV": its mirror image. */
	[MCP_STATE_EXTERNAL_FIN] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(EXTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_RST]	= ROW(TRANS, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_OTHER]	= ROW(EXTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_SYN]	= ROW(EXTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(EXTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_RST]	= ROW(TRANS, TRANSITORY, FORWARD),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(EXTERNAL_FIN, ESTABLISHED, FORWARD),
		[MCP_EV_EXPIRY]		= ROW(CLOSED, STOP, DELETE),
	},
	/*
	 * "V6 FIN + V4 FIN RCV": everything is forwarded; only expiry leads out.
	 * The closing phase must be idle for the transitory time before it ends
	 * (RFC 5382 REQ-5, RFC 7857 section 2.1).
	 */
	[MCP_STATE_BOTH_FIN] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_INTERNAL_RST]	= ROW(BOTH_FIN, KEEP, FORWARD),
		[MCP_EV_INTERNAL_OTHER]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_EXTERNAL_SYN]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_EXTERNAL_RST]	= ROW(BOTH_FIN, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(BOTH_FIN, TRANSITORY, FORWARD),
		[MCP_EV_EXPIRY]		= ROW(CLOSED, STOP, DELETE),
	},
	/*
	 * "TRANS": a packet other than an RST shows that the connection lives
	 * (RFC 7857 figure 1, "data pkt"): back to ESTABLISHED with TCP_EST.
	 */
	[MCP_STATE_TRANS] = {
		[MCP_EV_INTERNAL_SYN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_FIN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_INTERNAL_RST]	= ROW(TRANS, KEEP, FORWARD),
		[MCP_EV_INTERNAL_OTHER]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_SYN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_FIN]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXTERNAL_RST]	= ROW(TRANS, KEEP, FORWARD),
		[MCP_EV_EXTERNAL_OTHER]	= ROW(ESTABLISHED, ESTABLISHED, FORWARD),
		[MCP_EV_EXPIRY]		= ROW(CLOSED, STOP, DELETE),
	},
};

static bool from_outside(enum mcp_event_kind event)
{
	return event >= MCP_EV_EXTERNAL_SYN && event <= MCP_EV_EXTERNAL_OTHER;
}

/*
 * Would this transition lengthen the life of a session that is already there?
 * Opening one, and shortening its life after a FIN or RST, is something else.
 */
static bool prolongs(enum mcp_state state, const struct mcp_transition *next)
{
	if (state == MCP_STATE_INTERNAL_INIT || state == MCP_STATE_CLOSED)
		return false;

	return next->timer == MCP_TIMER_ESTABLISHED || next->state == state;
}

/**
 * mcp_behave - what an event does to a session
 * @state:	the session's state; CLOSED if there is no session
 * @event:	what happened
 * @outbound_refresh_only: packets from outside do not restart the idle timer
 *		("NAT Inbound refresh behavior" False, RFC 4787 REQ-6, applied to
 *		TCP by RFC 7857 section 7). They open and close a session as
 *		ever, but do not bring it back from TRANS.
 *
 * Context: any; no side effects.
 * Return: the state to go to, the timer to start and what to do. For a state or
 * event that does not exist: no change, and drop.
 */
struct mcp_transition mcp_behave(enum mcp_state state, enum mcp_event_kind event,
				 bool outbound_refresh_only)
{
	struct mcp_transition next = {
		.state = state,
		.timer = MCP_TIMER_KEEP,
		.action = MCP_ACTION_DROP,
	};

	if ((unsigned int)state >= __MCP_STATE_COUNT ||
	    (unsigned int)event >= __MCP_EV_COUNT)
		return next;

	next = transitions[state][event];
	if (outbound_refresh_only && from_outside(event) &&
	    prolongs(state, &next)) {
		next.timer = MCP_TIMER_KEEP;
		if (state == MCP_STATE_TRANS)
			next.state = state;
	}

	return next;
}

/**
 * mcp_state_name - a state's name
 * @state:	the state
 *
 * Return: the name as in the protocol description, "?" for no state.
 */
const char *mcp_state_name(enum mcp_state state)
{
	static const char *const names[__MCP_STATE_COUNT] = {
		[MCP_STATE_CLOSED]		= "CLOSED",
		[MCP_STATE_INTERNAL_INIT]	= "INTERNAL_INIT",
		[MCP_STATE_EXTERNAL_INIT]	= "EXTERNAL_INIT",
		[MCP_STATE_ESTABLISHED]		= "ESTABLISHED",
		[MCP_STATE_INTERNAL_FIN]	= "INTERNAL_FIN",
		[MCP_STATE_EXTERNAL_FIN]	= "EXTERNAL_FIN",
		[MCP_STATE_BOTH_FIN]		= "BOTH_FIN",
		[MCP_STATE_TRANS]		= "TRANS",
	};

	return (unsigned int)state < __MCP_STATE_COUNT ? names[state] : "?";
}
