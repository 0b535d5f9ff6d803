/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters: one name for each thing that happens to a packet or a session, and
 * one for every reason to refuse it. Per CPU, per namespace, never reset.
 */
#ifndef MCP_STATS_H
#define MCP_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

/* X(enumerator, name shown to the user) */
#define MCP_STATS(X)							\
	/* requests */							\
	X(REQUEST_MP_CONVERT,		"request-mp-convert")		\
	X(REQUEST_CONVERT,		"request-convert")		\
	X(REQUEST_INFO_ONLY,		"request-info-only")		\
	X(REQUEST_LATE,			"request-late")			\
	X(SYN_WITHOUT_REQUEST,		"syn-without-request")		\
	X(SYN_JOIN,			"syn-join")			\
	X(SYN_RETRANSMITTED,		"syn-retransmitted")		\
	X(SYN_OF_ESTABLISHED,		"syn-of-established")		\
	X(SYN_REPLACED,			"syn-replaced")			\
	X(EARLY_DATA_OCTETS,		"early-data-octets")		\
	/* refused: one reason each */					\
	X(REFUSED_ACL,			"refused-acl")			\
	X(REFUSED_NOT_A_REQUEST,	"refused-not-a-request")	\
	X(REFUSED_MALFORMED,		"refused-malformed")		\
	X(REFUSED_NOT_MPTCP,		"refused-not-mptcp")		\
	X(REFUSED_COOKIE_MISSING,	"refused-cookie-missing")	\
	X(REFUSED_COOKIE_WRONG,		"refused-cookie-wrong")		\
	X(REFUSED_DESTINATION,		"refused-destination")		\
	X(REFUSED_OPTION,		"refused-option")		\
	X(REFUSED_RATE,			"refused-rate")			\
	X(REFUSED_HALF_OPEN,		"refused-half-open")		\
	X(REFUSED_HALF_OPEN_CLIENT,	"refused-half-open-client")	\
	X(REFUSED_MAX_SESSIONS,		"refused-max-sessions")		\
	X(REFUSED_MAX_CLIENTS,		"refused-max-clients")		\
	X(REFUSED_NO_MEMORY,		"refused-no-memory")		\
	X(REFUSED_LATE_REQUEST_OFF,	"refused-late-request-off")	\
	X(REFUSED_REQUEST_TIMEOUT,	"refused-request-timeout")	\
	X(REFUSED_REQUEST_INCOMPLETE,	"refused-request-incomplete")	\
	X(REFUSED_CHECKSUM,		"refused-checksum")		\
	/* what the client was told */					\
	X(REPLY_RESET,			"reply-reset")			\
	X(REPLY_ERROR,			"reply-error")			\
	X(REPLY_SUPPRESSED,		"reply-suppressed")		\
	X(SYN_ANSWERED,			"syn-answered")			\
	X(SYN_ANSWERED_EARLY,		"syn-answered-early")		\
	X(ECHO_SENT,			"echo-sent")			\
	X(ECHO_FAILED,			"echo-failed")			\
	/* the dial */							\
	X(DIAL,				"dial")				\
	X(DIAL_ACCEPTED,		"dial-accepted")		\
	X(DIAL_REFUSED,			"dial-refused")			\
	X(DIAL_UNREACHABLE,		"dial-unreachable")		\
	X(DIAL_TIMEOUT,			"dial-timeout")			\
	X(DIAL_NO_RESOURCES,		"dial-no-resources")		\
	X(DIAL_SOFT_ERROR,		"dial-soft-error")		\
	/* sessions */							\
	X(SESSION_NEW,			"session-new")			\
	X(SESSION_BOUND,		"session-bound")		\
	X(SESSION_MPTCP,		"session-mptcp")		\
	X(SESSION_CLOSED,		"session-closed")		\
	X(SESSION_CLIENT_RESET,		"session-client-reset")		\
	X(SESSION_SERVER_RESET,		"session-server-reset")		\
	X(SESSION_CLIENT_GONE,		"session-client-gone")		\
	X(SESSION_REFUSED,		"session-refused")		\
	X(SESSION_UNREACHABLE,		"session-unreachable")		\
	X(SESSION_SYN_TIMEOUT,		"session-syn-timeout")		\
	X(SESSION_BAD_REQUEST,		"session-bad-request")		\
	X(SESSION_ERROR_SENT,		"session-error-sent")		\
	X(SESSION_NO_RESOURCES,		"session-no-resources")		\
	X(SESSION_DOWN,			"session-down")			\
	X(SESSION_HOLD_EXPIRED,		"session-hold-expired")		\
	X(SESSION_IDLE,			"session-idle")			\
	X(SESSION_PROBED,		"session-probed")		\
	X(SESSION_FLUSHED,		"session-flushed")		\
	X(OCTETS_UP,			"octets-up")			\
	X(OCTETS_DOWN,			"octets-down")

#define MCP_STAT_ENUM(id, name) MCP_STAT_##id,
enum mcp_stat {
	MCP_STATS(MCP_STAT_ENUM)
	__MCP_STAT_COUNT,
};

struct mcp_stats {
	u64 v[__MCP_STAT_COUNT];
};

static inline void mcp_stat_add(struct mcp_stats __percpu *stats,
				enum mcp_stat id, u64 n)
{
	this_cpu_add(stats->v[id], n);
}

static inline void mcp_stat_inc(struct mcp_stats __percpu *stats,
				enum mcp_stat id)
{
	mcp_stat_add(stats, id, 1);
}

const char *mcp_stat_name(enum mcp_stat id);
u64 mcp_stat_sum(const struct mcp_stats __percpu *stats, enum mcp_stat id);

#endif /* MCP_STATS_H */
