/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a half-open connection of packets to an established one of a socket.
 */
#ifndef MCP_ADOPT_H
#define MCP_ADOPT_H

struct mcp_session;
struct socket;

int mcp_adopt(struct mcp_session *s, struct socket **res);

#endif /* MCP_ADOPT_H */
