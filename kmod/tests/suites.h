/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The KUnit suites of the module. Each stands in the file that is named after
 * what it tests; suites.c hands them to KUnit, which runs them when the module
 * is loaded.
 */
#ifndef MCP_TESTS_SUITES_H
#define MCP_TESTS_SUITES_H

#include <kunit/test.h>

extern struct kunit_suite mcp_convert_suite;
extern struct kunit_suite mcp_tcpopt_suite;
extern struct kunit_suite mcp_behave_suite;
extern struct kunit_suite mcp_cookie_suite;
extern struct kunit_suite mcp_policy_suite;
extern struct kunit_suite mcp_pool_suite;
extern struct kunit_suite mcp_plain_server_suite;
extern struct kunit_suite mcp_block_suite;
extern struct kunit_suite mcp_session_suite;
extern struct kunit_suite mcp_pages_suite;
extern struct kunit_suite mcp_batch_suite;
extern struct kunit_suite mcp_peer_suite;
extern struct kunit_suite mcp_intercept_suite;

#endif /* MCP_TESTS_SUITES_H */
