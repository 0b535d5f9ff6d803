/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The wire formats of a conversion request and of the answer to it: the
 * MP_CONVERT Information Element (draft-boucadair-mptcp-plain-mode-10,
 * section 5) and the Convert protocol (RFC 8803). Pure: no skb, no socket, no
 * allocation; compiles in user space too.
 */
#ifndef MCP_CONVERT_H
#define MCP_CONVERT_H

#include "endpoint.h"

#define MCP_MP_CONVERT_MAGIC	0xFAA8FAA8u
/* Two elements with IPv6 address and port, padded. */
#define MCP_MP_CONVERT_MAX	56
#define MCP_CONVERT_VERSION	1
#define MCP_CONVERT_MAGIC	0x2263
/* Total Length is an octet that counts 32-bit words. */
#define MCP_CONVERT_MAX		(255 * 4)
#define MCP_REQUEST_MAX		MCP_CONVERT_MAX
/* Length of the cookies we give out; any other length is a wrong cookie. */
#define MCP_COOKIE_LEN		8
#define MCP_BAD_OPTIONS_MAX	15

/* RFC 8803 section 6.2.2, TLV types. */
enum mcp_convert_tlv {
	MCP_TLV_INFO = 1,
	MCP_TLV_CONNECT = 10,
	MCP_TLV_EXTENDED_TCP_HEADER = 20,
	MCP_TLV_SUPPORTED_EXTENSIONS = 21,
	MCP_TLV_COOKIE = 22,
	MCP_TLV_ERROR = 30,
};

/* RFC 8803 section 6.2.8, error codes. */
enum mcp_convert_error {
	MCP_ERR_UNSUPPORTED_VERSION = 0,
	MCP_ERR_MALFORMED = 1,
	MCP_ERR_UNSUPPORTED_MESSAGE = 2,
	MCP_ERR_MISSING_COOKIE = 3,
	MCP_ERR_NOT_AUTHORIZED = 32,
	MCP_ERR_UNSUPPORTED_OPTION = 33,
	MCP_ERR_RESOURCE_EXCEEDED = 64,
	MCP_ERR_NETWORK_FAILURE = 65,
	MCP_ERR_RESET = 96,
	MCP_ERR_UNREACHABLE = 97,
};

/**
 * enum mcp_decode - what the first octets of a payload or stream are
 * @MCP_DECODE_OK:	a complete request
 * @MCP_DECODE_MORE:	the beginning of one; mcp_request.need says how many
 *			octets in all are needed to go on (never more than the
 *			request has, so that reading them reads nothing else)
 * @MCP_DECODE_NONE:	no request of either format
 * @MCP_DECODE_RESET:	malformed or unwanted in a way that only a reset answers
 * @MCP_DECODE_ERROR:	Convert: mcp_request.error is to be sent in an Error TLV
 */
enum mcp_decode {
	MCP_DECODE_OK,
	MCP_DECODE_MORE,
	MCP_DECODE_NONE,
	MCP_DECODE_RESET,
	MCP_DECODE_ERROR,
};

/* TCP options that a Connect TLV asks for, mcp_request.wanted. */
enum mcp_wanted {
	MCP_WANTED_SACK_PERM = 1,
	MCP_WANTED_TIMESTAMP = 2,
	MCP_WANTED_MPTCP = 4,
	MCP_WANTED_TFO = 8,
};

/**
 * struct mcp_request - a decoded request
 * @codec:	enum mcp_codec; set as soon as the magic is known
 * @len:	octets the request takes (OK); for ERROR the octets of the
 *		message that are there, at most MCP_CONVERT_MAX
 * @need:	see MCP_DECODE_MORE
 * @server:	whom to dial (MP_CONVERT D = 0, Connect TLV); family 0 if none
 * @origin:	MP_CONVERT D = 1; family 0 if none, port 0 if the element has none
 * @error:	enum mcp_convert_error, for MCP_DECODE_ERROR
 * @info:	Convert: an Info TLV asks for Supported TCP Extensions
 * @has_cookie:	Convert: a Cookie TLV is there
 * @cookie_len: its length without padding that cannot be told: the TLV's
 *		length less 4
 * @cookie_off: its offset in the request
 * @options_off: offset of the Connect TLV's TCP options in the request
 * @options_len: their length with padding; 0 if none
 * @wanted:	enum mcp_wanted, or'ed: options to put in the SYN to @server
 *		beside those of local policy (RFC 8803 section 6.2.5)
 * @tfo_off:	offset of the Fast Open option to copy, kind and length octets
 *		included, if MCP_WANTED_TFO
 * @tfo_len:	its length: 2 (ask the server for a cookie) to 18
 * @bad_options: kinds of options in Connect that we cannot send (for
 *		MCP_ERR_UNSUPPORTED_OPTION)
 * @bad_options_len: how many; each once, further ones are not kept
 *
 * With MCP_DECODE_ERROR and MCP_ERR_UNSUPPORTED_OPTION the message is well
 * formed and everything here is filled in, so that the caller can put access
 * policy and cookie before that error. With any other error only @codec, @error
 * and @len are to be used.
 */
struct mcp_request {
	__u8 codec;
	__u8 error;
	bool info;
	bool has_cookie;
	__u16 len;
	__u16 need;
	__u16 cookie_off;
	__u16 cookie_len;
	__u16 options_off;
	__u16 options_len;
	__u16 tfo_off;
	__u8 tfo_len;
	__u8 wanted;
	__u8 bad_options_len;
	__u8 bad_options[MCP_BAD_OPTIONS_MAX];
	struct mcp_endpoint server;
	struct mcp_endpoint origin;
};

enum mcp_decode mcp_request_decode(const __u8 *data, size_t len,
				   __be16 syn_port, struct mcp_request *req);

int mcp_mp_convert_encode(__u8 *buf, size_t size,
			  const struct mcp_endpoint *server,
			  const struct mcp_endpoint *origin);

/**
 * struct mcp_answer - what a Convert message of an MCP says
 * @len:	octets it takes (OK)
 * @need:	see MCP_DECODE_MORE
 * @connected:	an Extended TCP Header TLV is there: the server has accepted
 * @failed:	an Error TLV is there
 * @code:	enum mcp_convert_error, of that
 * @value:	the first octet of its value, such as the code of an ICMP error
 * @cookie_off:	offset of the cookie in it, of MCP_ERR_MISSING_COOKIE
 * @cookie_len:	its length with padding; 0 if none
 */
struct mcp_answer {
	__u16 len;
	__u16 need;
	bool connected;
	bool failed;
	__u8 code;
	__u8 value;
	__u16 cookie_off;
	__u16 cookie_len;
};

enum mcp_decode mcp_answer_decode(const __u8 *data, size_t len,
				  struct mcp_answer *answer);

/**
 * struct mcp_message - a Convert message under construction
 * @buf:	where it is built, MCP_CONVERT_MAX octets at most are used
 * @size:	size of @buf in octets
 * @len:	octets so far; always a multiple of 4
 * @overflow:	something did not fit; mcp_message_end() will say so
 */
struct mcp_message {
	__u8 *buf;
	size_t size;
	size_t len;
	bool overflow;
};

void mcp_message_begin(struct mcp_message *msg, __u8 *buf, size_t size);
void mcp_message_info(struct mcp_message *msg);
void mcp_message_connect(struct mcp_message *msg,
			 const struct mcp_endpoint *peer,
			 const __u8 *options, size_t options_len);
void mcp_message_cookie(struct mcp_message *msg, const __u8 *cookie, size_t len);
void mcp_message_extended_tcp_header(struct mcp_message *msg,
				     const __u8 *options, size_t len);
void mcp_message_supported_extensions(struct mcp_message *msg);
void mcp_message_error(struct mcp_message *msg, __u8 code,
		       const __u8 *value, size_t len);
int mcp_message_end(struct mcp_message *msg);

#endif /* MCP_CONVERT_H */
