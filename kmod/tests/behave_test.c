// SPDX-License-Identifier: GPL-2.0
/*
 * The state machine in the kernel: whole lives of sessions, and what must hold
 * for every state and event. The whole table is checked against the RFCs' prose
 * in user space.
 */
#include "suites.h"
#include "vectors.h"

static void walk_desc(const struct mcp_walk_vector *vector, char *desc)
{
	strscpy(desc, vector->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(walk, mcp_walk_vectors, walk_desc);

static void behave_walk(struct kunit *test)
{
	const struct mcp_walk_vector *walk = test->param_value;
	enum mcp_state state = MCP_STATE_CLOSED;
	int i;

	for (i = 0; i < walk->count; i++) {
		const struct mcp_walk_step *step = &walk->steps[i];
		struct mcp_transition next;

		next = mcp_behave(state, step->event, walk->outbound_refresh_only);
		KUNIT_EXPECT_EQ_MSG(test, next.state, step->state, "step %d", i);
		KUNIT_EXPECT_EQ_MSG(test, next.timer, step->timer, "step %d", i);
		KUNIT_EXPECT_EQ_MSG(test, next.action, step->action, "step %d", i);
		state = next.state;
	}
}

/* A session ends by DELETE or UNREACHABLE, on expiry, with its timer stopped. */
static void behave_ends_on_expiry_alone(struct kunit *test)
{
	int state, event;

	for (state = MCP_STATE_CLOSED + 1; state < __MCP_STATE_COUNT; state++) {
		for (event = 0; event < __MCP_EV_COUNT; event++) {
			struct mcp_transition next = mcp_behave(state, event, false);
			bool ends = next.action == MCP_ACTION_DELETE ||
				    next.action == MCP_ACTION_UNREACHABLE;

			KUNIT_EXPECT_EQ(test, ends,
					next.state == MCP_STATE_CLOSED);
			KUNIT_EXPECT_EQ(test, ends, next.timer == MCP_TIMER_STOP);
			if (ends)
				KUNIT_EXPECT_EQ(test, event, (int)MCP_EV_EXPIRY);
		}
	}
}

static void behave_inbound_prolongs_nothing(struct kunit *test)
{
	int state, event;

	for (state = MCP_STATE_EXTERNAL_INIT; state < __MCP_STATE_COUNT; state++) {
		for (event = MCP_EV_EXTERNAL_SYN; event <= MCP_EV_EXTERNAL_OTHER;
		     event++) {
			struct mcp_transition next = mcp_behave(state, event, true);

			KUNIT_EXPECT_NE(test, (int)next.timer,
					(int)MCP_TIMER_ESTABLISHED);
			if (next.state == state)
				KUNIT_EXPECT_EQ(test, (int)next.timer,
						(int)MCP_TIMER_KEEP);
		}
	}
}

static struct kunit_case behave_cases[] = {
	KUNIT_CASE_PARAM(behave_walk, walk_gen_params),
	KUNIT_CASE(behave_ends_on_expiry_alone),
	KUNIT_CASE(behave_inbound_prolongs_nothing),
	{}
};

struct kunit_suite mcp_behave_suite = {
	.name = "mcp_behave",
	.test_cases = behave_cases,
};
