// SPDX-License-Identifier: GPL-2.0-only
#include "peer.h"

#include "duration.h"
#include "list.h"
#include "options.h"
#include "session.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <limits>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

constexpr size_t name_max = 31;
constexpr size_t cookie_max = 64;

constexpr std::array<std::string_view, MCP_PEER_PLAIN + 1> states = {"unknown", "up", "down",
                                                                     "not-converting"};
constexpr std::array<std::string_view, 3> codecs = {"mp-convert", "convert", "implicit"};

std::string format_cookie(const std::vector<uint8_t>& cookie)
{
    std::string text;

    for (const uint8_t octet : cookie)
        text += fmt::format("{:02x}", octet);
    return text;
}

Result<std::vector<uint8_t>> parse_cookie(const std::string& text)
{
    static constexpr std::string_view digits = "0123456789abcdef";
    const auto value = [](char c) {
        return digits.find(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
    };
    std::vector<uint8_t> cookie;

    for (size_t i = 0; i + 1 < text.size(); i += 2) {
        const size_t high = value(text[i]);
        const size_t low = value(text[i + 1]);

        if (high == std::string_view::npos || low == std::string_view::npos)
            break;
        cookie.push_back(static_cast<uint8_t>(high * 16 + low));
    }
    if (cookie.empty() || cookie.size() * 2 != text.size() || cookie.size() > cookie_max)
        return usage_error(fmt::format(
            "cookie: '{}' is not 1 to {} octets of two digits 0-9a-f each", text, cookie_max));
    return cookie;
}

Result<uint16_t> parse_port(const std::string& text)
{
    const Result<uint64_t> number = parse_number(text);

    if (!number || *number < 1 || *number > 65'535)
        return usage_error(fmt::format("port: '{}' is not a port: 1 to 65535", text));
    return static_cast<uint16_t>(*number);
}

Status parse_addition(Words& words, Peer& peer)
{
    static constexpr Option options[] = {{"port", "a port number"},
                                         {"codec", "mp-convert, convert or implicit"},
                                         {"prio", "a number"},
                                         {"cookie", "octets in hexadecimal"},
                                         {"origin", ""}};
    const auto values = parse_options(words, options);
    if (!values)
        return values.error();

    if (const auto& text = (*values)[0]) {
        const Result<uint16_t> port = parse_port(*text);

        if (!port)
            return port.error();
        peer.port = *port;
    }
    if (const auto& text = (*values)[1]) {
        const Result<size_t> index = match_word(*text, codecs, "codec");

        if (!index)
            return index.error();
        peer.codec = static_cast<uint8_t>(MCP_CODEC_MP_CONVERT + *index);
    }
    if (const auto& text = (*values)[2]) {
        const Result<uint64_t> number = parse_number(*text);

        if (!number || *number > std::numeric_limits<uint32_t>::max())
            return usage_error(fmt::format("prio: '{}' is not a number: 0 to {}", *text,
                                           std::numeric_limits<uint32_t>::max()));
        peer.prio = static_cast<uint32_t>(*number);
    }
    if (const auto& text = (*values)[3]) {
        const Result<std::vector<uint8_t>> cookie = parse_cookie(*text);

        if (!cookie)
            return cookie.error();
        peer.cookie = *cookie;
    }
    peer.origin = (*values)[4].has_value();
    return {};
}

Status change(const Result<Peer>& peer, uint8_t command)
{
    if (!peer)
        return peer.error();
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(command);
    put_peer(message, *peer);
    Status status = module->request(message);
    if (status)
        return status;

    Error error = std::move(status.error());
    if (error.kernel_errno == EEXIST)
        error.message = fmt::format(
            "{} is there already; to change it, 'mptcpproxyctl peer del {} {}' first",
            format_peer({.name = peer->name, .address = peer->address, .port = peer->port}),
            peer->name, format_address(*peer->address));
    else if (error.kernel_errno == ENOENT)
        error.message = fmt::format(
            "no peer {}: see 'mptcpproxyctl peer show'",
            format_peer({.name = peer->name, .address = peer->address, .port = peer->port}));
    return error;
}

Status add(Words& words, Output&)
{
    return change(parse_peer(words, true), MCP_CMD_PEER_ADD);
}

Status del(Words& words, Output&)
{
    return change(parse_peer(words, false), MCP_CMD_PEER_DEL);
}

Status show(Words& words, Output& output)
{
    return show_list(words, output, list_peers, format_peer, peer_json);
}

Status flush(Words& words, Output&)
{
    return send_plain(words, MCP_CMD_PEER_FLUSH);
}

constexpr Command commands[] = {
    {"show", "", "list the peers, and how they do", show},
    {"add",
     "NAME ADDRESS [port N] [codec mp-convert|convert|implicit] [prio N] [cookie HEX] [origin]",
     "let this MCP dial for ours", add},
    {"del", "NAME [ADDRESS [port N]]", "no longer dial it; its connections go on", del},
    {"flush", "", "forget all peers", flush},
};

std::string details()
{
    return "Peers of one NAME stand in for each other: the one with the least 'prio' is dialled\n"
           "first, and one that fails is left alone for the setting 'peer-retry'. 'codec' is how\n"
           "a peer is asked, 'origin' tells it the address of the host whose connection it is.\n";
}

} // namespace

const Object peer_object = {"peer", "other MCPs that dial for this one", commands, details};

std::string peer_state_name(uint8_t state)
{
    if (state < states.size())
        return std::string(states[state]);
    return fmt::format("unknown({})", state);
}

Result<std::string> parse_peer_name(const std::string& text)
{
    const auto fits = [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    };
    if (text.empty() || text.size() > name_max || !std::all_of(text.begin(), text.end(), fits))
        return usage_error(fmt::format(
            "'{}' is not a peer's name: it has 1 to {} of A-Z a-z 0-9 . _ -", text, name_max));
    if (text == "direct")
        return usage_error("'direct' stands for this MCP itself: give the peer another name");
    return text;
}

Result<Peer> parse_peer(Words& words, bool whole)
{
    if (words.empty())
        return usage_error("a NAME is missing");
    const Result<std::string> name = parse_peer_name(words.next());
    if (!name)
        return name.error();

    Peer peer{.name = *name};
    if (words.empty()) {
        if (whole)
            return usage_error("an ADDRESS is missing");
        return peer;
    }
    const Result<Address> address = parse_address(words.next());
    if (!address)
        return address.error();
    peer.address = *address;
    if (whole) {
        if (Status status = parse_addition(words, peer); !status)
            return status.error();
        return peer;
    }
    const auto text = words.finish_with("port", "a port number");
    if (!text)
        return text.error();
    if (*text) {
        const Result<uint16_t> port = parse_port(**text);

        if (!port)
            return port.error();
        peer.port = *port;
    }
    return peer;
}

void put_peer(Message& message, const Peer& peer)
{
    const Message::Nest nest(message, MCP_A_PEER);

    message.put_string(MCP_PEER_A_NAME, peer.name);
    if (peer.address) {
        message.put_u16(MCP_PEER_A_FAMILY, peer.address->family);
        message.put_bytes(MCP_PEER_A_ADDR, peer.address->bytes());
    }
    if (peer.port)
        message.put_be16(MCP_PEER_A_PORT, *peer.port);
    if (peer.codec)
        message.put_u8(MCP_PEER_A_CODEC, *peer.codec);
    if (peer.prio)
        message.put_u32(MCP_PEER_A_PRIO, *peer.prio);
    if (!peer.cookie.empty())
        message.put_bytes(MCP_PEER_A_COOKIE, peer.cookie);
    if (peer.origin)
        message.put_flag(MCP_PEER_A_ORIGIN);
}

Result<Peer> decode_peer(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_PEER, "peer");
    if (!nest)
        return nest.error();

    Attributes<MCP_PEER_A_MAX>::Kinds kinds = {};
    kinds[MCP_PEER_A_NAME] = Kind::string;
    kinds[MCP_PEER_A_FAMILY] = Kind::u16;
    kinds[MCP_PEER_A_PORT] = Kind::u16;
    kinds[MCP_PEER_A_CODEC] = Kind::u8;
    kinds[MCP_PEER_A_PRIO] = Kind::u32;
    kinds[MCP_PEER_A_ORIGIN] = Kind::flag;
    kinds[MCP_PEER_A_STATE] = Kind::u8;
    kinds[MCP_PEER_A_LEFT] = Kind::u32;
    for (const int count : {MCP_PEER_A_DIALS, MCP_PEER_A_ACCEPTED, MCP_PEER_A_REFUSED,
                            MCP_PEER_A_FAILED, MCP_PEER_A_LATE})
        kinds[count] = Kind::u64;
    const auto attributes = Attributes<MCP_PEER_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();

    const auto name = attributes->string(MCP_PEER_A_NAME);
    const auto family = attributes->u16(MCP_PEER_A_FAMILY);
    const auto octets = attributes->bytes(MCP_PEER_A_ADDR);
    if (!name || !family || !octets)
        return failure("the kernel sent a peer without a name or an address");
    const auto address = Address::from_bytes(*family, *octets);
    if (!address)
        return failure("the kernel sent a peer whose address does not fit its family");
    const auto cookie = attributes->bytes(MCP_PEER_A_COOKIE);

    return Peer{.name = *name,
                .address = *address,
                .port = attributes->be16(MCP_PEER_A_PORT),
                .codec = attributes->u8(MCP_PEER_A_CODEC),
                .prio = attributes->u32(MCP_PEER_A_PRIO),
                .cookie = cookie ? std::vector<uint8_t>(cookie->begin(), cookie->end())
                                 : std::vector<uint8_t>(),
                .origin = attributes->has(MCP_PEER_A_ORIGIN),
                .state = attributes->u8(MCP_PEER_A_STATE),
                .left_ms = attributes->u32(MCP_PEER_A_LEFT),
                .dials = attributes->u64(MCP_PEER_A_DIALS),
                .accepted = attributes->u64(MCP_PEER_A_ACCEPTED),
                .refused = attributes->u64(MCP_PEER_A_REFUSED),
                .failed = attributes->u64(MCP_PEER_A_FAILED),
                .late = attributes->u64(MCP_PEER_A_LATE)};
}

std::string format_peer(const Peer& peer)
{
    std::string text = peer.name;
    const auto put = [&text](std::string_view key, const auto& value) {
        if (value)
            text += fmt::format(" {} {}", key, *value);
    };

    if (peer.address)
        text += ' ' + format_address(*peer.address);
    put("port", peer.port);
    if (peer.codec)
        text += " codec " + codec_name(*peer.codec);
    put("prio", peer.prio);
    if (!peer.cookie.empty())
        text += " cookie " + format_cookie(peer.cookie);
    if (peer.origin)
        text += " origin";
    if (peer.state)
        text += " state " + peer_state_name(*peer.state);
    if (peer.left_ms)
        text += " for " + format_age(*peer.left_ms);
    put("dials", peer.dials);
    put("accepted", peer.accepted);
    put("refused", peer.refused);
    put("failed", peer.failed);
    put("late", peer.late);
    return text;
}

Json peer_json(const Peer& peer)
{
    Json json = {{"name", peer.name}};
    const auto put = [&json](const char* key, const auto& value) {
        if (value)
            json[key] = *value;
    };

    if (peer.address)
        json["address"] = format_address(*peer.address);
    put("port", peer.port);
    if (peer.codec)
        json["codec"] = codec_name(*peer.codec);
    put("prio", peer.prio);
    if (!peer.cookie.empty())
        json["cookie"] = format_cookie(peer.cookie);
    if (peer.origin)
        json["origin"] = true;
    if (peer.state)
        json["state"] = peer_state_name(*peer.state);
    put("left_ms", peer.left_ms);
    put("dials", peer.dials);
    put("accepted", peer.accepted);
    put("refused", peer.refused);
    put("failed", peer.failed);
    put("late", peer.late);
    return json;
}

Result<std::vector<Peer>> list_peers(Module& module)
{
    return module.dump<Peer>(MCP_CMD_PEER_GET, decode_peer);
}

} // namespace mcp
