/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test vectors for the pure files, written by hand from the texts. KUnit in the
 * kernel and Catch2 in user space go through the same ones.
 */
#ifndef MCP_TESTS_VECTORS_H
#define MCP_TESTS_VECTORS_H

#include <linux/mptcpproxy.h>

#include "../behave.h"
#include "../convert.h"
#include "../tcpopt.h"

/* ------------------------------------------------------------ endpoints */

/* @addr: 4 or 16 octets, as @family says. */
struct mcp_endpoint_vector {
	__u16 family;
	const char *addr;
	__u16 port;
};

#define V4(_addr, _port) { AF_INET, _addr, _port }
#define V6(_addr, _port) { AF_INET6, _addr, _port }
#define NOBODY { 0, "", 0 }

#define ZEROS	"\0\0\0\0"
#define SERVER4	"\xc0\x00\x02\x01"	/* 192.0.2.1 */
#define CLIENT4	"\xc6\x33\x64\x07"	/* 198.51.100.7 */
#define SERVER6	"\x20\x01\x0d\xb8" ZEROS ZEROS "\0\0\0\x01"
#define CLIENT6	"\x20\x01\x0d\xb8" ZEROS ZEROS "\0\0\0\x02"
#define MAPPED	ZEROS ZEROS "\0\0\xff\xff"

static inline struct mcp_endpoint
mcp_vector_endpoint(const struct mcp_endpoint_vector *v)
{
	struct mcp_endpoint ep;

	memset(&ep, 0, sizeof(ep));
	ep.family = v->family;
	ep.port = htons(v->port);
	if (v->family)
		memcpy(ep.addr.octets, v->addr, mcp_addr_len(v->family));
	return ep;
}

struct mcp_forbidden_vector {
	const char *name;
	struct mcp_endpoint_vector ep;
	bool forbidden;
};

static const struct mcp_forbidden_vector __maybe_unused mcp_forbidden_vectors[] = {
	{ "no family", NOBODY, true },
	{ "0.0.0.0", V4(ZEROS, 80), true },
	{ "0.1.2.3", V4("\0\x01\x02\x03", 80), true },
	{ "1.0.0.0", V4("\x01\0\0\0", 80), false },
	{ "10.0.0.1", V4("\x0a\0\0\x01", 80), false },
	{ "126.255.255.255", V4("\x7e\xff\xff\xff", 80), false },
	{ "127.0.0.1", V4("\x7f\0\0\x01", 80), true },
	{ "127.255.255.255", V4("\x7f\xff\xff\xff", 80), true },
	{ "128.0.0.0", V4("\x80\0\0\0", 80), false },
	{ "169.253.255.255", V4("\xa9\xfd\xff\xff", 80), false },
	{ "169.254.169.254", V4("\xa9\xfe\xa9\xfe", 80), true },
	{ "169.255.0.0", V4("\xa9\xff\0\0", 80), false },
	{ "192.0.2.1", V4(SERVER4, 80), false },
	{ "223.255.255.255", V4("\xdf\xff\xff\xff", 80), false },
	{ "224.0.0.1", V4("\xe0\0\0\x01", 80), true },
	{ "239.255.255.255", V4("\xef\xff\xff\xff", 80), true },
	{ "240.0.0.1", V4("\xf0\0\0\x01", 80), true },
	{ "255.255.255.255", V4("\xff\xff\xff\xff", 80), true },
	{ "::", V6(ZEROS ZEROS ZEROS ZEROS, 80), true },
	{ "::1", V6(ZEROS ZEROS ZEROS "\0\0\0\x01", 80), true },
	{ "::2", V6(ZEROS ZEROS ZEROS "\0\0\0\x02", 80), false },
	{ "1::1", V6("\0\x01\0\0" ZEROS ZEROS "\0\0\0\x01", 80), false },
	{ "2001:db8::1", V6(SERVER6, 80), false },
	{ "fd00::1", V6("\xfd\0\0\0" ZEROS ZEROS "\0\0\0\x01", 80), false },
	{ "fe7f::1", V6("\xfe\x7f\0\0" ZEROS ZEROS "\0\0\0\x01", 80), false },
	{ "fe80::1", V6("\xfe\x80\0\0" ZEROS ZEROS "\0\0\0\x01", 80), true },
	{ "febf::1", V6("\xfe\xbf\0\0" ZEROS ZEROS "\0\0\0\x01", 80), true },
	{ "fec0::1", V6("\xfe\xc0\0\0" ZEROS ZEROS "\0\0\0\x01", 80), false },
	{ "ff02::1", V6("\xff\x02\0\0" ZEROS ZEROS "\0\0\0\x01", 80), true },
};

/* ------------------------------------------------------------- requests */

#define MCP_VECTOR_SYN_PORT	5124

/**
 * struct mcp_request_vector - octets, and what they mean to an MCP
 * @name:	says what is special
 * @octets:	payload of a SYN to MCP_VECTOR_SYN_PORT
 * @octets_len:	its length
 * @verdict:	enum mcp_decode
 * @n:		OK: length of the request; MORE: mcp_request.need; ERROR:
 *		mcp_request.error
 * @server:	OK: whom to dial
 * @origin:	OK: whom for
 * @wanted:	OK: mcp_request.wanted
 * @info:	OK: mcp_request.info
 * @cookie_len:	OK: mcp_request.cookie_len, -1 for none
 */
struct mcp_request_vector {
	const char *name;
	const __u8 *octets;
	size_t octets_len;
	int verdict;
	__u16 n;
	struct mcp_endpoint_vector server;
	struct mcp_endpoint_vector origin;
	__u8 wanted;
	bool info;
	int cookie_len;
};

#define OCTETS(_o) ((const __u8 *)(_o))
#define REQUEST_OK(_name, _octets, _n, ...) \
	{ _name, OCTETS(_octets), sizeof(_octets) - 1, MCP_DECODE_OK, _n, __VA_ARGS__ }
#define REQUEST_MORE(_name, _octets, _n) \
	{ _name, OCTETS(_octets), sizeof(_octets) - 1, MCP_DECODE_MORE, _n, \
	  NOBODY, NOBODY, 0, false, -1 }
#define REQUEST_NONE(_name, _octets) \
	{ _name, OCTETS(_octets), sizeof(_octets) - 1, MCP_DECODE_NONE, 0, \
	  NOBODY, NOBODY, 0, false, -1 }
#define REQUEST_RESET(_name, _octets) \
	{ _name, OCTETS(_octets), sizeof(_octets) - 1, MCP_DECODE_RESET, 0, \
	  NOBODY, NOBODY, 0, false, -1 }
#define REQUEST_ERROR(_name, _octets, _error) \
	{ _name, OCTETS(_octets), sizeof(_octets) - 1, MCP_DECODE_ERROR, \
	  MCP_ERR_##_error, NOBODY, NOBODY, 0, false, -1 }

/* MP_CONVERT: magic, type 0, length, 14 reserved bits with D and M. */
#define MC(_length, _flags) "\xfa\xa8\xfa\xa8\x00" _length "\x00" _flags
#define NEITHER	"\x00"
#define M_BIT	"\x01"
#define D_BIT	"\x02"
#define D_AND_M	"\x03"

/* Convert: version 1, Total Length, magic; then TLVs, their length last. */
#define CV(_total) "\x01" _total "\x22\x63"
#define INFO_TLV "\x01\x01\x00\x00"
#define CONNECT4 "\x0a\x05\x00\x50" MAPPED SERVER4
#define CONNECT6 "\x0a\x05\x01\xbb" SERVER6
#define CONNECT4_WITH(_length) "\x0a" _length "\x00\x50" MAPPED SERVER4
#define COOKIE8 "\x16\x03\x00\x00\x63\x6f\x6f\x6b\x69\x65\x21\x21"

static const struct mcp_request_vector __maybe_unused mcp_request_vectors[] = {
	/* Which format, if any. */
	REQUEST_MORE("nothing yet", "", 4),
	REQUEST_NONE("TLS", "\x16\x03\x01\x02\x00\x01"),
	REQUEST_NONE("HTTP", "GET / HTTP/1.1\r\n\r\n"),
	REQUEST_NONE("HTTP, three octets", "GET"),
	REQUEST_MORE("two octets of anything", "GE", 4),
	REQUEST_NONE("SOCKS5", "\x05\x01\x00\x05"),
	REQUEST_NONE("MP_CONVERT magic but for its last octet", "\xfa\xa8\xfa\xa9"),
	REQUEST_NONE("Convert magic but for its last octet", "\x01\x06\x22\x62"),

	/* MP_CONVERT: forms of one element. */
	REQUEST_OK("IPv4", MC("\x08", M_BIT) SERVER4, 12,
		   V4(SERVER4, MCP_VECTOR_SYN_PORT), NOBODY, 0, false, -1),
	REQUEST_OK("IPv4 and port", MC("\x0a", M_BIT) SERVER4 "\x00\x50\x00\x00",
		   16, V4(SERVER4, 80), NOBODY, 0, false, -1),
	REQUEST_OK("IPv6", MC("\x14", M_BIT) SERVER6, 24,
		   V6(SERVER6, MCP_VECTOR_SYN_PORT), NOBODY, 0, false, -1),
	REQUEST_OK("IPv6 and port", MC("\x16", M_BIT) SERVER6 "\x01\xbb\x00\x00",
		   28, V6(SERVER6, 443), NOBODY, 0, false, -1),
	REQUEST_OK("IPv4-mapped", MC("\x16", M_BIT) MAPPED SERVER4
		   "\x01\xbb\x00\x00", 28, V4(SERVER4, 443), NOBODY, 0, false, -1),
	REQUEST_OK("reserved bits set", "\xfa\xa8\xfa\xa8\x00\x08\xff\xfd" SERVER4,
		   12, V4(SERVER4, MCP_VECTOR_SYN_PORT), NOBODY, 0, false, -1),
	REQUEST_OK("padding not zero", MC("\x0a", M_BIT) SERVER4
		   "\x00\x50\xff\xff", 16, V4(SERVER4, 80), NOBODY, 0, false, -1),
	REQUEST_OK("early data behind", MC("\x0a", M_BIT) SERVER4
		   "\x00\x50\x00\x00GET / HTTP/1.1\r\n", 16,
		   V4(SERVER4, 80), NOBODY, 0, false, -1),
	REQUEST_OK("early data that looks like an element",
		   MC("\x08", M_BIT) SERVER4 MC("\x08", M_BIT) SERVER4, 12,
		   V4(SERVER4, MCP_VECTOR_SYN_PORT), NOBODY, 0, false, -1),

	/* MP_CONVERT: two elements. */
	REQUEST_OK("server, origin", MC("\x0a", NEITHER) SERVER4
		   "\x00\x50\x00\x00" MC("\x0a", D_AND_M) CLIENT4
		   "\x9c\x40\x00\x00", 32, V4(SERVER4, 80), V4(CLIENT4, 40000),
		   0, false, -1),
	REQUEST_OK("origin, server", MC("\x14", D_BIT) CLIENT6
		   MC("\x16", M_BIT) SERVER6 "\x01\xbb\x00\x00", 52,
		   V6(SERVER6, 443), V6(CLIENT6, 0), 0, false, -1),
	REQUEST_OK("two of the longest", MC("\x16", NEITHER) SERVER6
		   "\x01\xbb\x00\x00" MC("\x16", D_AND_M) CLIENT6
		   "\x9c\x40\x00\x00", 56, V6(SERVER6, 443), V6(CLIENT6, 40000),
		   0, false, -1),
	REQUEST_OK("families differ", MC("\x08", NEITHER) SERVER4
		   MC("\x14", D_AND_M) CLIENT6, 36,
		   V4(SERVER4, MCP_VECTOR_SYN_PORT), V6(CLIENT6, 0), 0, false, -1),
	REQUEST_OK("origin with port 0", MC("\x08", NEITHER) SERVER4
		   MC("\x0a", D_AND_M) CLIENT4 ZEROS, 28,
		   V4(SERVER4, MCP_VECTOR_SYN_PORT), V4(CLIENT4, 0), 0, false, -1),

	/* MP_CONVERT: incomplete. */
	REQUEST_MORE("one octet of the magic", "\xfa", 4),
	REQUEST_MORE("three octets of the magic", "\xfa\xa8\xfa", 4),
	REQUEST_MORE("the magic alone", "\xfa\xa8\xfa\xa8", 8),
	REQUEST_MORE("no address", MC("\x16", M_BIT), 28),
	REQUEST_MORE("half a port", MC("\x0a", M_BIT) SERVER4 "\x00", 16),
	REQUEST_MORE("padding missing", MC("\x0a", M_BIT) SERVER4 "\x00\x50", 16),
	REQUEST_MORE("second element missing", MC("\x08", NEITHER) SERVER4, 16),
	REQUEST_MORE("second element's head missing",
		     MC("\x08", NEITHER) SERVER4 "\xfa\xa8\xfa\xa8", 20),
	REQUEST_MORE("second element's address missing",
		     MC("\x08", NEITHER) SERVER4 MC("\x16", D_AND_M), 40),

	/* MP_CONVERT: malformed. */
	REQUEST_RESET("origin alone", MC("\x0a", D_AND_M) CLIENT4 "\x9c\x40\0\0"),
	REQUEST_RESET("two servers", MC("\x08", NEITHER) SERVER4
		      MC("\x08", M_BIT) SERVER4),
	REQUEST_RESET("two origins", MC("\x08", D_BIT) CLIENT4
		      MC("\x08", D_AND_M) CLIENT4),
	REQUEST_RESET("three elements", MC("\x08", NEITHER) SERVER4
		      MC("\x08", D_BIT) CLIENT4 MC("\x08", M_BIT) SERVER4),
	REQUEST_RESET("data where the second element belongs",
		      MC("\x08", NEITHER) SERVER4 "GET / HTTP/1.1\r\n"),
	REQUEST_RESET("data after the second element's first octet",
		      MC("\x08", NEITHER) SERVER4 "\xfaG"),
	REQUEST_RESET("type 1", "\xfa\xa8\xfa\xa8\x01\x08\x00\x01" SERVER4),
	REQUEST_RESET("type 1, no address yet", "\xfa\xa8\xfa\xa8\x01\x08\x00\x01"),
	REQUEST_RESET("length 0", MC("\x00", M_BIT) SERVER4),
	REQUEST_RESET("length 4", MC("\x04", M_BIT) SERVER4),
	REQUEST_RESET("length 12, magic counted", MC("\x0c", M_BIT) SERVER4),
	REQUEST_RESET("length 255", MC("\xff", M_BIT) SERVER4),
	REQUEST_RESET("destination port 0", MC("\x0a", M_BIT) SERVER4 ZEROS),

	/* Convert: what a message may consist of. */
	REQUEST_OK("Connect, IPv4", CV("\x06") CONNECT4, 24, V4(SERVER4, 80),
		   NOBODY, 0, false, -1),
	REQUEST_OK("Connect, IPv6", CV("\x06") CONNECT6, 24, V6(SERVER6, 443),
		   NOBODY, 0, false, -1),
	REQUEST_OK("Connect, early data behind", CV("\x06") CONNECT6 "hello", 24,
		   V6(SERVER6, 443), NOBODY, 0, false, -1),
	REQUEST_OK("Info", CV("\x02") INFO_TLV, 8, NOBODY, NOBODY, 0, true, -1),
	REQUEST_OK("Info, not zero", CV("\x02") "\x01\x01\xff\xff", 8, NOBODY,
		   NOBODY, 0, true, -1),
	REQUEST_OK("Info and Cookie", CV("\x05") INFO_TLV COOKIE8, 20, NOBODY, NOBODY,
		   0, true, 8),
	REQUEST_OK("Info, Connect and Cookie", CV("\x0a") INFO_TLV CONNECT4 COOKIE8,
		   40, V4(SERVER4, 80), NOBODY, 0, true, 8),
	REQUEST_OK("Cookie, Connect and Info", CV("\x0a") COOKIE8 CONNECT4 INFO_TLV,
		   40, V4(SERVER4, 80), NOBODY, 0, true, 8),
	REQUEST_OK("an empty cookie", CV("\x07") CONNECT4 "\x16\x01\x00\x00", 28,
		   V4(SERVER4, 80), NOBODY, 0, false, 0),

	/* Convert: options in Connect. */
	REQUEST_OK("padding for options", CV("\x07") CONNECT4_WITH("\x06")
		   ZEROS, 28, V4(SERVER4, 80), NOBODY, 0, false, -1),
	REQUEST_OK("options that are ignored", CV("\x0a") CONNECT4_WITH("\x09")
		   "\x00\x01\x01\x01\x02\x04\x05\xb4\x03\x03\x07\x00"
		   "\x05\x02\x00\x00", 40, V4(SERVER4, 80), NOBODY, 0, false, -1),
	REQUEST_OK("options that are honoured", CV("\x09") CONNECT4_WITH("\x08")
		   "\x04\x02\x08\x02\x1e\x02\x22\x02" ZEROS, 36,
		   V4(SERVER4, 80), NOBODY,
		   MCP_WANTED_SACK_PERM | MCP_WANTED_TIMESTAMP |
		   MCP_WANTED_MPTCP | MCP_WANTED_TFO, false, -1),
	REQUEST_OK("a Fast Open cookie", CV("\x0a") CONNECT4_WITH("\x09")
		   "\x22\x0a\x01\x02\x03\x04\x05\x06\x07\x08\0\0" ZEROS,
		   40, V4(SERVER4, 80), NOBODY, MCP_WANTED_TFO, false, -1),
	REQUEST_ERROR("TCP-AO", CV("\x07") CONNECT4_WITH("\x06")
		      "\x1d\x04\x01\x01", UNSUPPORTED_OPTION),
	REQUEST_ERROR("SACK permitted with content", CV("\x07")
		      CONNECT4_WITH("\x06") "\x04\x04\x00\x00", UNSUPPORTED_OPTION),
	REQUEST_ERROR("Timestamps with content", CV("\x09") CONNECT4_WITH("\x08")
		      "\x08\x0a\0\0" ZEROS ZEROS, UNSUPPORTED_OPTION),
	REQUEST_ERROR("MPTCP with content", CV("\x07") CONNECT4_WITH("\x06")
		      "\x1e\x04\x01\x81", UNSUPPORTED_OPTION),
	REQUEST_ERROR("a Fast Open cookie that is too long", CV("\x0b")
		      CONNECT4_WITH("\x0a") "\x22\x13\0\0" ZEROS ZEROS
		      ZEROS ZEROS, UNSUPPORTED_OPTION),
	REQUEST_ERROR("an unknown option among good ones", CV("\x08")
		      CONNECT4_WITH("\x07") "\x1e\x02\xfd\x04\0\0\x04\x02",
		      UNSUPPORTED_OPTION),
	REQUEST_ERROR("an option without length", CV("\x07")
		      CONNECT4_WITH("\x06") "\x01\x01\x01\x1e", MALFORMED),
	REQUEST_ERROR("an option of length 0", CV("\x07") CONNECT4_WITH("\x06")
		      "\x1e\x00\x00\x00", MALFORMED),
	REQUEST_ERROR("an option of length 1", CV("\x07") CONNECT4_WITH("\x06")
		      "\x1e\x01\x00\x00", MALFORMED),
	REQUEST_ERROR("an option that runs out of the TLV", CV("\x0a")
		      CONNECT4_WITH("\x06") "\x22\x05\x00\x00" COOKIE8, MALFORMED),
	REQUEST_ERROR("an ignored option that runs out of the TLV", CV("\x07")
		      CONNECT4_WITH("\x06") "\x02\x08\x05\xb4", MALFORMED),
	REQUEST_ERROR("an option twice", CV("\x07") CONNECT4_WITH("\x06")
		      "\x22\x02\x22\x02", MALFORMED),
	REQUEST_ERROR("a bad option, then a bad list", CV("\x07")
		      CONNECT4_WITH("\x06") "\xfd\x02\x1e\x00", MALFORMED),

	/* Convert: incomplete. */
	REQUEST_MORE("first octet of the header", "\x01", 4),
	REQUEST_MORE("three octets of the header", "\x01\x06\x22", 4),
	REQUEST_MORE("the header alone", CV("\x06"), 24),
	REQUEST_MORE("the longest message's header", CV("\xff"), 1020),
	REQUEST_MORE("one octet short", CV("\x07") CONNECT4 "\x16\x01\x00", 28),

	/* Convert: refused. */
	REQUEST_RESET("Total Length 0", CV("\x00") CONNECT4),
	REQUEST_ERROR("version 0", "\x00\x06\x22\x63" CONNECT4, UNSUPPORTED_VERSION),
	REQUEST_ERROR("version 2", "\x02\x06\x22\x63", UNSUPPORTED_VERSION),
	REQUEST_ERROR("version 2, Total Length 0", "\x02\x00\x22\x63",
		      UNSUPPORTED_VERSION),
	REQUEST_ERROR("no TLV", CV("\x01"), MALFORMED),
	REQUEST_ERROR("Cookie alone", CV("\x04") COOKIE8, MALFORMED),
	REQUEST_ERROR("TLV length 0", CV("\x02") "\x01\x00\x00\x00", MALFORMED),
	REQUEST_ERROR("TLV over the end", CV("\x05") CONNECT4, MALFORMED),
	REQUEST_ERROR("Connect of 16 octets", CV("\x05") "\x0a\x04\x00\x50"
		      ZEROS ZEROS "\0\0\xff\xff", MALFORMED),
	REQUEST_ERROR("Connect of 4 octets", CV("\x02") "\x0a\x01\x00\x50",
		      MALFORMED),
	REQUEST_ERROR("Connect to port 0", CV("\x06") "\x0a\x05\0\0" SERVER6,
		      MALFORMED),
	REQUEST_ERROR("Info of 8 octets", CV("\x03") "\x01\x02\0\0" ZEROS,
		      MALFORMED),
	REQUEST_ERROR("Connect twice", CV("\x0b") CONNECT4 CONNECT6, MALFORMED),
	REQUEST_ERROR("Info twice", CV("\x03") INFO_TLV INFO_TLV, MALFORMED),
	REQUEST_ERROR("Cookie twice", CV("\x0c") COOKIE8 COOKIE8 CONNECT4,
		      MALFORMED),
	REQUEST_ERROR("TLV type 0", CV("\x07") CONNECT4 "\x00\x01\x00\x00",
		      UNSUPPORTED_MESSAGE),
	REQUEST_ERROR("a word of zeros behind", CV("\x07") CONNECT4 ZEROS,
		      UNSUPPORTED_MESSAGE),
	REQUEST_ERROR("an unknown TLV", CV("\x07") "\x02\x01\x00\x00" CONNECT4,
		      UNSUPPORTED_MESSAGE),
	REQUEST_ERROR("Extended TCP Header from a client", CV("\x07") CONNECT4
		      "\x14\x01\x00\x00", UNSUPPORTED_MESSAGE),
	REQUEST_ERROR("Supported TCP Extensions from a client", CV("\x08") CONNECT4
		      "\x15\x02\x00\x00\x1e\0\0\0", UNSUPPORTED_MESSAGE),
	REQUEST_ERROR("Error from a client", CV("\x02") "\x1e\x01\x60\x00",
		      UNSUPPORTED_MESSAGE),
};

/* ---------------------------------------------------------- TCP options */

/**
 * struct mcp_tcpopt_vector - TCP options, and what they say
 * @name:	says what is special
 * @octets:	the options
 * @octets_len:	their length
 * @opt:	what is expected; octets of key and token in network order
 * @key:	8 octets if opt.has_key
 * @token:	4 octets if not NULL
 */
struct mcp_tcpopt_vector {
	const char *name;
	const __u8 *octets;
	size_t octets_len;
	struct mcp_tcpopt opt;
	const char *key;
	const char *token;
};

#define TCPOPT(_name, _octets, _key, _token, ...) \
	{ _name, OCTETS(_octets), sizeof(_octets) - 1, { __VA_ARGS__ }, _key, _token }
#define KEY "\x01\x02\x03\x04\x05\x06\x07\x08"
#define TOKEN "\xca\xfe\xba\xbe"

static const struct mcp_tcpopt_vector __maybe_unused mcp_tcpopt_vectors[] = {
	TCPOPT("none", "", NULL, NULL, .mss = 0),
	TCPOPT("a Linux SYN", "\x02\x04\x05\xb4\x04\x02\x08\x0a\x11\x22\x33\x44"
	       ZEROS "\x01\x03\x03\x07\x1e\x04\x01\x81", NULL, NULL,
	       .mss = 1460, .wscale = 7, .mp_flags = 0x81, .has_wscale = true,
	       .sack_perm = true, .has_ts = true, .mp_capable = true,
	       .tsval = 0x11223344),
	TCPOPT("a Linux SYN/ACK", "\x02\x04\x05\xa0\x04\x02\x08\x0a"
	       "\x11\x22\x33\x44\x55\x66\x77\x88\x01\x03\x03\x08"
	       "\x1e\x0c\x01\x21" KEY, KEY, NULL,
	       .mss = 1440, .wscale = 8, .mp_flags = 0x21, .has_wscale = true,
	       .sack_perm = true, .has_ts = true, .mp_capable = true,
	       .has_key = true, .tsval = 0x11223344, .tsecr = 0x55667788),
	TCPOPT("MP_JOIN SYN", "\x1e\x0c\x10\x02" TOKEN "\x01\x02\x03\x04", NULL,
	       TOKEN, .mp_join = true, .join_syn = true),
	TCPOPT("MP_JOIN SYN behind MP_CAPABLE", "\x1e\x04\x01\x81"
	       "\x1e\x0c\x10\x02" TOKEN "\x01\x02\x03\x04", NULL, TOKEN,
	       .mp_flags = 0x81, .mp_capable = true, .mp_join = true),
	TCPOPT("MP_JOIN SYN behind an empty MPTCP option", "\x1e\x02"
	       "\x1e\x0c\x10\x02" TOKEN "\x01\x02\x03\x04", NULL, TOKEN,
	       .mp_join = true),
	TCPOPT("MP_JOIN SYN/ACK", "\x1e\x10\x10\x02" KEY "\x01\x02\x03\x04", NULL,
	       NULL, .mp_join = true),
	TCPOPT("MP_JOIN third ACK", "\x1e\x18\x10\x02" KEY KEY TOKEN, NULL, NULL,
	       .mp_join = false),
	TCPOPT("MP_CAPABLE version 0", "\x1e\x0c\x00\x81" KEY, NULL, NULL,
	       .mp_capable = false),
	TCPOPT("MP_CAPABLE version 2", "\x1e\x04\x02\x81", NULL, NULL,
	       .mp_capable = false),
	TCPOPT("MP_CAPABLE third ACK", "\x1e\x14\x01\x81" KEY KEY, NULL, NULL,
	       .mp_capable = false),
	TCPOPT("MP_CAPABLE of length 3", "\x1e\x03\x01\x01", NULL, NULL,
	       .mp_capable = false),
	TCPOPT("MPTCP without subtype", "\x1e\x02", NULL, NULL,
	       .mp_capable = false),
	TCPOPT("MP_PREFER_PROXY", "\x1e\x04\x01\x81\x1e\x04\xf0\x00", NULL,
	       NULL, .mp_flags = 0x81, .mp_capable = true,
	       .mp_prefer_proxy = true),
	TCPOPT("MP_PREFER_PROXY first, reserved bits set", "\x1e\x04\xff\xff"
	       "\x1e\x04\x01\x81", NULL, NULL, .mp_flags = 0x81,
	       .mp_capable = true, .mp_prefer_proxy = true),
	TCPOPT("MP_PREFER_PROXY without MP_CAPABLE", "\x1e\x04\xf0\x00", NULL,
	       NULL, .mp_prefer_proxy = false),
	TCPOPT("MP_PREFER_PROXY of length 5", "\x1e\x04\x01\x81"
	       "\x1e\x05\xf0\x00\x00", NULL, NULL, .mp_flags = 0x81,
	       .mp_capable = true),
	TCPOPT("Fast Open, empty", "\x22\x02", NULL, NULL, .has_tfo = true),
	TCPOPT("Fast Open with a cookie", "\x22\x0a" KEY, NULL, NULL,
	       .has_tfo = true),
	TCPOPT("window scale of 15", "\x03\x03\x0f", NULL, NULL, .wscale = 14,
	       .has_wscale = true),
	TCPOPT("window scale of 0", "\x03\x03\x00", NULL, NULL, .wscale = 0,
	       .has_wscale = true),
	TCPOPT("wrong lengths", "\x02\x03\x05\x03\x04\x07\x00"
	       "\x04\x03\x00\x08\x09\0\0\0\0\0\0\0", NULL, NULL, .mss = 0),
	TCPOPT("unknown options", "\xfd\x04\xab\xcd\x02\x04\x05\xb4", NULL,
	       NULL, .mss = 1460),
	TCPOPT("nothing behind the end", "\x01\x01\x00\x02\x04\x05\xb4", NULL,
	       NULL, .mss = 0),
	TCPOPT("length out of the header", "\x02\x04\x05\xb4\x03\x04\x07", NULL,
	       NULL, .mss = 1460, .malformed = true),
	TCPOPT("length missing", "\x02\x04\x05\xb4\x01\x03", NULL, NULL,
	       .mss = 1460, .malformed = true),
	TCPOPT("length 0", "\x02\x04\x05\xb4\x03\x00\x00\x00", NULL, NULL,
	       .mss = 1460, .malformed = true),
	TCPOPT("length 1", "\x03\x01\x02\x04\x05\xb4", NULL, NULL,
	       .malformed = true),
	TCPOPT("the last one counts", "\x02\x04\x05\xb4\x02\x04\x02\x18", NULL,
	       NULL, .mss = 536),
};

/* -------------------------------------------------------- state machine */

#define MCP_WALK_MAX 10

struct mcp_walk_step {
	__u8 event;			/* enum mcp_event_kind */
	__u8 state;			/* the state it leads to */
	__u8 timer;
	__u8 action;
};

/* The lives of sessions, each from CLOSED. */
struct mcp_walk_vector {
	const char *name;
	bool outbound_refresh_only;
	__u8 count;
	struct mcp_walk_step steps[MCP_WALK_MAX];
};

#define STEP(_event, _state, _timer, _action) \
	{ MCP_EV_##_event, MCP_STATE_##_state, MCP_TIMER_##_timer, \
	  MCP_ACTION_##_action }

static const struct mcp_walk_vector __maybe_unused mcp_walk_vectors[] = {
	{ "an orderly connection", false, 9, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(INTERNAL_OTHER, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_OTHER, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(INTERNAL_FIN, INTERNAL_FIN, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_OTHER, INTERNAL_FIN, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_FIN, BOTH_FIN, TRANSITORY, FORWARD),
		STEP(INTERNAL_OTHER, BOTH_FIN, TRANSITORY, FORWARD),
		STEP(EXPIRY, CLOSED, STOP, DELETE) } },
	{ "the server closes first", false, 5, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_FIN, EXTERNAL_FIN, ESTABLISHED, FORWARD),
		STEP(INTERNAL_FIN, BOTH_FIN, TRANSITORY, FORWARD),
		STEP(EXPIRY, CLOSED, STOP, DELETE) } },
	{ "a server that does not answer", false, 3, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXPIRY, CLOSED, STOP, DELETE) } },
	{ "a server that refuses", false, 3, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_RST, INTERNAL_INIT, KEEP, FORWARD),
		STEP(EXPIRY, CLOSED, STOP, DELETE) } },
	{ "a reset that holds", false, 5, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_RST, TRANS, TRANSITORY, FORWARD),
		STEP(EXTERNAL_RST, TRANS, KEEP, FORWARD),
		STEP(EXPIRY, CLOSED, STOP, DELETE) } },
	{ "a reset that the peer did not accept", false, 4, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_RST, TRANS, TRANSITORY, FORWARD),
		STEP(INTERNAL_OTHER, ESTABLISHED, ESTABLISHED, FORWARD) } },
	{ "a reset of a half-closed connection", false, 5, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(INTERNAL_FIN, INTERNAL_FIN, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_RST, TRANS, TRANSITORY, FORWARD),
		STEP(EXPIRY, CLOSED, STOP, DELETE) } },
	{ "idle, and alive", false, 4, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXPIRY, TRANS, TRANSITORY, PROBE),
		STEP(EXTERNAL_OTHER, ESTABLISHED, ESTABLISHED, FORWARD) } },
	{ "idle, and gone", false, 4, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXPIRY, TRANS, TRANSITORY, PROBE),
		STEP(EXPIRY, CLOSED, STOP, DELETE) } },
	{ "an unsolicited SYN", false, 3, {
		STEP(EXTERNAL_SYN, EXTERNAL_INIT, INCOMING_SYN, HOLD),
		STEP(EXTERNAL_SYN, EXTERNAL_INIT, KEEP, HOLD),
		STEP(EXPIRY, CLOSED, STOP, UNREACHABLE) } },
	{ "simultaneous open, server first", false, 2, {
		STEP(EXTERNAL_SYN, EXTERNAL_INIT, INCOMING_SYN, HOLD),
		STEP(INTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD) } },
	{ "simultaneous open, client first", false, 3, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD) } },
	{ "a stray packet", false, 2, {
		STEP(EXTERNAL_OTHER, CLOSED, KEEP, DROP),
		STEP(INTERNAL_RST, CLOSED, KEEP, DROP) } },
	{ "outbound refresh only", true, 9, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(INTERNAL_OTHER, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_OTHER, ESTABLISHED, KEEP, FORWARD),
		STEP(EXTERNAL_FIN, EXTERNAL_FIN, KEEP, FORWARD),
		STEP(EXTERNAL_OTHER, EXTERNAL_FIN, KEEP, FORWARD),
		STEP(INTERNAL_FIN, BOTH_FIN, TRANSITORY, FORWARD),
		STEP(EXTERNAL_OTHER, BOTH_FIN, KEEP, FORWARD),
		STEP(INTERNAL_OTHER, BOTH_FIN, TRANSITORY, FORWARD) } },
	{ "outbound refresh only, idle", true, 6, {
		STEP(INTERNAL_SYN, INTERNAL_INIT, TRANSITORY, FORWARD),
		STEP(EXTERNAL_SYN, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXPIRY, TRANS, TRANSITORY, PROBE),
		STEP(EXTERNAL_OTHER, TRANS, KEEP, FORWARD),
		STEP(INTERNAL_OTHER, ESTABLISHED, ESTABLISHED, FORWARD),
		STEP(EXTERNAL_RST, TRANS, TRANSITORY, FORWARD) } },
};
#endif /* MCP_TESTS_VECTORS_H */
