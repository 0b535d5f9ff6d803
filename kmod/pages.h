/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages that octets are read into, used over and over.
 */
#ifndef MCP_PAGES_H
#define MCP_PAGES_H

#include <linux/types.h>

struct page_frag;

struct page_frag *mcp_pages_refill(u32 least);
int mcp_pages_init(void);
void mcp_pages_exit(void);

#endif /* MCP_PAGES_H */
