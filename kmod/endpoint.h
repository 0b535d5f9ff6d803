/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An address and a port, of either family, comparable octet by octet.
 */
#ifndef MCP_ENDPOINT_H
#define MCP_ENDPOINT_H

#include "pure.h"

union mcp_addr {
	__be32 ip;
	__be32 ip6[4];
	__u8 octets[16];
};

/**
 * struct mcp_endpoint - one end of a connection
 * @addr:	the address; octets that @family does not use are zero
 * @port:	the port
 * @family:	AF_INET, AF_INET6, or 0 for none
 *
 * There is no padding and every octet is defined, so that endpoints can be
 * compared and hashed as memory. An IPv4-mapped IPv6 address never appears:
 * who parses one stores the IPv4 address.
 */
struct mcp_endpoint {
	union mcp_addr addr;
	__be16 port;
	__u16 family;
};

static inline bool mcp_endpoint_equal(const struct mcp_endpoint *a,
				      const struct mcp_endpoint *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Length of an address of @family in octets. */
static inline unsigned int mcp_addr_len(__u16 family)
{
	return family == AF_INET6 ? 16 : 4;
}

bool mcp_endpoint_forbidden(const struct mcp_endpoint *ep);
bool mcp_prefix_has(const struct mcp_endpoint *prefix, __u8 prefixlen,
		    const struct mcp_endpoint *ep);

#endif /* MCP_ENDPOINT_H */
