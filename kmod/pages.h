/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pages that octets are read into, used over and over.
 */
#ifndef MCP_PAGES_H
#define MCP_PAGES_H

#include <linux/types.h>

/*
 * As much as one segment may carry, but where a struct page_frag does not count that
 * far.
 */
#define MCP_PAGE_OCTETS	(BITS_PER_LONG > 32 ? 65536 : 32768)

struct page_frag;

struct page_frag *mcp_pages_refill(u32 least);
int mcp_pages_init(void);
void mcp_pages_exit(void);

#endif /* MCP_PAGES_H */
