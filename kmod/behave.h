/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The session state machine of RFC 6146 section 3.5.2.2, as RFC 5382 and RFC
 * 7857 amend it: one pure function. Compiles in user space too.
 */
#ifndef MCP_BEHAVE_H
#define MCP_BEHAVE_H

#include <linux/mptcpproxy.h>

#include "pure.h"

/*
 * Whose packet (or what) it is. INTERNAL is the client's side. SYN is a segment
 * with the SYN flag, with or without ACK; RST one with the RST flag; FIN one
 * with the FIN flag (RST wins over both, SYN over FIN).
 */
enum mcp_event_kind {
	MCP_EV_INTERNAL_SYN,
	MCP_EV_INTERNAL_FIN,
	MCP_EV_INTERNAL_RST,
	MCP_EV_INTERNAL_OTHER,
	MCP_EV_EXTERNAL_SYN,
	MCP_EV_EXTERNAL_FIN,
	MCP_EV_EXTERNAL_RST,
	MCP_EV_EXTERNAL_OTHER,
	MCP_EV_EXPIRY,
	__MCP_EV_COUNT,
};

/* Which timer an event leaves running. */
enum mcp_timer {
	MCP_TIMER_KEEP,			/* as it was */
	MCP_TIMER_ESTABLISHED,		/* restart: established idle, 7440 s */
	MCP_TIMER_TRANSITORY,		/* restart: transitory, 240 s */
	MCP_TIMER_INCOMING_SYN,		/* restart: unsolicited SYN held, 6 s */
	MCP_TIMER_STOP,
};

/*
 * What the caller has to do.
 *
 * HOLD: keep the unsolicited SYN and answer nothing (RFC 5382 REQ-4); one that
 * comes again while the first is kept is dropped. Where a mapping and its
 * filter admit the SYN, the caller passes it on instead and runs the transitory
 * timer (RFC 6146 section 3.5.2.2, CLOSED).
 *
 * FORWARD in EXTERNAL_INIT of a packet from outside: only where filtering
 * admits it. FORWARD of the client's SYN in EXTERNAL_INIT: a held SYN is thrown
 * away without a word (RFC 5382 REQ-4).
 *
 * UNREACHABLE: answer the held SYN, if there is one, with ICMP port
 * unreachable; then as DELETE. These two alone end in CLOSED.
 *
 * PROBE: send an empty segment, below the window, to an end that is idle; its
 * answer brings the session back to ESTABLISHED.
 */
enum mcp_action {
	MCP_ACTION_NONE,
	MCP_ACTION_FORWARD,		/* pass the packet on */
	MCP_ACTION_DROP,		/* do not pass the packet on */
	MCP_ACTION_HOLD,		/* keep the unsolicited SYN (RFC 5382 REQ-4) */
	MCP_ACTION_UNREACHABLE,		/* answer the held SYN with ICMP port unreachable */
	MCP_ACTION_PROBE,		/* probe an idle established session */
	MCP_ACTION_DELETE,		/* the session is over */
};

struct mcp_transition {
	__u8 state;			/* enum mcp_state */
	__u8 timer;			/* enum mcp_timer */
	__u8 action;			/* enum mcp_action */
};

/* RFC 5382 REQ-5, RFC 6146 section 4; milliseconds. */
#define MCP_ESTABLISHED_IDLE_MS	(7440 * 1000)
#define MCP_TRANSITORY_IDLE_MS	(240 * 1000)
#define MCP_INCOMING_SYN_MS	(6 * 1000)

struct mcp_transition mcp_behave(enum mcp_state state, enum mcp_event_kind event,
				 bool outbound_refresh_only);

const char *mcp_state_name(enum mcp_state state);

#endif /* MCP_BEHAVE_H */
