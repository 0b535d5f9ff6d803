// SPDX-License-Identifier: GPL-2.0
//
// What is written: requests, and an MCP's answers.
#include "pure.hpp"

#include <array>

#include <catch2/catch.hpp>

namespace {

/// A message in a block of exactly @size octets.
class Message {
public:
    explicit Message(size_t size = MCP_CONVERT_MAX) : block_(std::make_unique<__u8[]>(size))
    {
        memset(block_.get(), 0xa5, size);
        mcp_message_begin(&msg, block_.get(), size);
    }

    /// Empty if it did not fit.
    Octets end()
    {
        int len = mcp_message_end(&msg);
        return len < 0 ? Octets{} : octets(block_.get(), static_cast<size_t>(len));
    }

    mcp_message msg;

private:
    std::unique_ptr<__u8[]> block_;
};

Octets text(const char* data, size_t len)
{
    return octets(reinterpret_cast<const __u8*>(data), len);
}

#define TEXT(_literal) text(_literal, sizeof(_literal) - 1)

Octets error_message(__u8 code, const Octets& value = {}, size_t size = MCP_CONVERT_MAX)
{
    Message m(size);
    mcp_message_error(&m.msg, code, value.data(), value.size());
    return m.end();
}

} // namespace

TEST_CASE("message: MP_CONVERT, to the octet", "[message]")
{
    std::array<__u8, MCP_MP_CONVERT_MAX> buf;
    mcp_endpoint server = v4(SERVER4, 80);
    mcp_endpoint origin = v6(CLIENT6, 0);

    int len = mcp_mp_convert_encode(buf.data(), buf.size(), &server, nullptr);
    REQUIRE(len == 16);
    CHECK(octets(buf.data(), 16) ==
          TEXT("\xfa\xa8\xfa\xa8\x00\x0a\x00\x01" SERVER4 "\x00\x50\x00\x00"));

    len = mcp_mp_convert_encode(buf.data(), buf.size(), &server, &origin);
    REQUIRE(len == 40);
    CHECK(octets(buf.data(), 40) == TEXT("\xfa\xa8\xfa\xa8\x00\x0a\x00\x00" SERVER4
                                         "\x00\x50\x00\x00"
                                         "\xfa\xa8\xfa\xa8\x00\x14\x00\x03" CLIENT6));

    server.family = 0;
    CHECK(mcp_mp_convert_encode(buf.data(), buf.size(), &server, nullptr) == -EINVAL);
}

TEST_CASE("message: MP_CONVERT there and back", "[message]")
{
    const mcp_endpoint ends[] = {v4(SERVER4, 80), v4(CLIENT4, 0), v6(SERVER6, 443), v6(CLIENT6, 0)};
    const mcp_endpoint nobody{};
    for (const mcp_endpoint& server : ends) {
        for (const mcp_endpoint* origin : {&ends[0], &ends[1], &ends[2], &ends[3], &nobody}) {
            std::array<__u8, MCP_MP_CONVERT_MAX> buf;
            int len = mcp_mp_convert_encode(buf.data(), buf.size(), &server, origin);
            REQUIRE(len > 0);
            mcp_request req;
            REQUIRE(decode(octets(buf.data(), static_cast<size_t>(len)), req) == MCP_DECODE_OK);
            CHECK(req.len == len);
            CHECK(mcp_endpoint_equal(&req.origin, origin));
            mcp_endpoint want = server;
            if (!want.port)
                want.port = htons(MCP_VECTOR_SYN_PORT);
            CHECK(mcp_endpoint_equal(&req.server, &want));

            for (size_t size = 0; size < static_cast<size_t>(len); size++) {
                auto block = std::make_unique<__u8[]>(size);
                CHECK(mcp_mp_convert_encode(block.get(), size, &server, origin) == -EMSGSIZE);
            }
        }
    }
}

TEST_CASE("message: Connect, Info and Cookie, to the octet", "[message]")
{
    mcp_endpoint server = v4(SERVER4, 80);
    Message m;
    mcp_message_info(&m.msg);
    mcp_message_connect(&m.msg, &server, OCTETS("\x1e\x02\x22\x02\x04\x02"), 6);
    mcp_message_cookie(&m.msg, OCTETS("cookie!!"), 8);
    CHECK(m.end() == TEXT("\x01\x0c\x22\x63" INFO_TLV CONNECT4_WITH("\x07") "\x1e\x02\x22\x02"
                                                                            "\x04\x02\x00\x00"
                                                                            "\x16\x03\x00\x00"
                                                                            "cookie!!"));
}

TEST_CASE("message: requests there and back", "[message]")
{
    for (const mcp_endpoint& server : {v4(SERVER4, 80), v6(SERVER6, 443)}) {
        for (size_t cookie_len = 0; cookie_len <= 64; cookie_len++) {
            for (bool info : {false, true}) {
                Octets cookie(cookie_len, 0xc0);
                Message m;
                if (info)
                    mcp_message_info(&m.msg);
                mcp_message_cookie(&m.msg, cookie.data(), cookie.size());
                mcp_message_connect(&m.msg, &server, nullptr, 0);
                Octets data = m.end();
                REQUIRE_FALSE(data.empty());
                mcp_request req;
                REQUIRE(decode(data, req) == MCP_DECODE_OK);
                CHECK(req.len == data.size());
                CHECK(mcp_endpoint_equal(&req.server, &server));
                CHECK(req.info == info);
                cookie.resize((cookie.size() + 3) / 4 * 4);
                CHECK(octets(data.data() + req.cookie_off, req.cookie_len) == cookie);
            }
        }
    }
}

TEST_CASE("message: an MCP's answer, to the octet", "[message]")
{
    Message m;
    mcp_message_supported_extensions(&m.msg);
    mcp_message_extended_tcp_header(&m.msg, OCTETS("\x02\x04\x05\xb4\x01\x03\x03\x07"), 8);
    CHECK(m.end() == TEXT("\x01\x06\x22\x63"
                          "\x15\x02\x00\x00"
                          "\x04\x08\x1e\x22"
                          "\x14\x03\x00\x00"
                          "\x02\x04\x05\xb4"
                          "\x01\x03\x03\x07"));
}

TEST_CASE("message: no options came back", "[message]")
{
    Message m;
    mcp_message_extended_tcp_header(&m.msg, nullptr, 0);
    CHECK(m.end() == TEXT("\x01\x02\x22\x63"
                          "\x14\x01\x00\x00"));
}

TEST_CASE("message: supported extensions", "[message]")
{
    Message m;
    mcp_message_supported_extensions(&m.msg);
    Octets data = m.end();
    REQUIRE(data.size() > 8);
    Octets kinds(data.begin() + 8, data.end());
    for (__u8 never : {0, 1, 2, 3, 5, 29})
        CHECK(std::count(kinds.begin(), kinds.end(), never) == 0);
    CHECK(std::count(kinds.begin(), kinds.end(), MCP_TCPOPT_MPTCP) == 1);
    // What is announced must be accepted.
    for (__u8 kind : kinds) {
        mcp_endpoint server = v4(SERVER4, 80);
        const __u8 option[] = {kind, 2};
        Message request;
        mcp_message_connect(&request.msg, &server, option, sizeof(option));
        mcp_request req;
        CHECK(decode(request.end(), req) == MCP_DECODE_OK);
        CHECK(req.wanted != 0);
    }
}

TEST_CASE("message: errors, to the octet", "[message]")
{
    CHECK(error_message(MCP_ERR_UNSUPPORTED_VERSION) == TEXT("\x01\x02\x22\x63"
                                                             "\x1e\x01\x00\x01"));
    CHECK(error_message(MCP_ERR_UNSUPPORTED_VERSION, {1, 2}) == TEXT("\x01\x03\x22\x63"
                                                                     "\x1e\x02\x00\x01"
                                                                     "\x02\x00\x00\x00"));
    CHECK(error_message(MCP_ERR_MALFORMED, TEXT("\x01\x01\x22\x63")) == TEXT("\x01\x03\x22\x63"
                                                                             "\x1e\x02\x01\x00"
                                                                             "\x01\x01\x22\x63"));
    CHECK(error_message(MCP_ERR_UNSUPPORTED_MESSAGE, TEXT("\x01\x02\x22\x63\x02\x01\x00\x00")) ==
          TEXT("\x01\x04\x22\x63"
               "\x1e\x03\x02\x00"
               "\x01\x02\x22\x63"
               "\x02\x01\x00\x00"));
    CHECK(error_message(MCP_ERR_MISSING_COOKIE, TEXT("12345678")) == TEXT("\x01\x04\x22\x63"
                                                                          "\x1e\x03\x03\x00"
                                                                          "12345678"));
    CHECK(error_message(MCP_ERR_NOT_AUTHORIZED) == TEXT("\x01\x02\x22\x63"
                                                        "\x1e\x01\x20\x00"));
    CHECK(error_message(MCP_ERR_UNSUPPORTED_OPTION, {29}) == TEXT("\x01\x02\x22\x63"
                                                                  "\x1e\x01\x21\x1d"));
    CHECK(error_message(MCP_ERR_UNSUPPORTED_OPTION, {29, 253}) == TEXT("\x01\x03\x22\x63"
                                                                       "\x1e\x02\x21\x1d"
                                                                       "\xfd\x00\x00\x00"));
    CHECK(error_message(MCP_ERR_RESOURCE_EXCEEDED, {60}) == TEXT("\x01\x02\x22\x63"
                                                                 "\x1e\x01\x40\x3c"));
    CHECK(error_message(MCP_ERR_NETWORK_FAILURE) == TEXT("\x01\x02\x22\x63"
                                                         "\x1e\x01\x41\x00"));
    CHECK(error_message(MCP_ERR_RESET) == TEXT("\x01\x02\x22\x63"
                                               "\x1e\x01\x60\x00"));
    CHECK(error_message(MCP_ERR_UNREACHABLE, {3}) == TEXT("\x01\x02\x22\x63"
                                                          "\x1e\x01\x61\x03"));
}

TEST_CASE("message: an echoed message is cut off where room ends", "[message]")
{
    for (size_t len = 0; len <= MCP_REQUEST_MAX; len++) {
        Octets received(len, 0xee);
        Octets data = error_message(MCP_ERR_MALFORMED, received);
        size_t echoed = std::min<size_t>(len, MCP_CONVERT_MAX - 8);
        REQUIRE(data.size() == 8 + (echoed + 3) / 4 * 4);
        REQUIRE(data[1] == data.size() / 4);
        REQUIRE(data[5] == data.size() / 4 - 1);
        REQUIRE(static_cast<size_t>(std::count(data.begin() + 8, data.end(), 0xee)) == echoed);
    }
    for (size_t size = 0; size < 64; size++) {
        INFO(size);
        Octets data = error_message(MCP_ERR_UNSUPPORTED_MESSAGE, Octets(40, 0xee), size);
        CHECK(data.size() == (size < 8 ? 0 : std::min<size_t>(size / 4 * 4, 48)));
    }
}

TEST_CASE("message: what does not fit is noticed", "[message]")
{
    mcp_endpoint server = v6(SERVER6, 443);
    const Octets options = {0x1e, 2, 0x22, 2};
    for (size_t size = 0; size <= 48; size++) {
        INFO(size);
        Message m(size);
        mcp_message_info(&m.msg);
        mcp_message_connect(&m.msg, &server, options.data(), options.size());
        mcp_message_cookie(&m.msg, OCTETS("12345678"), 8);
        CHECK(m.end().size() == (size < 44 ? 0 : 44));
    }
    {
        // After something too large, even what would fit is not sent.
        Message m(16);
        mcp_message_connect(&m.msg, &server, nullptr, 0);
        mcp_message_info(&m.msg);
        CHECK(mcp_message_end(&m.msg) == -EMSGSIZE);
    }
    {
        Message m;
        CHECK(mcp_message_end(&m.msg) == -EMSGSIZE);
    }
    {
        mcp_endpoint nobody{};
        Message m;
        mcp_message_connect(&m.msg, &nobody, nullptr, 0);
        CHECK(mcp_message_end(&m.msg) == -EMSGSIZE);
    }
}

TEST_CASE("message: the largest ones", "[message]")
{
    for (size_t len = 1008; len <= 1030; len++) {
        INFO(len);
        Octets value(len, 0xcc);
        Message cookie(2048);
        mcp_message_cookie(&cookie.msg, value.data(), value.size());
        // Header and TLV header take 8 octets.
        CHECK(cookie.end().size() == (len <= 1012 ? (8 + len + 3) / 4 * 4 : 0));
    }
    for (size_t len : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4, SIZE_MAX / 2}) {
        mcp_endpoint server = v6(SERVER6, 443);
        __u8 octet = 0;
        Message a;
        mcp_message_cookie(&a.msg, &octet, len);
        CHECK(mcp_message_end(&a.msg) == -EMSGSIZE);
        Message b;
        mcp_message_connect(&b.msg, &server, &octet, len);
        CHECK(mcp_message_end(&b.msg) == -EMSGSIZE);
        Message c;
        mcp_message_error(&c.msg, MCP_ERR_UNSUPPORTED_OPTION, &octet, len);
        CHECK(mcp_message_end(&c.msg) == -EMSGSIZE);
    }
}

// ------------------------------------------------------------ what an MCP answers

namespace {

mcp_decode read_answer(const Octets& data, mcp_answer& answer)
{
    auto block = std::make_unique<__u8[]>(data.size());
    std::copy(data.begin(), data.end(), block.get());
    memset(&answer, 0xa5, sizeof(answer));
    return mcp_answer_decode(block.get(), data.size(), &answer);
}

} // namespace

TEST_CASE("answer: what a message of ours says is what is read", "[answer]")
{
    mcp_answer answer;
    Message connected;
    mcp_message_supported_extensions(&connected.msg);
    mcp_message_extended_tcp_header(&connected.msg, OCTETS("\2\4\5\264"), 4);
    const Octets data = connected.end();
    CHECK(read_answer(data, answer) == MCP_DECODE_OK);
    CHECK(answer.connected);
    CHECK_FALSE(answer.failed);
    CHECK(answer.len == data.size());

    for (const auto& [code, value] : {std::pair(MCP_ERR_RESET, 0),
                                      {MCP_ERR_UNREACHABLE, 13},
                                      {MCP_ERR_NOT_AUTHORIZED, 0},
                                      {MCP_ERR_RESOURCE_EXCEEDED, 30}}) {
        INFO(code);
        const __u8 octet = static_cast<__u8>(value);
        Message error;
        mcp_message_error(&error.msg, code, &octet, value ? 1 : 0);
        CHECK(read_answer(error.end(), answer) == MCP_DECODE_OK);
        CHECK(answer.failed);
        CHECK_FALSE(answer.connected);
        CHECK(answer.code == code);
        CHECK(answer.value == value);
        CHECK(answer.cookie_len == 0);
    }
    Message cookie;
    mcp_message_error(&cookie.msg, MCP_ERR_MISSING_COOKIE, OCTETS("cookies!"), 8);
    const Octets sent = cookie.end();
    CHECK(read_answer(sent, answer) == MCP_DECODE_OK);
    CHECK(answer.code == MCP_ERR_MISSING_COOKIE);
    REQUIRE(answer.cookie_len == 8);
    CHECK(Octets(sent.begin() + answer.cookie_off, sent.begin() + answer.cookie_off + 8) ==
          TEXT("cookies!"));
}

TEST_CASE("answer: how much is to be read", "[answer]")
{
    Message connected;
    mcp_message_extended_tcp_header(&connected.msg, OCTETS("\2\4\5\264"), 4);
    const Octets data = connected.end();
    mcp_answer answer;

    for (size_t size = 0; size < data.size(); size++) {
        INFO(size);
        CHECK(read_answer(Octets(data.begin(), data.begin() + static_cast<long>(size)), answer) ==
              MCP_DECODE_MORE);
        CHECK(answer.need == (size < 4 ? 4 : data.size()));
    }
    Octets longer = data;
    longer.push_back('x');
    CHECK(read_answer(longer, answer) == MCP_DECODE_OK);
    CHECK(answer.len == data.size());
}

TEST_CASE("answer: what is none", "[answer]")
{
    mcp_answer answer;
    const Octets none[] = {
        TEXT("HTTP"),                   // something else
        TEXT("\1\0\x22\x63"),           // total length 0
        TEXT("\1\1\x22\x63"),           // no TLV
        TEXT("\2\2\x22\x63\x14\1\0\0"), // another version
        TEXT("\1\2\x22\x64\x14\1\0\0"), // another magic number
        TEXT("\1\2\x22\x63\x14\0\0\0"), // a TLV of length 0
        TEXT("\1\2\x22\x63\x14\2\0\0"), // one that is longer than the message
        TEXT("\1\2\x22\x63\x15\1\0\0"), // neither accepted nor failed
    };
    for (const Octets& data : none)
        CHECK(read_answer(data, answer) == MCP_DECODE_NONE);
}
