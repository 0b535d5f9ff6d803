// SPDX-License-Identifier: GPL-2.0
#include "suites.h"

kunit_test_suites(&mcp_convert_suite,
		  &mcp_tcpopt_suite,
		  &mcp_behave_suite,
		  &mcp_cookie_suite,
		  &mcp_policy_suite, &mcp_pool_suite, &mcp_block_suite,
		  &mcp_plain_server_suite,
		  &mcp_session_suite, &mcp_pages_suite, &mcp_batch_suite,
		  &mcp_peer_suite, &mcp_intercept_suite);
