// SPDX-License-Identifier: GPL-2.0
/*
 * What can be said of an address: may a request name it, is it of a prefix.
 */
#include "endpoint.h"

/**
 * mcp_endpoint_forbidden - is this an address that must not be converted?
 * @ep:	where a request wants to go, or whom it says it comes from
 *
 * Multicast, broadcast and loopback addresses are forbidden by RFC 8803
 * section 6.2.5 and plain mode section 5.2; the unspecified address and the
 * rest of 0.0.0.0/8 name nobody but "this host" (RFC 1122 section 3.2.1.3) and
 * 240.0.0.0/4 nobody at all. Link-local addresses of both families are
 * forbidden as well: they mean something only on a link that a request cannot
 * name, and passing them on is what a router must not do (RFC 3927 section 2.7,
 * RFC 4291 section 2.5.6). Broadcast addresses of subnets are known to routing
 * alone.
 *
 * A Convert request with such an address is answered with
 * MCP_ERR_MALFORMED, an MP_CONVERT one with silence.
 *
 * Context: any.
 * Return: true for such an address, and for a family that is none.
 */
bool mcp_endpoint_forbidden(const struct mcp_endpoint *ep)
{
	static const __u8 zeros[15] = {};
	const __u8 *a = ep->addr.octets;

	switch (ep->family) {
	case AF_INET:
		return a[0] == 0 || a[0] == 127 || a[0] >= 224 ||
		       (a[0] == 169 && a[1] == 254);
	case AF_INET6:
		return a[0] == 0xff ||
		       (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
		       (!memcmp(a, zeros, sizeof(zeros)) && a[15] <= 1);
	default:
		return true;
	}
}

/**
 * mcp_prefix_has - is an address of a prefix?
 * @prefix:	the prefix, host bits zero
 * @prefixlen:	its length in bits, valid for the family
 * @ep:		the address; its port does not matter
 *
 * Context: any.
 */
bool mcp_prefix_has(const struct mcp_endpoint *prefix, __u8 prefixlen,
		    const struct mcp_endpoint *ep)
{
	const __u8 *a = prefix->addr.octets, *b = ep->addr.octets;
	unsigned int whole = prefixlen / 8, rest = prefixlen % 8;

	if (prefix->family != ep->family || memcmp(a, b, whole))
		return false;
	return !rest || !((a[whole] ^ b[whole]) >> (8 - rest));
}
