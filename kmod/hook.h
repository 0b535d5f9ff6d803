/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where packets come in: recognise one, and hand it to the right verb.
 */
#ifndef MCP_HOOK_H
#define MCP_HOOK_H

struct mcp_net;

int mcp_hook_register(struct mcp_net *mnet);
void mcp_hook_unregister(struct mcp_net *mnet);

#endif /* MCP_HOOK_H */
