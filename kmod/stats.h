/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters: one name for each thing that happens to a packet or a session, and
 * one for every reason to refuse it. Per CPU, per namespace, never reset.
 */
#ifndef MCP_STATS_H
#define MCP_STATS_H

#include <linux/percpu.h>
#include <linux/types.h>

#define MCP_STAT(id, name) MCP_STAT_##id,
enum mcp_stat {
#include "stats_list.h"
	__MCP_STAT_COUNT,
};

#undef MCP_STAT

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
