// SPDX-License-Identifier: GPL-2.0
/*
 * The wire formats of a conversion request and of its answer. Both decoders go
 * through the octets once and never beyond the request: MP_CONVERT is at most
 * two elements, a Convert message at most 254 TLVs and 1020 octets.
 */
#include <linux/mptcpproxy.h>

#include "convert.h"
#include "tcpopt.h"

/* MP_CONVERT: magic (4), type, length, flags (2), then address and port. */
#define ELEMENT_HEAD		8
#define ELEMENT_TYPE_ADDRESS	0
#define ELEMENT_LAST		0x0001	/* M */
#define ELEMENT_ORIGIN		0x0002	/* D */

/* Convert: version, total length, magic (2). */
#define FIXED_HEADER		4
#define TLV_HEADER		4	/* type, length, and two octets of value */
#define CONNECT_BASE		20
#define TFO_OPTION_MAX		18	/* RFC 7413 section 2: cookie 4 to 16 */

static const __u8 mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static const __u8 mp_convert_magic[4] = { 0xfa, 0xa8, 0xfa, 0xa8 };

static void endpoint_from_ip(struct mcp_endpoint *ep, const __u8 *addr)
{
	ep->family = AF_INET;
	memcpy(ep->addr.octets, addr, 4);
}

/* An IPv4-mapped address is the IPv4 address (RFC 4291 section 2.5.5.2). */
static void endpoint_from_ip6(struct mcp_endpoint *ep, const __u8 *addr)
{
	if (!memcmp(addr, mapped_prefix, sizeof(mapped_prefix))) {
		endpoint_from_ip(ep, addr + sizeof(mapped_prefix));
		return;
	}
	ep->family = AF_INET6;
	memcpy(ep->addr.octets, addr, 16);
}

static enum mcp_decode more(struct mcp_request *req, size_t need)
{
	req->need = (__u16)need;
	return MCP_DECODE_MORE;
}

/* Flags and all, without magic and padding: IPv4 or IPv6, with port or not. */
static bool element_length_ok(__u8 length)
{
	return length == 8 || length == 10 || length == 20 || length == 22;
}

/*
 * One element: @element points at its magic, which has been checked along with
 * the length field.
 */
static bool element_decode(const __u8 *element, __be16 syn_port,
			   struct mcp_request *req)
{
	__u16 flags = get_unaligned_be16(element + 6);
	bool is_origin = flags & ELEMENT_ORIGIN;
	struct mcp_endpoint *ep = is_origin ? &req->origin : &req->server;
	const __u8 *addr = element + ELEMENT_HEAD;
	__u8 length = element[5];

	if (length >= 20)
		endpoint_from_ip6(ep, addr);
	else
		endpoint_from_ip(ep, addr);

	if (length == 10 || length == 22)
		memcpy(&ep->port, element + 4 + length - 2, sizeof(ep->port));
	else if (!is_origin)
		ep->port = syn_port;

	return is_origin || ep->port;
}

/* Plain mode section 5: elements up to one with M, each D at most once. */
static enum mcp_decode mp_convert_decode(const __u8 *data, size_t len,
					 __be16 syn_port,
					 struct mcp_request *req)
{
	bool last = false;
	size_t off = 0;

	while (!last) {
		const __u8 *element = data + off;
		size_t here = len - off;
		size_t size;
		__u16 flags;

		if (memcmp(element, mp_convert_magic, here < 4 ? here : 4))
			return MCP_DECODE_RESET;
		if (here < 4)
			return more(req, off + 4);
		if (here < ELEMENT_HEAD)
			return more(req, off + ELEMENT_HEAD);

		if (element[4] != ELEMENT_TYPE_ADDRESS ||
		    !element_length_ok(element[5]))
			return MCP_DECODE_RESET;

		flags = get_unaligned_be16(element + 6);
		last = flags & ELEMENT_LAST;
		if ((flags & ELEMENT_ORIGIN ? &req->origin : &req->server)->family)
			return MCP_DECODE_RESET;
		/* Two are of different D, so that a third cannot be. */
		if (!last && (req->origin.family || req->server.family))
			return MCP_DECODE_RESET;

		size = 4 + ((element[5] + 3u) & ~3u);
		if (here < size)
			return more(req, off + size);
		if (!element_decode(element, syn_port, req))
			return MCP_DECODE_RESET;
		off += size;
	}

	if (!req->server.family)
		return MCP_DECODE_RESET;

	req->len = (__u16)off;
	return MCP_DECODE_OK;
}

static void refuse_option(struct mcp_request *req, __u8 kind)
{
	if (memchr(req->bad_options, kind, req->bad_options_len))
		return;
	if (req->bad_options_len < MCP_BAD_OPTIONS_MAX)
		req->bad_options[req->bad_options_len++] = kind;
}

/*
 * The 'TCP Options' field of a Connect TLV, RFC 8803 sections 6.2.5 and 7. It is
 * padded with zeros, which are options of kind 0 too. Which value an option has
 * is the MCP's business, but for Fast Open's cookie. A kind that we honour comes
 * once, as in any TCP header.
 */
static bool options_decode(const __u8 *data, struct mcp_request *req)
{
	size_t off = req->options_off;
	size_t end = off + req->options_len;

	while (off < end) {
		const __u8 *option = data + off;
		__u8 wanted = 0;
		__u8 len;

		if (option[0] == MCP_TCPOPT_EOL || option[0] == MCP_TCPOPT_NOP) {
			off++;
			continue;
		}
		if (end - off < 2 || option[1] < 2 || option[1] > end - off)
			return false;
		len = option[1];

		switch (option[0]) {
		case MCP_TCPOPT_MSS:
		case MCP_TCPOPT_WSCALE:
		case MCP_TCPOPT_SACK:
			off += len;
			continue;
		case MCP_TCPOPT_SACK_PERM:
			if (len == 2)
				wanted = MCP_WANTED_SACK_PERM;
			break;
		case MCP_TCPOPT_TIMESTAMP:
			if (len == 2)
				wanted = MCP_WANTED_TIMESTAMP;
			break;
		case MCP_TCPOPT_MPTCP:
			if (len == 2)
				wanted = MCP_WANTED_MPTCP;
			break;
		case MCP_TCPOPT_TFO:
			if (len > TFO_OPTION_MAX)
				break;
			wanted = MCP_WANTED_TFO;
			req->tfo_off = (__u16)off;
			req->tfo_len = len;
			break;
		}

		if (req->wanted & wanted)
			return false;
		req->wanted |= wanted;
		if (!wanted)
			refuse_option(req, option[0]);
		off += len;
	}

	return true;
}

static bool connect_decode(const __u8 *data, size_t off, size_t size,
			   struct mcp_request *req)
{
	if (size < CONNECT_BASE)
		return false;

	memcpy(&req->server.port, data + off + 2, sizeof(req->server.port));
	if (!req->server.port)
		return false;
	endpoint_from_ip6(&req->server, data + off + TLV_HEADER);

	if (size == CONNECT_BASE)
		return true;
	req->options_off = (__u16)(off + CONNECT_BASE);
	req->options_len = (__u16)(size - CONNECT_BASE);
	return options_decode(data, req);
}

/* -1 or the enum mcp_convert_error that one TLV deserves. */
static int tlv_decode(const __u8 *data, size_t off, size_t size,
		      struct mcp_request *req)
{
	switch (data[off]) {
	case MCP_TLV_INFO:
		if (req->info || size != TLV_HEADER)
			return MCP_ERR_MALFORMED;
		req->info = true;
		return -1;
	case MCP_TLV_CONNECT:
		if (req->server.family || !connect_decode(data, off, size, req))
			return MCP_ERR_MALFORMED;
		return -1;
	case MCP_TLV_COOKIE:
		if (req->has_cookie)
			return MCP_ERR_MALFORMED;
		req->has_cookie = true;
		req->cookie_off = (__u16)(off + TLV_HEADER);
		req->cookie_len = (__u16)(size - TLV_HEADER);
		return -1;
	default:
		/*
		 * Those that only an MCP sends included: "a message type
		 * received from a Client is not supported" (section 6.2.8).
		 */
		return MCP_ERR_UNSUPPORTED_MESSAGE;
	}
}

static int tlvs_decode(const __u8 *data, size_t total, struct mcp_request *req)
{
	size_t off = FIXED_HEADER;

	while (off < total) {
		size_t size = data[off + 1] * 4;
		int error;

		/* Padding of the message, say: section 6.2.2 names the error. */
		if (!data[off])
			return MCP_ERR_UNSUPPORTED_MESSAGE;
		if (!size || size > total - off)
			return MCP_ERR_MALFORMED;
		error = tlv_decode(data, off, size, req);
		if (error >= 0)
			return error;
		off += size;
	}

	/* A header without TLVs (section 6), or a Cookie that is for nothing. */
	if (!req->info && !req->server.family)
		return MCP_ERR_MALFORMED;
	if (req->bad_options_len)
		return MCP_ERR_UNSUPPORTED_OPTION;
	return -1;
}

/* RFC 8803 section 6; @len is at least that of the fixed header. */
static enum mcp_decode convert_decode(const __u8 *data, size_t len,
				      struct mcp_request *req)
{
	size_t total = data[1] * 4;
	int error;

	if (data[0] != MCP_CONVERT_VERSION) {
		/* What it looks like is that version's affair. */
		req->len = FIXED_HEADER;
		req->error = MCP_ERR_UNSUPPORTED_VERSION;
		return MCP_DECODE_ERROR;
	}
	if (!total)
		return MCP_DECODE_RESET;
	if (len < total)
		return more(req, total);

	req->len = (__u16)total;
	error = tlvs_decode(data, total, req);
	if (error < 0)
		return MCP_DECODE_OK;
	req->error = (__u8)error;
	return MCP_DECODE_ERROR;
}

/**
 * mcp_request_decode - read the request that a payload or stream starts with
 * @data:	its first octets, in one piece; need not be aligned
 * @len:	how many of them are there; may be 0
 * @syn_port:	destination port of the SYN: the server's port if an MP_CONVERT
 *		element has none
 * @req:	the outcome; all of it is written
 *
 * MP_CONVERT: the reserved bits and padding are ignored; an element of another
 * type or length, with a D that came already, or a third one, a request without
 * D = 0, and destination port 0 call for a reset (plain mode section 5.1 and
 * 5.2).
 *
 * Convert: the first fault in the order of the message is what is reported.
 * Version and Total Length 0 are looked at as soon as the header is there, the
 * rest when the whole message is. Zero, Unassigned and padding fields are not
 * looked at. A message with an Info TLV alone is a request (section 6.2.3);
 * @req->server.family is 0 then. Connect, Info and Cookie may be combined, in
 * any order.
 *
 * Which addresses may be named is not looked at: see mcp_endpoint_forbidden().
 *
 * Whoever reads a stream starts with 4 octets, and when told MORE reads up to
 * @req->need and calls again with everything from the start: at most six calls.
 *
 * Context: any; does not allocate; time bounded by MCP_REQUEST_MAX octets.
 * Return: enum mcp_decode.
 */
enum mcp_decode mcp_request_decode(const __u8 *data, size_t len,
				   __be16 syn_port, struct mcp_request *req)
{
	memset(req, 0, sizeof(*req));

	if (len && !memcmp(data, mp_convert_magic, len < 4 ? len : 4)) {
		if (len < 4)
			return more(req, 4);
		req->codec = MCP_CODEC_MP_CONVERT;
		return mp_convert_decode(data, len, syn_port, req);
	}

	/* Any version and total length, then the magic. */
	if ((len > 2 && data[2] != MCP_CONVERT_MAGIC >> 8) ||
	    (len > 3 && data[3] != (MCP_CONVERT_MAGIC & 0xff)))
		return MCP_DECODE_NONE;
	if (len < FIXED_HEADER)
		return more(req, FIXED_HEADER);

	req->codec = MCP_CODEC_CONVERT;
	return convert_decode(data, len, req);
}

/* What the TLV at @off says. */
static void answer_tlv(const __u8 *data, size_t off, size_t size,
		       struct mcp_answer *answer)
{
	const __u8 *tlv = data + off;

	switch (tlv[0]) {
	case MCP_TLV_EXTENDED_TCP_HEADER:
		answer->connected = true;
		break;
	case MCP_TLV_ERROR:
		answer->failed = true;
		answer->code = tlv[2];
		answer->value = tlv[3];
		if (answer->code == MCP_ERR_MISSING_COOKIE) {
			answer->cookie_off = (__u16)(off + 4);
			answer->cookie_len = (__u16)(size - 4);
		}
		break;
	default:
		/* Nothing that concerns who only asks for a connection. */
		break;
	}
}

/**
 * mcp_answer_decode - read the Convert message that an MCP's stream starts with
 * @data:	the first octets of the stream
 * @len:	how many of them are there; may be 0
 * @answer:	the outcome; all of it is written
 *
 * RFC 8803 section 6.1: one message, before anything of the server's. Which of
 * the TLVs in it comes first does not matter; one of them must be an Extended TCP
 * Header or an Error.
 *
 * Whoever reads a stream starts with 4 octets, and when told MORE reads up to
 * @answer->need and calls again with everything from the start: two calls.
 *
 * Context: any; does not allocate; time bounded by MCP_CONVERT_MAX octets.
 * Return: MCP_DECODE_OK, MCP_DECODE_MORE, or MCP_DECODE_NONE: it is no such
 * message.
 */
enum mcp_decode mcp_answer_decode(const __u8 *data, size_t len,
				  struct mcp_answer *answer)
{
	size_t total, off, size;

	memset(answer, 0, sizeof(*answer));
	if (len < FIXED_HEADER) {
		answer->need = FIXED_HEADER;
		return MCP_DECODE_MORE;
	}
	total = data[1] * 4;
	if (data[0] != MCP_CONVERT_VERSION || total <= FIXED_HEADER ||
	    get_unaligned_be16(data + 2) != MCP_CONVERT_MAGIC)
		return MCP_DECODE_NONE;
	if (len < total) {
		answer->need = (__u16)total;
		return MCP_DECODE_MORE;
	}
	for (off = FIXED_HEADER; off < total; off += size) {
		size = data[off + 1] * 4;
		if (!size || size > total - off)
			return MCP_DECODE_NONE;
		answer_tlv(data, off, size, answer);
	}
	answer->len = (__u16)total;
	return answer->connected || answer->failed ? MCP_DECODE_OK : MCP_DECODE_NONE;
}

static size_t element_size(const struct mcp_endpoint *ep)
{
	return ELEMENT_HEAD + mcp_addr_len(ep->family) + (ep->port ? 4 : 0);
}

static __u8 *element_encode(__u8 *element, const struct mcp_endpoint *ep,
			    __u16 flags)
{
	unsigned int addr_len = mcp_addr_len(ep->family);
	size_t size = element_size(ep);

	memset(element, 0, size);
	memcpy(element, mp_convert_magic, sizeof(mp_convert_magic));
	element[4] = ELEMENT_TYPE_ADDRESS;
	element[5] = (__u8)(4 + addr_len + (ep->port ? 2 : 0));
	put_unaligned_be16(flags, element + 6);
	memcpy(element + ELEMENT_HEAD, ep->addr.octets, addr_len);
	if (ep->port)
		memcpy(element + ELEMENT_HEAD + addr_len, &ep->port,
		       sizeof(ep->port));
	return element + size;
}

static bool family_known(const struct mcp_endpoint *ep)
{
	return ep->family == AF_INET || ep->family == AF_INET6;
}

/**
 * mcp_mp_convert_encode - write an MP_CONVERT request
 * @buf:	where to; MCP_MP_CONVERT_MAX octets always suffice
 * @size:	size of @buf in octets
 * @server:	the D = 0 element; port 0: without a port
 * @origin:	the D = 1 element, behind the other; NULL or family 0: none;
 *		port 0: without a port
 *
 * Context: any.
 * Return: length of the request, -EMSGSIZE if it does not fit (nothing is
 * written then), -EINVAL if an address is of neither family.
 */
int mcp_mp_convert_encode(__u8 *buf, size_t size,
			  const struct mcp_endpoint *server,
			  const struct mcp_endpoint *origin)
{
	bool has_origin = origin && origin->family;
	size_t len;

	if (!family_known(server) || (has_origin && !family_known(origin)))
		return -EINVAL;

	len = element_size(server) + (has_origin ? element_size(origin) : 0);
	if (len > size)
		return -EMSGSIZE;

	buf = element_encode(buf, server, has_origin ? 0 : ELEMENT_LAST);
	if (has_origin)
		element_encode(buf, origin, ELEMENT_ORIGIN | ELEMENT_LAST);
	return (int)len;
}

/* Octets still free for one TLV, whole words. */
static size_t message_room(const struct mcp_message *msg)
{
	size_t limit = msg->size < MCP_CONVERT_MAX ? msg->size : MCP_CONVERT_MAX;

	return limit > msg->len ? (limit - msg->len) & ~(size_t)3 : 0;
}

/*
 * Append a TLV with @len octets of value, counted from behind the Length field,
 * padded. Return: its value, all zero, or NULL if there is no room.
 */
static __u8 *tlv_append(struct mcp_message *msg, __u8 type, size_t len)
{
	size_t size = (2 + len + 3) & ~(size_t)3;
	__u8 *tlv;

	if (msg->overflow || size > message_room(msg)) {
		msg->overflow = true;
		return NULL;
	}

	tlv = msg->buf + msg->len;
	memset(tlv, 0, size);
	tlv[0] = type;
	tlv[1] = (__u8)(size / 4);
	msg->len += size;
	return tlv + 2;
}

/* A TLV whose value is 16 zero bits and then octets. */
static void tlv_append_octets(struct mcp_message *msg, __u8 type,
			      const __u8 *octets, size_t len)
{
	__u8 *value;

	/* Before 2 is added: the sum must not wrap. */
	if (len > MCP_CONVERT_MAX) {
		msg->overflow = true;
		return;
	}
	value = tlv_append(msg, type, 2 + len);
	if (value && len)
		memcpy(value + 2, octets, len);
}

/**
 * mcp_message_begin - start a Convert message
 * @msg:	the message
 * @buf:	where it is built
 * @size:	size of @buf in octets; what is beyond MCP_CONVERT_MAX is not used
 *
 * One message goes each way on a connection, at the start of the stream: all
 * TLVs that one side has to say belong into one (RFC 8803 section 6.1). What
 * does not fit is noticed by mcp_message_end(), so that calls can be chained.
 *
 * Context: any, for this and all mcp_message functions.
 */
void mcp_message_begin(struct mcp_message *msg, __u8 *buf, size_t size)
{
	memset(msg, 0, sizeof(*msg));
	msg->buf = buf;
	msg->size = size;
	if (size < FIXED_HEADER) {
		msg->overflow = true;
		return;
	}
	buf[0] = MCP_CONVERT_VERSION;
	buf[1] = 0;
	put_unaligned_be16(MCP_CONVERT_MAGIC, buf + 2);
	msg->len = FIXED_HEADER;
}

/**
 * mcp_message_info - append an Info TLV (RFC 8803 section 6.2.3)
 * @msg:	the message
 */
void mcp_message_info(struct mcp_message *msg)
{
	tlv_append_octets(msg, MCP_TLV_INFO, NULL, 0);
}

/**
 * mcp_message_connect - append a Connect TLV (RFC 8803 section 6.2.5)
 * @msg:	the message
 * @peer:	whom to connect to or, for an incoming connection, who connects
 * @options:	TCP options to ask for; may be NULL if there are none
 * @options_len: their length in octets, padded here; 0 makes a Base Connect
 */
void mcp_message_connect(struct mcp_message *msg,
			 const struct mcp_endpoint *peer,
			 const __u8 *options, size_t options_len)
{
	__u8 *value;

	/* Before anything is added: the sum must not wrap. */
	if (options_len > MCP_CONVERT_MAX || !family_known(peer)) {
		msg->overflow = true;
		return;
	}
	value = tlv_append(msg, MCP_TLV_CONNECT, CONNECT_BASE - 2 + options_len);
	if (!value)
		return;

	memcpy(value, &peer->port, sizeof(peer->port));
	value += 2;
	if (peer->family == AF_INET) {
		memcpy(value, mapped_prefix, sizeof(mapped_prefix));
		memcpy(value + sizeof(mapped_prefix), peer->addr.octets, 4);
	} else {
		memcpy(value, peer->addr.octets, 16);
	}
	if (options_len)
		memcpy(value + 16, options, options_len);
}

/**
 * mcp_message_cookie - append a Cookie TLV (RFC 8803 section 6.2.7)
 * @msg:	the message
 * @cookie:	the cookie, as it came in a Missing Cookie error
 * @len:	its length in octets; whole words arrive as they are, other lengths
 *		with padding that the receiver cannot tell from the cookie
 */
void mcp_message_cookie(struct mcp_message *msg, const __u8 *cookie, size_t len)
{
	tlv_append_octets(msg, MCP_TLV_COOKIE, cookie, len);
}

/**
 * mcp_message_extended_tcp_header - append an Extended TCP Header TLV
 * @msg:	the message
 * @options:	the options of the server's SYN/ACK (RFC 8803 section 6.2.6)
 * @len:	their length in octets
 */
void mcp_message_extended_tcp_header(struct mcp_message *msg,
				     const __u8 *options, size_t len)
{
	tlv_append_octets(msg, MCP_TLV_EXTENDED_TCP_HEADER, options, len);
}

/**
 * mcp_message_supported_extensions - append a Supported TCP Extensions TLV
 * @msg:	the message
 *
 * The kinds are those that a Connect TLV may ask for (RFC 8803 section 6.2.4):
 * never 0, 1, 2, 3, 5 or 29; Multipath TCP always (section 7).
 */
void mcp_message_supported_extensions(struct mcp_message *msg)
{
	static const __u8 kinds[] = {
		MCP_TCPOPT_SACK_PERM, MCP_TCPOPT_TIMESTAMP,
		MCP_TCPOPT_MPTCP, MCP_TCPOPT_TFO,
	};

	tlv_append_octets(msg, MCP_TLV_SUPPORTED_EXTENSIONS, kinds, sizeof(kinds));
}

/**
 * mcp_message_error - append an Error TLV (RFC 8803 section 6.2.8)
 * @msg:	the message
 * @code:	enum mcp_convert_error
 * @value:	what the code asks for; may be NULL if @len is 0
 * @len:	its length in octets
 *
 * @value is, by @code,
 *
 * - UNSUPPORTED_VERSION: the versions, an octet each; none (@len 0) means ours,
 * - MALFORMED, UNSUPPORTED_MESSAGE: the message that was received, cut off here
 *   where there is no more room,
 * - MISSING_COOKIE: the cookie for this client,
 * - UNSUPPORTED_OPTION: the kinds, an octet each,
 * - RESOURCE_EXCEEDED, NETWORK_FAILURE: one octet, the seconds to wait,
 * - UNREACHABLE: one octet, the Code field of the ICMP error,
 * - NOT_AUTHORIZED, RESET: nothing.
 *
 * The zero octet between code and message or cookie is put in here, and so is
 * the padding.
 */
void mcp_message_error(struct mcp_message *msg, __u8 code,
		       const __u8 *value, size_t len)
{
	static const __u8 versions[] = { MCP_CONVERT_VERSION };
	size_t head = 1;
	size_t room;
	__u8 *tlv;

	switch (code) {
	case MCP_ERR_UNSUPPORTED_VERSION:
		if (!len) {
			value = versions;
			len = sizeof(versions);
		}
		break;
	case MCP_ERR_MALFORMED:
	case MCP_ERR_UNSUPPORTED_MESSAGE:
		head = 2;
		room = message_room(msg);
		if (room >= TLV_HEADER && len > room - TLV_HEADER)
			len = room - TLV_HEADER;
		break;
	case MCP_ERR_MISSING_COOKIE:
		head = 2;
		break;
	}

	if (len > MCP_CONVERT_MAX) {
		msg->overflow = true;
		return;
	}
	tlv = tlv_append(msg, MCP_TLV_ERROR, head + len);
	if (!tlv)
		return;
	tlv[0] = code;
	if (len)
		memcpy(tlv + head, value, len);
}

/**
 * mcp_message_end - finish a Convert message
 * @msg:	the message
 *
 * Return: its length in octets, a multiple of 4 and at most MCP_CONVERT_MAX;
 * -EMSGSIZE if something did not fit or there is no TLV.
 */
int mcp_message_end(struct mcp_message *msg)
{
	if (msg->overflow || msg->len <= FIXED_HEADER)
		return -EMSGSIZE;

	msg->buf[1] = (__u8)(msg->len / 4);
	return (int)msg->len;
}
