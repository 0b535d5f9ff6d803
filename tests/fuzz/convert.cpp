// SPDX-License-Identifier: GPL-2.0
//
// The Convert protocol: whatever the input, behind version and magic number.
#include "fuzz.hpp"

/// What was asked for, written by our own encoder, is read as the same.
static void check_round_trip(const __u8* data, const mcp_request& req)
{
    std::array<__u8, MCP_CONVERT_MAX> buf;
    mcp_message msg;
    mcp_message_begin(&msg, buf.data(), buf.size());
    if (req.info)
        mcp_message_info(&msg);
    if (req.server.family)
        mcp_message_connect(&msg, &req.server, data + req.options_off, req.options_len);
    if (req.has_cookie)
        mcp_message_cookie(&msg, data + req.cookie_off, req.cookie_len);
    // All TLVs that a request can have, each once: as long as it was.
    HOLDS(mcp_message_end(&msg) == req.len);

    mcp_request again;
    HOLDS(decode(buf.data(), req.len, again) == MCP_DECODE_OK);
    HOLDS(mcp_endpoint_equal(&again.server, &req.server));
    HOLDS(again.info == req.info && again.has_cookie == req.has_cookie);
    HOLDS(again.wanted == req.wanted && again.tfo_len == req.tfo_len);
    HOLDS(again.cookie_len == req.cookie_len && again.options_len == req.options_len);
    HOLDS(!memcmp(buf.data() + again.cookie_off, data + req.cookie_off, req.cookie_len));
}

/// An answer to what could not be read always fits, and is well framed.
static void check_error(const __u8* data, const mcp_request& req, size_t room)
{
    auto block = std::make_unique<__u8[]>(room);
    mcp_message msg;
    mcp_message_begin(&msg, block.get(), room);
    if (req.error == MCP_ERR_UNSUPPORTED_OPTION)
        mcp_message_error(&msg, req.error, req.bad_options, req.bad_options_len);
    else if (req.error == MCP_ERR_UNSUPPORTED_VERSION)
        mcp_message_error(&msg, req.error, nullptr, 0);
    else
        mcp_message_error(&msg, req.error, data, req.len);
    int len = mcp_message_end(&msg);
    if (len < 0) {
        HOLDS(room < 8 || (req.error == MCP_ERR_UNSUPPORTED_OPTION && room < 24));
        return;
    }
    HOLDS(len >= 8 && static_cast<size_t>(len) <= room && len % 4 == 0);
    HOLDS(block[1] == len / 4 && block[5] == len / 4 - 1);
    HOLDS(block[4] == MCP_TLV_ERROR && block[6] == req.error);
}

extern "C" int LLVMFuzzerTestOneInput(const __u8* data, size_t size)
{
    static const __u8 header[4] = {1, 0, 0x22, 0x63};
    std::array<__u8, MCP_CONVERT_MAX + 64> input;
    size_t len = std::min(size, input.size());
    std::copy(data, data + len, input.begin());
    for (size_t i = 0; i < std::min(len, sizeof(header)); i++)
        if (i != 1)
            input[i] = header[i];

    mcp_request req;
    mcp_decode verdict = decode(input.data(), len, req);
    check_outcome(verdict, req, len);
    check_prefixes(input.data(), len, verdict, req);
    HOLDS(verdict != MCP_DECODE_NONE);
    if (verdict == MCP_DECODE_OK)
        check_round_trip(input.data(), req);
    if (verdict == MCP_DECODE_ERROR) {
        check_error(input.data(), req, MCP_CONVERT_MAX);
        check_error(input.data(), req, size % 64);
    }
    return 0;
}
