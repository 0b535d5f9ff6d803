// SPDX-License-Identifier: GPL-2.0
#include <linux/cpumask.h>

#include "stats.h"

#define MCP_STAT(id, name) name,
static const char * const mcp_stat_names[] = {
#include "stats_list.h"
};

#undef MCP_STAT

/**
 * mcp_stat_name() - the name a counter has for the user
 * @id: the counter
 *
 * Context: any.
 */
const char *mcp_stat_name(enum mcp_stat id)
{
	return mcp_stat_names[id];
}

/**
 * mcp_stat_sum() - a counter's value, all CPUs together
 * @stats: the namespace's counters
 * @id: the counter
 *
 * Context: any. The CPUs are not stopped: the sum is of no single instant.
 */
u64 mcp_stat_sum(const struct mcp_stats __percpu *stats, enum mcp_stat id)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(stats, cpu)->v[id]);
	return sum;
}
