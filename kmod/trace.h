/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: the stations of a session. Addresses are printed as IPv6, IPv4
 * ones mapped.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mptcpproxy

#if !defined(MCP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define MCP_TRACE_H

#include <linux/tracepoint.h>

#include "session.h"

#ifndef MCP_TRACE_ADDR
#define MCP_TRACE_ADDR
static inline void mcp_trace_addr(u8 *to, const struct mcp_endpoint *ep)
{
	memset(to, 0, 16);
	if (ep->family == AF_INET6) {
		memcpy(to, ep->addr.octets, 16);
	} else if (ep->family == AF_INET) {
		to[10] = 0xff;
		to[11] = 0xff;
		memcpy(to + 12, ep->addr.octets, 4);
	}
}
#endif

TRACE_EVENT(mcp_request,
	TP_PROTO(const struct mcp_session *s),
	TP_ARGS(s),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u8, codec)
		__field(bool, late)
		__field(u16, client_port)
		__field(u16, server_port)
		__array(u8, client, 16)
		__array(u8, server, 16)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->codec = s->request.codec;
		__entry->late = s->late;
		__entry->client_port = ntohs(s->key.client.port);
		__entry->server_port = ntohs(s->request.server.port);
		mcp_trace_addr(__entry->client, &s->key.client);
		mcp_trace_addr(__entry->server, &s->request.server);
	),
	TP_printk("id=%u client=[%pI6c]:%u server=[%pI6c]:%u codec=%s late=%d",
		  __entry->id, __entry->client, __entry->client_port,
		  __entry->server, __entry->server_port,
		  __print_symbolic(__entry->codec,
				   { MCP_CODEC_MP_CONVERT, "mp_convert" },
				   { MCP_CODEC_CONVERT, "convert" }),
		  __entry->late)
);

TRACE_EVENT(mcp_dial,
	TP_PROTO(const struct mcp_session *s, int outcome),
	TP_ARGS(s, outcome),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u8, outcome)
		__field(unsigned int, ms)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->outcome = outcome;
		__entry->ms = jiffies_to_msecs(jiffies - s->born);
	),
	TP_printk("id=%u outcome=%s after=%ums", __entry->id,
		  __print_symbolic(__entry->outcome,
				   { MCP_OUTCOME_ACCEPTED, "accepted" },
				   { MCP_OUTCOME_REFUSED, "refused" },
				   { MCP_OUTCOME_UNREACHABLE, "unreachable" },
				   { MCP_OUTCOME_NO_ROUTE, "no-route" },
				   { MCP_OUTCOME_TIMED_OUT, "timed-out" },
				   { MCP_OUTCOME_NO_RESOURCES, "no-resources" }),
		  __entry->ms)
);

TRACE_EVENT(mcp_bind,
	TP_PROTO(const struct mcp_session *s),
	TP_ARGS(s),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u32, early_data)
		__field(unsigned int, ms)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->early_data = s->relay->flow[MCP_UP].len;
		__entry->ms = jiffies_to_msecs(jiffies - s->born);
	),
	TP_printk("id=%u early_data=%u after=%ums", __entry->id,
		  __entry->early_data, __entry->ms)
);

TRACE_EVENT(mcp_end,
	TP_PROTO(const struct mcp_session *s, int why),
	TP_ARGS(s, why),
	TP_STRUCT__entry(
		__field(u32, id)
		__field(u8, why)
		__field(u8, state)
		__field(u64, up)
		__field(u64, down)
	),
	TP_fast_assign(
		__entry->id = s->id;
		__entry->why = why;
		__entry->state = s->state;
		__entry->up = mcp_relay_octets(s, MCP_UP);
		__entry->down = mcp_relay_octets(s, MCP_DOWN);
	),
	TP_printk("id=%u why=%u state=%u up=%llu down=%llu", __entry->id,
		  __entry->why, __entry->state, __entry->up, __entry->down)
);

#endif /* MCP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
