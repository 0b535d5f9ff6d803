// SPDX-License-Identifier: GPL-2.0
//
// What an MCP reads: both request formats.
#include "pure.hpp"

#include <catch2/catch.hpp>

namespace {

std::string hex(const Octets& data)
{
    std::string text;
    for (__u8 octet : data) {
        text += "0123456789abcdef"[octet >> 4];
        text += "0123456789abcdef"[octet & 15];
    }
    return text;
}

bool same(const mcp_endpoint& got, const mcp_endpoint& want)
{
    return mcp_endpoint_equal(&got, &want);
}

Octets vector_octets(const mcp_request_vector& vector)
{
    return octets(vector.octets, vector.octets_len);
}

Octets concat(std::initializer_list<Octets> parts)
{
    Octets all;
    for (const Octets& part : parts)
        all.insert(all.end(), part.begin(), part.end());
    return all;
}

/// An element with as many octets as its length asks for, padded; 0x11 each.
Octets element(__u8 type, __u8 length, __u16 flags)
{
    Octets data = {0xfa, 0xa8, 0xfa, 0xa8, type, length};
    data.push_back(static_cast<__u8>(flags >> 8));
    data.push_back(static_cast<__u8>(flags));
    size_t size = 4 + (length + 3u) / 4 * 4;
    while (data.size() < size)
        data.push_back(0x11);
    return data;
}

Octets header(size_t total)
{
    return {1, static_cast<__u8>(total), 0x22, 0x63};
}

Octets tlv(__u8 type, size_t words, __u8 fill = 0)
{
    Octets data = {type, static_cast<__u8>(words)};
    data.resize(words * 4, fill);
    return data;
}

Octets connect(const Octets& options = {})
{
    Octets data = tlv(MCP_TLV_CONNECT, 5 + options.size() / 4);
    const char* peer = "\x00\x50" MAPPED SERVER4;
    std::copy(peer, peer + 18, data.begin() + 2);
    std::copy(options.begin(), options.end(), data.begin() + 20);
    return data;
}

Octets message(const Octets& tlvs)
{
    return header(1 + tlvs.size() / 4) + tlvs;
}

bool is_form(unsigned length)
{
    return length == 8 || length == 10 || length == 20 || length == 22;
}

} // namespace

TEST_CASE("convert: vectors", "[convert]")
{
    for (const auto& vector : mcp_request_vectors) {
        INFO(vector.name << ": " << hex(vector_octets(vector)));
        mcp_request req;
        mcp_decode verdict = decode(vector_octets(vector), req);
        REQUIRE(verdict == vector.verdict);

        switch (verdict) {
        case MCP_DECODE_OK:
            CHECK(req.len == vector.n);
            CHECK(same(req.server, mcp_vector_endpoint(&vector.server)));
            CHECK(same(req.origin, mcp_vector_endpoint(&vector.origin)));
            CHECK(req.wanted == vector.wanted);
            CHECK(req.info == vector.info);
            CHECK(req.has_cookie == (vector.cookie_len >= 0));
            if (req.has_cookie)
                CHECK(req.cookie_len == vector.cookie_len);
            CHECK(req.bad_options_len == 0);
            break;
        case MCP_DECODE_MORE:
            CHECK(req.need == vector.n);
            break;
        case MCP_DECODE_ERROR:
            CHECK(req.error == vector.n);
            CHECK(req.codec == MCP_CODEC_CONVERT);
            CHECK(req.len <= vector.octets_len);
            break;
        case MCP_DECODE_NONE:
            CHECK(req.codec == MCP_CODEC_NONE);
            break;
        case MCP_DECODE_RESET:
            break;
        }
    }
}

TEST_CASE("convert: a request cut short anywhere", "[convert]")
{
    for (const auto& vector : mcp_request_vectors) {
        if (vector.verdict != MCP_DECODE_OK)
            continue;
        INFO(vector.name);
        for (size_t len = 0; len < vector.n; len++) {
            INFO(len << " octets");
            mcp_request req;
            REQUIRE(decode(octets(vector.octets, len), req) == MCP_DECODE_MORE);
            CHECK(req.need > len);
            CHECK(req.need <= vector.n);
        }
    }
}

TEST_CASE("convert: a stream's reader reads the request and nothing else", "[convert]")
{
    for (const auto& vector : mcp_request_vectors) {
        if (vector.verdict == MCP_DECODE_MORE)
            continue;
        INFO(vector.name);
        Octets all = vector_octets(vector);
        size_t have = std::min<size_t>(4, all.size());
        int calls = 1;
        mcp_request req;
        mcp_decode verdict;
        while ((verdict = decode(octets(all.data(), have), req)) == MCP_DECODE_MORE) {
            REQUIRE(req.need > have);
            REQUIRE(have < all.size());
            have = std::min<size_t>(req.need, all.size());
            calls++;
        }
        CHECK(verdict == vector.verdict);
        CHECK(calls <= 6); // twice magic, head, address
        if (verdict == MCP_DECODE_OK)
            CHECK(have == req.len);
    }
}

TEST_CASE("convert: what follows a request does not change it", "[convert]")
{
    for (const auto& vector : mcp_request_vectors) {
        if (vector.verdict != MCP_DECODE_OK)
            continue;
        INFO(vector.name);
        Octets alone = octets(vector.octets, vector.n);
        mcp_request req;
        mcp_request with_data;
        REQUIRE(decode(alone, req) == MCP_DECODE_OK);
        for (__u8 fill : {0x00, 0x01, 0x0a, 0xfa, 0xff}) {
            REQUIRE(decode(alone + Octets(1400, fill), with_data) == MCP_DECODE_OK);
            CHECK(memcmp(&req, &with_data, sizeof(req)) == 0);
        }
    }
}

TEST_CASE("convert: one element, every length and all flags", "[convert]")
{
    for (unsigned length = 0; length < 256; length++) {
        for (__u16 flags = 0; flags < 4; flags++) {
            bool m = flags & 1;
            bool d = flags & 2;
            INFO("length " << length << " D " << d << " M " << m);
            Octets data = element(0, static_cast<__u8>(length), flags);
            data.resize(std::max<size_t>(data.size(), 8));
            mcp_request req;
            mcp_decode verdict = decode(data, req);
            CHECK(req.codec == MCP_CODEC_MP_CONVERT);
            if (!is_form(length)) {
                CHECK(verdict == MCP_DECODE_RESET);
            } else if (!m) {
                CHECK(verdict == MCP_DECODE_MORE);
                CHECK(req.need == data.size() + 4);
            } else if (d) {
                CHECK(verdict == MCP_DECODE_RESET);
            } else {
                CHECK(verdict == MCP_DECODE_OK);
                CHECK(req.len == data.size());
                CHECK(req.server.family == (length >= 20 ? AF_INET6 : AF_INET));
                CHECK(ntohs(req.server.port) ==
                      (length == 10 || length == 22 ? 0x1111 : MCP_VECTOR_SYN_PORT));
            }
        }
    }
}

TEST_CASE("convert: two elements, every combination", "[convert]")
{
    for (__u8 length1 : {8, 10, 20, 22}) {
        for (__u8 length2 : {8, 10, 20, 22}) {
            for (unsigned flags = 0; flags < 16; flags++) {
                __u16 flags1 = flags & 3;
                __u16 flags2 = static_cast<__u16>(flags >> 2);
                Octets first = element(0, length1, flags1);
                Octets both = first + element(0, length2, flags2);
                INFO(hex(both));
                mcp_request req;
                mcp_decode verdict = decode(both, req);
                if (flags1 & 1) { // the first is the last: the rest is data
                    CHECK(verdict == (flags1 & 2 ? MCP_DECODE_RESET : MCP_DECODE_OK));
                    if (verdict == MCP_DECODE_OK)
                        CHECK(req.len == first.size());
                } else if ((flags1 & 2) == (flags2 & 2) || !(flags2 & 1)) {
                    CHECK(verdict == MCP_DECODE_RESET);
                } else {
                    CHECK(verdict == MCP_DECODE_OK);
                    CHECK(req.len == both.size());
                    __u8 server = flags1 & 2 ? length2 : length1;
                    __u8 origin = flags1 & 2 ? length1 : length2;
                    CHECK(req.server.family == (server >= 20 ? AF_INET6 : AF_INET));
                    CHECK(req.origin.family == (origin >= 20 ? AF_INET6 : AF_INET));
                    CHECK((req.origin.port != 0) == (origin == 10 || origin == 22));
                }
            }
        }
    }
}

TEST_CASE("convert: reserved bits are ignored", "[convert]")
{
    for (unsigned flags = 0; flags < 65536; flags++) {
        mcp_request req;
        mcp_request plain;
        mcp_decode verdict = decode(element(0, 8, static_cast<__u16>(flags)), req);
        if (verdict != decode(element(0, 8, flags & 3), plain) ||
            memcmp(&req, &plain, sizeof(req)) != 0)
            FAIL("flags " << flags);
    }
    SUCCEED();
}

TEST_CASE("convert: element types", "[convert]")
{
    for (unsigned type = 0; type < 256; type++) {
        INFO(type);
        mcp_request req;
        CHECK(decode(element(static_cast<__u8>(type), 8, 1), req) ==
              (type ? MCP_DECODE_RESET : MCP_DECODE_OK));
    }
}

TEST_CASE("convert: no destination port", "[convert]")
{
    mcp_request req;
    CHECK(decode(element(0, 8, 1), req, 0) == MCP_DECODE_RESET);
    CHECK(decode(element(0, 10, 1), req, 0) == MCP_DECODE_OK);
}

TEST_CASE("convert: every first four octets that are near a magic", "[convert]")
{
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned octet = 0; octet < 256; octet++) {
            Octets convert = {1, 1, 0x22, 0x63};
            Octets plain = {0xfa, 0xa8, 0xfa, 0xa8};
            convert[place] = plain[place] = static_cast<__u8>(octet);
            INFO(hex(convert) << " " << hex(plain));
            mcp_request req;
            mcp_decode verdict = decode(convert, req);
            if (place >= 2 && octet != (place == 2 ? 0x22 : 0x63))
                CHECK(verdict == MCP_DECODE_NONE);
            else
                CHECK(req.codec == MCP_CODEC_CONVERT);
            verdict = decode(plain, req);
            bool magic = plain == Octets{0xfa, 0xa8, 0xfa, 0xa8};
            CHECK(verdict == (magic ? MCP_DECODE_MORE : MCP_DECODE_NONE));
        }
    }
}

TEST_CASE("convert: every version and total length", "[convert]")
{
    for (unsigned version = 0; version < 256; version++) {
        for (unsigned total = 0; total < 256; total++) {
            Octets data = {static_cast<__u8>(version), static_cast<__u8>(total), 0x22, 0x63};
            INFO(hex(data));
            mcp_request req;
            mcp_decode verdict = decode(data, req);
            if (version != 1) {
                CHECK(verdict == MCP_DECODE_ERROR);
                CHECK(req.error == MCP_ERR_UNSUPPORTED_VERSION);
            } else if (total == 0) {
                CHECK(verdict == MCP_DECODE_RESET);
            } else if (total == 1) {
                CHECK(verdict == MCP_DECODE_ERROR);
                CHECK(req.error == MCP_ERR_MALFORMED);
            } else {
                CHECK(verdict == MCP_DECODE_MORE);
                CHECK(req.need == total * 4);
            }
        }
    }
}

TEST_CASE("convert: a Connect and a Cookie of every size", "[convert]")
{
    for (size_t words = 1; words <= 249; words++) {
        INFO(words);
        Octets data = message(connect() + tlv(MCP_TLV_COOKIE, words, 0xc0));
        mcp_request req;
        REQUIRE(decode(data, req) == MCP_DECODE_OK);
        CHECK(req.len == data.size());
        CHECK(req.cookie_off == 28);
        CHECK(req.cookie_len == words * 4 - 4);

        // Total Length one word too small for the TLVs, which leaves the
        // Connect alone if there is but one; then one too large.
        data[1]--;
        REQUIRE(decode(data, req) == (words == 1 ? MCP_DECODE_OK : MCP_DECODE_ERROR));
        if (words > 1)
            CHECK(req.error == MCP_ERR_MALFORMED);
        data[1] += 2;
        data.resize(data.size() + 4);
        if (data[1] == 0)
            continue;
        REQUIRE(decode(data, req) == MCP_DECODE_ERROR);
        CHECK(req.error == MCP_ERR_UNSUPPORTED_MESSAGE);
    }
}

TEST_CASE("convert: every TLV type and length behind a Connect", "[convert]")
{
    for (unsigned type = 0; type < 256; type++) {
        for (unsigned length = 0; length < 256; length++) {
            size_t words = std::clamp(length, 1u, 249u);
            Octets last = tlv(static_cast<__u8>(type), words);
            last[1] = static_cast<__u8>(length);
            mcp_request req;
            mcp_decode verdict = decode(message(connect() + last), req);
            INFO("type " << type << " length " << length);

            int want = -1;
            if (type == 0)
                want = MCP_ERR_UNSUPPORTED_MESSAGE;
            else if (length != words || type == MCP_TLV_CONNECT)
                want = MCP_ERR_MALFORMED;
            else if (type == MCP_TLV_INFO && length != 1)
                want = MCP_ERR_MALFORMED;
            else if (type != MCP_TLV_INFO && type != MCP_TLV_COOKIE)
                want = MCP_ERR_UNSUPPORTED_MESSAGE;
            CHECK(verdict == (want < 0 ? MCP_DECODE_OK : MCP_DECODE_ERROR));
            if (want >= 0)
                CHECK(req.error == want);
        }
    }
}

TEST_CASE("convert: all orders and multiplicities of three TLVs", "[convert]")
{
    const std::vector<Octets> kinds = {{}, tlv(MCP_TLV_INFO, 1), connect(), tlv(MCP_TLV_COOKIE, 3)};
    for (int a = 0; a < 4; a++) {
        for (int b = 0; b < 4; b++) {
            for (int c = 0; c < 4; c++) {
                INFO(a << b << c);
                bool repeated = (a && (a == b || a == c)) || (b && b == c);
                bool asks = a == 1 || b == 1 || c == 1 || a == 2 || b == 2 || c == 2;
                mcp_request req;
                mcp_decode verdict = decode(message(concat({kinds[a], kinds[b], kinds[c]})), req);
                if (repeated || !asks) {
                    REQUIRE(verdict == MCP_DECODE_ERROR);
                    CHECK(req.error == MCP_ERR_MALFORMED);
                } else {
                    REQUIRE(verdict == MCP_DECODE_OK);
                    CHECK(req.info == (a == 1 || b == 1 || c == 1));
                    CHECK((req.server.family == AF_INET) == (a == 2 || b == 2 || c == 2));
                    CHECK(req.has_cookie == (a == 3 || b == 3 || c == 3));
                }
            }
        }
    }
}

TEST_CASE("convert: every option kind and length in Connect", "[convert]")
{
    for (unsigned kind = 0; kind < 256; kind++) {
        for (unsigned length = 0; length < 256; length++) {
            Octets options(64, MCP_TCPOPT_NOP);
            options[0] = static_cast<__u8>(kind);
            options[1] = static_cast<__u8>(length);
            // Kinds 0 and 1 have no length octet: what is there is a kind.
            if (kind < 2 && length > 3 && length != MCP_TCPOPT_SACK)
                continue;
            mcp_request req;
            mcp_decode verdict = decode(message(connect(options)), req);
            INFO("kind " << kind << " length " << length);

            int want = -1;
            __u8 wanted = 0;
            if (kind >= 2 && (length < 2 || length > options.size()))
                want = MCP_ERR_MALFORMED;
            else if (kind < 2 && length >= 2) // MSS, WS, SACK of length 1
                want = MCP_ERR_MALFORMED;
            else if (kind <= 3 || kind == 5)
                wanted = 0;
            else if (kind == 4 && length == 2)
                wanted = MCP_WANTED_SACK_PERM;
            else if (kind == 8 && length == 2)
                wanted = MCP_WANTED_TIMESTAMP;
            else if (kind == 30 && length == 2)
                wanted = MCP_WANTED_MPTCP;
            else if (kind == 34 && length <= 18)
                wanted = MCP_WANTED_TFO;
            else
                want = MCP_ERR_UNSUPPORTED_OPTION;

            REQUIRE(verdict == (want < 0 ? MCP_DECODE_OK : MCP_DECODE_ERROR));
            if (want >= 0)
                CHECK(req.error == want);
            if (want == MCP_ERR_MALFORMED)
                continue;
            CHECK(req.options_off == 24);
            CHECK(req.options_len == options.size());
            if (want < 0)
                CHECK(req.wanted == wanted);
            if (want == MCP_ERR_UNSUPPORTED_OPTION) {
                CHECK(req.bad_options_len == 1);
                CHECK(req.bad_options[0] == kind);
                CHECK(req.server.family == AF_INET);
            }
            if (wanted == MCP_WANTED_TFO) {
                CHECK(req.tfo_off == 24);
                CHECK(req.tfo_len == length);
            }
        }
    }
}

TEST_CASE("convert: kinds that cannot be sent are listed once each", "[convert]")
{
    Octets options;
    for (__u8 kind : {29, 253, 29, 4, 14, 253})
        options.insert(options.end(), {kind, 2});
    mcp_request req;
    REQUIRE(decode(message(connect(options) + tlv(MCP_TLV_COOKIE, 3)), req) == MCP_DECODE_ERROR);
    CHECK(req.error == MCP_ERR_UNSUPPORTED_OPTION);
    CHECK(octets(req.bad_options, req.bad_options_len) == Octets{29, 253, 14});
    CHECK(req.wanted == MCP_WANTED_SACK_PERM);
    // What follows is still read: access policy and cookie come first.
    CHECK(req.has_cookie);

    options.clear();
    for (unsigned kind = 100; kind < 200; kind++)
        options.insert(options.end(), {static_cast<__u8>(kind), 2});
    REQUIRE(decode(message(connect(options)), req) == MCP_DECODE_ERROR);
    CHECK(req.bad_options_len == MCP_BAD_OPTIONS_MAX);
    CHECK(req.bad_options[MCP_BAD_OPTIONS_MAX - 1] == 100 + MCP_BAD_OPTIONS_MAX - 1);
}
