/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The generic netlink contract between the mptcpproxy module and user space.
 *
 * Everything is per network namespace: a request acts on the namespace of the
 * socket that carries it. Commands that change something, and those that show
 * clients or addresses (ACL_GET, POOL_GET, SESSION_GET, the multicast groups), need
 * CAP_NET_ADMIN in the user namespace that owns the network namespace.
 *
 *   MCP_CMD_UP	          SETTINGS...			start the MCP; -EEXIST if up
 *   MCP_CMD_SET          SETTINGS... but PORT		change settings; -ENOENT if down
 *   MCP_CMD_SHOW         -				reply: UP, VERSION, SETTINGS
 *   MCP_CMD_DOWN         -				end every session, stop
 *   MCP_CMD_ACL_ADD      ACL { FAMILY, ADDR, PREFIXLEN [, IFNAME] [, ORIGIN] }
 *   MCP_CMD_ACL_DEL      ACL { FAMILY, ADDR, PREFIXLEN [, IFNAME] }
 *   MCP_CMD_ACL_FLUSH    -
 *   MCP_CMD_ACL_GET      dump				each: ACL { ..., HITS }
 *   MCP_CMD_SESSION_GET  dump				each: SESSION { ... }
 *   MCP_CMD_SESSION_COUNT -				reply: COUNT { ... }
 *   MCP_CMD_SESSION_FLUSH [SESSION_ID]			reset all sessions, or one
 *   MCP_CMD_STATS_GET    dump				each: STAT { NAME, VALUE }
 *   MCP_CMD_SESSION_EVENT multicast "session"		EVENT, TIME, SESSION { ... }
 *   MCP_CMD_POOL_ADD     POOL { FAMILY, ADDR, PREFIXLEN [, FIRST, LAST] }
 *   MCP_CMD_POOL_DEL     POOL { FAMILY, ADDR, PREFIXLEN }
 *   MCP_CMD_POOL_FLUSH   -
 *   MCP_CMD_POOL_GET     dump				each: POOL { ..., USED }
 *   MCP_CMD_MAPPING_EVENT multicast "mapping"		EVENT, TIME, MAPPING { ... }
 *   MCP_CMD_PEER_ADD     PEER { NAME, FAMILY, ADDR [, PORT] [, CODEC] [, PRIO]
 *			  [, COOKIE] [, ORIGIN] }
 *   MCP_CMD_PEER_DEL     PEER { NAME [, FAMILY, ADDR [, PORT]] }
 *   MCP_CMD_PEER_FLUSH   -
 *   MCP_CMD_PEER_GET     dump				each: PEER { ..., STATE, counters }
 *   MCP_CMD_INTERCEPT_ADD INTERCEPT { ... }		a rule, behind the others
 *   MCP_CMD_INTERCEPT_DEL INTERCEPT { INDEX }
 *   MCP_CMD_INTERCEPT_FLUSH -
 *   MCP_CMD_INTERCEPT_GET dump				each: INTERCEPT { ..., HITS, PASSED }
 *   MCP_CMD_FORWARD_ADD  FORWARD { EXTERNAL, CLIENT [, PEER] [, LIFETIME] }
 *   MCP_CMD_FORWARD_DEL  FORWARD { EXTERNAL }
 *   MCP_CMD_FORWARD_FLUSH -
 *   MCP_CMD_FORWARD_GET  dump				each: FORWARD { ..., HITS }
 *
 * MAPPING_EVENT tells which client got or gave back which external ports, and no
 * destination (RFC 6888 section 4, REQ-12). The end of a port is told before
 * another client can have it. Who gets ENOBUFS has missed something.
 *
 * ACL, pool, peers, rules and static mappings (FORWARD) exist whether the MCP is up
 * or not, and outlive MCP_CMD_DOWN.
 *
 * All addresses are in network order, 4 or 16 octets as FAMILY says; a be16 is a
 * port in network order; times are in milliseconds unless an attribute says else.
 */
#ifndef _UAPI_LINUX_MPTCPPROXY_H
#define _UAPI_LINUX_MPTCPPROXY_H

#define MCP_GENL_NAME		"mptcpproxy"
#define MCP_GENL_VERSION	1
#define MCP_GENL_MCGRP_SESSION	"session"
#define MCP_GENL_MCGRP_MAPPING	"mapping"

#define MCP_DEFAULT_PORT	5124

enum mcp_cmd {
	MCP_CMD_UNSPEC,
	MCP_CMD_UP,
	MCP_CMD_SET,
	MCP_CMD_SHOW,
	MCP_CMD_DOWN,
	MCP_CMD_ACL_ADD,
	MCP_CMD_ACL_DEL,
	MCP_CMD_ACL_FLUSH,
	MCP_CMD_ACL_GET,
	MCP_CMD_SESSION_GET,
	MCP_CMD_SESSION_COUNT,
	MCP_CMD_SESSION_FLUSH,
	MCP_CMD_STATS_GET,
	MCP_CMD_SESSION_EVENT,
	MCP_CMD_POOL_ADD,
	MCP_CMD_POOL_DEL,
	MCP_CMD_POOL_FLUSH,
	MCP_CMD_POOL_GET,
	MCP_CMD_MAPPING_EVENT,
	MCP_CMD_PEER_ADD,
	MCP_CMD_PEER_DEL,
	MCP_CMD_PEER_FLUSH,
	MCP_CMD_PEER_GET,
	MCP_CMD_INTERCEPT_ADD,
	MCP_CMD_INTERCEPT_DEL,
	MCP_CMD_INTERCEPT_FLUSH,
	MCP_CMD_INTERCEPT_GET,
	MCP_CMD_FORWARD_ADD,
	MCP_CMD_FORWARD_DEL,
	MCP_CMD_FORWARD_FLUSH,
	MCP_CMD_FORWARD_GET,
	__MCP_CMD_MAX,
};

#define MCP_CMD_MAX (__MCP_CMD_MAX - 1)

/* Top level attributes. */
enum mcp_attr {
	MCP_A_UNSPEC,
	MCP_A_VERSION,			/* string: version of the module */
	MCP_A_UP,			/* u8: 1 if the MCP is up */
	MCP_A_SETTINGS,			/* nest: enum mcp_setting_attr */
	MCP_A_ACL,			/* nest: enum mcp_acl_attr */
	MCP_A_SESSION,			/* nest: enum mcp_session_attr */
	MCP_A_SESSION_ID,		/* u64: a session's SESSION_ID */
	MCP_A_COUNT,			/* nest: enum mcp_count_attr */
	MCP_A_STAT,			/* nest: enum mcp_stat_attr */
	MCP_A_EVENT,			/* u8: enum mcp_event */
	MCP_A_PAD,
	MCP_A_POOL,			/* nest: enum mcp_pool_attr */
	MCP_A_MAPPING,			/* nest: enum mcp_mapping_attr */
	MCP_A_TIME,			/* u64 ns: since 1970, when it happened */
	MCP_A_PEER,			/* nest: enum mcp_peer_attr */
	MCP_A_INTERCEPT,		/* nest: enum mcp_intercept_attr */
	MCP_A_FORWARD,			/* nest: enum mcp_forward_attr */
	__MCP_A_MAX,
};

#define MCP_A_MAX (__MCP_A_MAX - 1)

/* MCP_A_SETTINGS. One that is absent keeps its value (its default in UP). */
enum mcp_setting_attr {
	MCP_S_UNSPEC,
	MCP_S_PORT,			/* be16: default 5124; only in UP */
	MCP_S_HANDSHAKE,		/* u8: enum mcp_handshake, default held */
	MCP_S_HOLD_TIMEOUT,		/* u32 ms: 100 to 60000, default 2500 */
	MCP_S_HOLD_EXPIRY,		/* u8: enum mcp_hold_expiry, default early */
	MCP_S_ECHO,			/* u8 bool: default 1 */
	MCP_S_REQUIRE_MPTCP,		/* u8 bool: default 1 */
	MCP_S_LATE_REQUEST,		/* u8 bool: default 1 */
	MCP_S_REQUEST_TIMEOUT,		/* u32 ms: 100 to 60000, default 5000 */
	MCP_S_SYN_TIMEOUT,		/* u32 ms: 1000 to 300000, default 30000 */
	MCP_S_COOKIE,			/* u8: enum mcp_cookie_mode, default off */
	MCP_S_COOKIE_LIFETIME,		/* u32 s: 1 to 604800, default 3600 */
	MCP_S_REFUSAL,			/* u8: enum mcp_refusal, default reset */
	MCP_S_EST_IDLE,			/* u32 ms: 100 to 2073600000, default 7440000 */
	MCP_S_TRANS_IDLE,		/* u32 ms: 100 to 2073600000, default 240000 */
	MCP_S_I_KNOW,			/* flag: idle times may break RFC 5382 REQ-5 */
	MCP_S_MAX_SESSIONS,		/* u32: 1 to 16777216, default 1048576 */
	MCP_S_MAX_HALF_OPEN,		/* u32: 1 to 16777216, default 16384 */
	MCP_S_MAX_HALF_OPEN_CLIENT,	/* u32: 1 to 16777216, default 1024 */
	MCP_S_SESSION_RATE,		/* u32 a second, client; default 1000; 0: any */
	MCP_S_SESSION_BURST,		/* u32: 1 to 1000000, default 2000 */
	MCP_S_ERROR_RATE,		/* u32 a second, client; default 10; 0: none */
	MCP_S_MAX_PORTS_CLIENT,		/* u32: 1 to 16777216, default 2048 */
	MCP_S_RELAY_MP_CAPABLE,		/* u8 bool: default 1 */
	MCP_S_MPTCP,			/* u8: enum mcp_mptcp_mode, default maintain */
	MCP_S_SERVER_LEG,		/* u8: enum mcp_server_leg, default tcp */
	MCP_S_SOURCE,			/* u8: enum mcp_source, default share */
	MCP_S_FILTERING,		/* u8: enum mcp_filtering, default independent */
	MCP_S_REFRESH,			/* u8: enum mcp_refresh, default any */
	MCP_S_MAX_SUBFLOWS,		/* u32: 1 to 64, default 8 */
	MCP_S_PORT_BLOCK,		/* u32, at most 4096; default 0: no blocks. Else
					 * a power of two, at least 64
					 */
	MCP_S_PEER_TIMEOUT,		/* u32 ms: 100 to 60000, default 4000 */
	MCP_S_PEER_RETRY,		/* u32 ms: 100 to 2073600000, default 30000 */
	MCP_S_CAPABILITY_TTL,		/* u32 ms: 100 to 2073600000, default 3600000 */
	MCP_S_FALLBACK,			/* u8: enum mcp_fallback, default pass */
	MCP_S_IMPLICIT,			/* u8: enum mcp_implicit, default marked */
	__MCP_S_MAX,
};

#define MCP_S_MAX (__MCP_S_MAX - 1)

enum mcp_handshake { MCP_HANDSHAKE_HELD, MCP_HANDSHAKE_EARLY };
enum mcp_hold_expiry { MCP_HOLD_EXPIRY_EARLY, MCP_HOLD_EXPIRY_REFUSE };
/* Required refuses MP_CONVERT, which has no room for a cookie. */
enum mcp_cookie_mode { MCP_COOKIE_OFF, MCP_COOKIE_REQUIRED };
/* What a client that policy refuses sees: a reset (or Error TLV), or nothing. */
enum mcp_refusal { MCP_REFUSAL_RESET, MCP_REFUSAL_SILENT };
/* A server that speaks MPTCP too: stay in the path, or only translate. */
enum mcp_mptcp_mode { MCP_MPTCP_MAINTAIN, MCP_MPTCP_WITHDRAW };
/* How servers are dialled: as a NAT does, or by an MPTCP socket. */
enum mcp_server_leg { MCP_SERVER_LEG_TCP, MCP_SERVER_LEG_MPTCP };
/* What servers see: an address that clients share, or the client's own. */
enum mcp_source { MCP_SOURCE_SHARE, MCP_SOURCE_PRESERVE };
/* From whom a client's external endpoint takes connections (RFC 5382 REQ-3). */
enum mcp_filtering { MCP_FILTERING_INDEPENDENT, MCP_FILTERING_ADDRESS };
/* Whose packets restart the idle timer of a translated session (RFC 7857 7). */
enum mcp_refresh { MCP_REFRESH_ANY, MCP_REFRESH_OUTBOUND };

/* A connection that no peer can carry: without an MCP, or dialled by this one. */
enum mcp_fallback { MCP_FALLBACK_PASS, MCP_FALLBACK_DIRECT };

/* The MPTCP connections that "direct" rules take: with MP_PREFER_PROXY, all, none. */
enum mcp_implicit { MCP_IMPLICIT_MARKED, MCP_IMPLICIT_ALL, MCP_IMPLICIT_OFF };

/* MCP_A_ACL */
enum mcp_acl_attr {
	MCP_ACL_A_UNSPEC,
	MCP_ACL_A_FAMILY,		/* u16: AF_INET or AF_INET6 */
	MCP_ACL_A_ADDR,			/* 4 or 16 octets; host bits zero */
	MCP_ACL_A_PREFIXLEN,		/* u8 */
	MCP_ACL_A_IFNAME,		/* string: ingress interface; absent: any */
	MCP_ACL_A_HITS,			/* u64: SYNs let in by this entry */
	MCP_ACL_A_PAD,
	MCP_ACL_A_ORIGIN,		/* nest: enum mcp_prefix_attr; absent: none */
	MCP_ACL_A_VIA,			/* string: name of the peers that dial; absent: none */
	__MCP_ACL_A_MAX,
};

#define MCP_ACL_A_MAX (__MCP_ACL_A_MAX - 1)

/*
 * MCP_ACL_A_ORIGIN: whom clients may name as the originator of a connection
 * (MP_CONVERT, D = 1), when the source is preserved.
 */
enum mcp_prefix_attr {
	MCP_PREFIX_A_UNSPEC,
	MCP_PREFIX_A_FAMILY,		/* u16: AF_INET or AF_INET6 */
	MCP_PREFIX_A_ADDR,		/* 4 or 16 octets; host bits zero */
	MCP_PREFIX_A_PREFIXLEN,		/* u8 */
	__MCP_PREFIX_A_MAX,
};

#define MCP_PREFIX_A_MAX (__MCP_PREFIX_A_MAX - 1)

/* MCP_A_POOL: external addresses */
enum mcp_pool_attr {
	MCP_POOL_A_UNSPEC,
	MCP_POOL_A_FAMILY,		/* u16: AF_INET or AF_INET6 */
	MCP_POOL_A_ADDR,		/* 4 or 16 octets; host bits zero */
	MCP_POOL_A_PREFIXLEN,		/* u8: 16 to 32, 112 to 128 */
	MCP_POOL_A_FIRST,		/* u16: first port of each address, default 1024 */
	MCP_POOL_A_LAST,		/* u16: last port, default 65535 */
	MCP_POOL_A_USED,		/* u64: ports in use */
	MCP_POOL_A_PAD,
	__MCP_POOL_A_MAX,
};

#define MCP_POOL_A_MAX (__MCP_POOL_A_MAX - 1)

/* MCP_A_MAPPING: an external port of a client endpoint, or a block of a client */
enum mcp_mapping_attr {
	MCP_MAPPING_A_UNSPEC,
	MCP_MAPPING_A_CLIENT,		/* nest: enum mcp_endpoint_attr; of a block
					 * without port, and of IPv6 the /64
					 */
	MCP_MAPPING_A_EXTERNAL,		/* nest: enum mcp_endpoint_attr; the first port */
	MCP_MAPPING_A_LAST,		/* u16: the last port */
	__MCP_MAPPING_A_MAX,
};

#define MCP_MAPPING_A_MAX (__MCP_MAPPING_A_MAX - 1)

/* MCP_A_PEER: another MCP, which dials for this one */
enum mcp_peer_attr {
	MCP_PEER_A_UNSPEC,
	MCP_PEER_A_NAME,		/* string: that of all that can stand in for it */
	MCP_PEER_A_FAMILY,		/* u16: AF_INET or AF_INET6 */
	MCP_PEER_A_ADDR,		/* 4 or 16 octets */
	MCP_PEER_A_PORT,		/* be16: default 5124 */
	MCP_PEER_A_CODEC,		/* u8: enum mcp_codec, default mp-convert */
	MCP_PEER_A_PRIO,		/* u32: the least is dialled first; default 0 */
	MCP_PEER_A_COOKIE,		/* octets, at most 64: of Convert; absent: none,
					 * or what the peer asks for
					 */
	MCP_PEER_A_ORIGIN,		/* flag: it is told who dials (MP_CONVERT, D = 1) */
	MCP_PEER_A_STATE,		/* u8: enum mcp_peer_state */
	MCP_PEER_A_LEFT,		/* u32 ms: how long it stays so; absent: no limit */
	MCP_PEER_A_DIALS,		/* u64: requests it was sent */
	MCP_PEER_A_ACCEPTED,		/* u64: connections it made */
	MCP_PEER_A_REFUSED,		/* u64: servers that refused it, or were not there */
	MCP_PEER_A_FAILED,		/* u64: requests it could not serve */
	MCP_PEER_A_LATE,		/* u64: requests behind the handshake */
	MCP_PEER_A_PAD,
	__MCP_PEER_A_MAX,
};

#define MCP_PEER_A_MAX (__MCP_PEER_A_MAX - 1)

enum mcp_peer_state {
	MCP_PEER_UNKNOWN,		/* nobody has tried it yet */
	MCP_PEER_UP,
	MCP_PEER_DOWN,			/* left alone until it is tried again */
	MCP_PEER_PLAIN,			/* it does not convert */
};

/* MCP_A_INTERCEPT: which connections are taken off the path, and for whom */
enum mcp_intercept_attr {
	MCP_INTERCEPT_A_UNSPEC,
	MCP_INTERCEPT_A_INDEX,		/* u32: its number, in the order of the rules */
	MCP_INTERCEPT_A_ACTION,		/* u8: enum mcp_intercept_action */
	MCP_INTERCEPT_A_IFNAME,		/* string: ingress interface; absent: any */
	MCP_INTERCEPT_A_LOCAL,		/* flag: the host's own connections */
	MCP_INTERCEPT_A_FROM,		/* nest: enum mcp_prefix_attr; absent: any */
	MCP_INTERCEPT_A_TO,		/* nest: enum mcp_prefix_attr; absent: any */
	MCP_INTERCEPT_A_FIRST,		/* u16: first destination port, default 1 */
	MCP_INTERCEPT_A_LAST,		/* u16: last one, default 65535 */
	MCP_INTERCEPT_A_PEER,		/* string: of ACTION peer, its name */
	MCP_INTERCEPT_A_HITS,		/* u64: connections taken */
	MCP_INTERCEPT_A_PASSED,		/* u64: connections that went on untouched */
	MCP_INTERCEPT_A_PAD,
	__MCP_INTERCEPT_A_MAX,
};

#define MCP_INTERCEPT_A_MAX (__MCP_INTERCEPT_A_MAX - 1)

enum mcp_intercept_action {
	MCP_INTERCEPT_PASS,		/* leave it alone */
	MCP_INTERCEPT_DIRECT,		/* dial the server */
	MCP_INTERCEPT_PEER,		/* have a peer dial the server */
};

/* MCP_A_FORWARD: an external endpoint whose connections go to a client */
enum mcp_forward_attr {
	MCP_FORWARD_A_UNSPEC,
	MCP_FORWARD_A_EXTERNAL,		/* nest: enum mcp_endpoint_attr; without port: all */
	MCP_FORWARD_A_CLIENT,		/* nest: enum mcp_endpoint_attr; without port: the same */
	MCP_FORWARD_A_PEER,		/* string: who dials the client; absent: this MCP */
	MCP_FORWARD_A_LIFETIME,		/* u32 s: what is left of it; absent: for ever */
	MCP_FORWARD_A_HITS,		/* u64: connections taken */
	MCP_FORWARD_A_PAD,
	__MCP_FORWARD_A_MAX,
};

#define MCP_FORWARD_A_MAX (__MCP_FORWARD_A_MAX - 1)

/* MCP_A_SESSION */
enum mcp_session_attr {
	MCP_SESSION_A_UNSPEC,
	MCP_SESSION_A_ID,		/* u64: unique in the namespace */
	MCP_SESSION_A_CLIENT,		/* nest: enum mcp_endpoint_attr */
	MCP_SESSION_A_MCP,		/* nest: the MCP's end of the upstream connection */
	MCP_SESSION_A_SERVER,		/* nest; absent until a late request is complete */
	MCP_SESSION_A_EXTERNAL,		/* nest: the MCP's end downstream; absent before the dial */
	MCP_SESSION_A_STATE,		/* u8: enum mcp_state (RFC 6146) */
	MCP_SESSION_A_CODEC,		/* u8: enum mcp_codec */
	MCP_SESSION_A_UPSTREAM,		/* u8: enum mcp_upstream_kind */
	MCP_SESSION_A_SUBFLOWS,		/* u8: MPTCP subflows upstream, when known */
	MCP_SESSION_A_AGE,		/* u64 ms */
	MCP_SESSION_A_BYTES_UP,		/* u64: client to server, early data included */
	MCP_SESSION_A_BYTES_DOWN,	/* u64: server to client */
	MCP_SESSION_A_END,		/* u8: enum mcp_end; only in EVENT_END */
	MCP_SESSION_A_PAD,
	MCP_SESSION_A_DOWNSTREAM,	/* u8: enum mcp_upstream_kind, of the server's side */
	MCP_SESSION_A_INGRESS,		/* u8: enum mcp_ingress */
	MCP_SESSION_A_PEER,		/* nest: the MCP that has dialled; absent: none */
	__MCP_SESSION_A_MAX,
};

#define MCP_SESSION_A_MAX (__MCP_SESSION_A_MAX - 1)

enum mcp_endpoint_attr {
	MCP_ENDPOINT_A_UNSPEC,
	MCP_ENDPOINT_A_FAMILY,		/* u16: AF_INET or AF_INET6 */
	MCP_ENDPOINT_A_ADDR,		/* 4 or 16 octets */
	MCP_ENDPOINT_A_PORT,		/* be16; absent: all of them */
	__MCP_ENDPOINT_A_MAX,
};

#define MCP_ENDPOINT_A_MAX (__MCP_ENDPOINT_A_MAX - 1)

/* RFC 6146 section 3.5.2.2; INTERNAL is the client's side. */
enum mcp_state {
	MCP_STATE_CLOSED,
	MCP_STATE_INTERNAL_INIT,
	MCP_STATE_EXTERNAL_INIT,
	MCP_STATE_ESTABLISHED,
	MCP_STATE_INTERNAL_FIN,
	MCP_STATE_EXTERNAL_FIN,
	MCP_STATE_BOTH_FIN,
	MCP_STATE_TRANS,
	__MCP_STATE_COUNT,
};

enum mcp_codec {
	MCP_CODEC_NONE,
	MCP_CODEC_MP_CONVERT,
	MCP_CODEC_CONVERT,
	MCP_CODEC_IMPLICIT,		/* of peers only: MP_PREFER_PROXY, no request */
};

enum mcp_upstream_kind {
	MCP_UPSTREAM_PENDING,		/* the SYN is not answered yet */
	MCP_UPSTREAM_MPTCP,
	MCP_UPSTREAM_FALLBACK,		/* began as MPTCP, fell back to TCP */
	MCP_UPSTREAM_TCP,
	MCP_UPSTREAM_TRANSLATED,	/* client and server speak MPTCP with each other */
};

/* How its SYN came to the MCP. */
enum mcp_ingress {
	MCP_INGRESS_EXPLICIT,		/* addressed to it */
	MCP_INGRESS_INTERCEPT,		/* addressed to the server */
	MCP_INGRESS_MAPPING,		/* addressed to a static mapping */
};

/* Why a session ended. */
enum mcp_end {
	MCP_END_NONE,
	MCP_END_CLOSED,			/* FIN from both sides */
	MCP_END_CLIENT_RESET,
	MCP_END_SERVER_RESET,
	MCP_END_REFUSED,		/* the server answered RST */
	MCP_END_UNREACHABLE,		/* a hard ICMP error, or no route */
	MCP_END_SYN_TIMEOUT,		/* the server was silent */
	MCP_END_HOLD_EXPIRED,		/* hold-expiry refuse */
	MCP_END_CLIENT_GONE,		/* the client never completed its handshake */
	MCP_END_BAD_REQUEST,		/* late request malformed, refused or incomplete */
	MCP_END_ERROR_SENT,		/* an Error TLV was all there was to say */
	MCP_END_IDLE,
	MCP_END_FLUSHED,
	MCP_END_DOWN,			/* MCP_CMD_DOWN, namespace or module gone */
	MCP_END_NO_RESOURCES,
	MCP_END_EVICTED,		/* half-open, and made room for a newer one */
	MCP_END_PASSED,			/* its SYN went on as if there were no MCP */
	__MCP_END_COUNT,
};

enum mcp_event {
	MCP_EVENT_NEW,			/* a server is about to be dialled; ports are taken */
	MCP_EVENT_BOUND,		/* upstream and downstream are bound */
	MCP_EVENT_END,			/* a session is over; ports are free again */
};

/* MCP_A_COUNT */
enum mcp_count_attr {
	MCP_COUNT_A_UNSPEC,
	MCP_COUNT_A_TOTAL,		/* u32 */
	MCP_COUNT_A_HALF_OPEN,		/* u32: not bound yet */
	MCP_COUNT_A_CLIENTS,		/* u32: clients (IPv6: /64) with a session now or lately */
	__MCP_COUNT_A_MAX,
};

#define MCP_COUNT_A_MAX (__MCP_COUNT_A_MAX - 1)

/* MCP_A_STAT: the module names its counters; see mptcpproxyctl(8). */
enum mcp_stat_attr {
	MCP_STAT_A_UNSPEC,
	MCP_STAT_A_NAME,		/* string */
	MCP_STAT_A_VALUE,		/* u64 */
	MCP_STAT_A_PAD,
	__MCP_STAT_A_MAX,
};

#define MCP_STAT_A_MAX (__MCP_STAT_A_MAX - 1)

#endif /* _UAPI_LINUX_MPTCPPROXY_H */
