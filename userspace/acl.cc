// SPDX-License-Identifier: GPL-2.0-only
#include "acl.h"

#include "list.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <net/if.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace mcp {

namespace {

constexpr PrefixTypes prefix_types = {MCP_ACL_A_FAMILY, MCP_ACL_A_ADDR, MCP_ACL_A_PREFIXLEN};
constexpr PrefixTypes origin_types = {MCP_PREFIX_A_FAMILY, MCP_PREFIX_A_ADDR,
                                      MCP_PREFIX_A_PREFIXLEN};

bool means_all(std::string_view word)
{
    return word == "all" || word == "any" || word == "default";
}

// What an entry is known by.
std::string format_key(const AclEntry& entry)
{
    return format_acl({.prefix = entry.prefix, .interface = entry.interface});
}

Result<std::string> parse_interface(const std::string& text)
{
    if (text.empty() || text.size() >= IFNAMSIZ)
        return usage_error(fmt::format("'{}' is not an interface name: it has 1 to {} letters",
                                       text, IFNAMSIZ - 1));
    return text;
}

// Reads "[dev IFACE] [origin PREFIX]", in any order, into every entry.
Status parse_rest(Words& words, bool with_origin, std::vector<AclEntry>& entries)
{
    static constexpr std::string_view keywords[] = {"dev", "origin"};
    std::optional<std::string> interface;
    std::optional<Prefix> origin;

    while (!words.empty()) {
        const std::string word = words.next();
        const Result<size_t> index =
            match_word(word, std::span(keywords).first(with_origin ? 2 : 1), "word");

        if (!index)
            return index.error();
        if (*index == 0 ? interface.has_value() : origin.has_value())
            return usage_error(fmt::format("'{}' is one word too many", word));
        const Result<std::string> text =
            words.value(keywords[*index], *index == 0 ? "an interface name" : "a PREFIX");
        if (!text)
            return text.error();
        if (*index == 0) {
            const Result<std::string> name = parse_interface(*text);

            if (!name)
                return name.error();
            interface = *name;
        } else {
            const Result<Prefix> prefix = parse_prefix(*text);

            if (!prefix)
                return prefix.error();
            origin = *prefix;
        }
    }
    for (AclEntry& entry : entries) {
        entry.interface = interface;
        entry.origin = origin;
    }
    return {};
}

Result<std::optional<Prefix>> decode_origin(const nlattr* nest)
{
    Attributes<MCP_PREFIX_A_MAX>::Kinds kinds = {};

    if (!nest)
        return std::optional<Prefix>();
    kinds[MCP_PREFIX_A_FAMILY] = Kind::u16;
    kinds[MCP_PREFIX_A_PREFIXLEN] = Kind::u8;
    const auto attributes = Attributes<MCP_PREFIX_A_MAX>::parse(nest, kinds);
    if (!attributes)
        return attributes.error();
    const Result<Prefix> prefix = read_prefix(*attributes, origin_types);
    if (!prefix)
        return prefix.error();
    return std::optional<Prefix>(*prefix);
}

Status change(const Result<std::vector<AclEntry>>& entries, uint8_t command)
{
    if (!entries)
        return entries.error();
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    // Both halves of "all" are tried, so that one that was there already does
    // not keep the other out.
    Status first;
    for (const AclEntry& entry : *entries) {
        Message message = module->message(command);

        put_acl(message, entry);
        Status status = module->request(message);
        if (status || !first)
            continue;
        Error error = std::move(status.error());
        if (error.kernel_errno == EEXIST)
            error.message = fmt::format("{} is there already", format_key(entry));
        else if (error.kernel_errno == ENOENT)
            error.message =
                fmt::format("no entry {}: see 'mptcpproxyctl acl show'", format_key(entry));
        first = std::move(error);
    }
    return first;
}

Status add(Words& words, Output&)
{
    return change(parse_acl(words, true), MCP_CMD_ACL_ADD);
}

Status del(Words& words, Output&)
{
    return change(parse_acl(words, false), MCP_CMD_ACL_DEL);
}

Status show(Words& words, Output& output)
{
    return show_list(words, output, list_acl, format_acl, acl_json);
}

Status flush(Words& words, Output&)
{
    return send_plain(words, MCP_CMD_ACL_FLUSH);
}

constexpr Command commands[] = {
    {"show", "", "list the entries, with the SYNs each let in", show},
    {"add", "PREFIX [dev IFACE] [origin PREFIX]", "serve these clients", add},
    {"del", "PREFIX [dev IFACE]", "no longer serve these clients; their sessions go on", del},
    {"flush", "", "serve nobody", flush},
};

std::string details()
{
    return "PREFIX is like 192.0.2.0/24, 2001:db8::/32, a plain address, or 'all' for 0.0.0.0/0\n"
           "and ::/0. With 'dev' only clients whose packets come in through IFACE are meant. With\n"
           "'origin' they may name originators in that PREFIX, for 'source preserve'.\n";
}

} // namespace

const Object acl_object = {"acl", "which clients are served", commands, details};

Result<std::vector<AclEntry>> parse_acl(Words& words, bool with_origin)
{
    std::vector<AclEntry> entries;

    if (words.empty() || words.peek() == "dev" || words.peek() == "origin")
        return usage_error("a PREFIX is missing: name one, or 'all'");
    const std::string& network = words.next();
    if (means_all(network)) {
        entries.push_back({.prefix = {Address{.family = AF_INET}, 0}});
        entries.push_back({.prefix = {Address{.family = AF_INET6}, 0}});
    } else {
        const Result<Prefix> prefix = parse_prefix(network);

        if (!prefix)
            return prefix.error();
        entries.push_back({.prefix = *prefix});
    }

    if (Status status = parse_rest(words, with_origin, entries); !status)
        return status.error();
    return entries;
}

void put_acl(Message& message, const AclEntry& entry)
{
    const Message::Nest nest(message, MCP_A_ACL);

    put_prefix(message, prefix_types, entry.prefix);
    if (entry.interface)
        message.put_string(MCP_ACL_A_IFNAME, *entry.interface);
    if (entry.origin) {
        const Message::Nest origin(message, MCP_ACL_A_ORIGIN);

        put_prefix(message, origin_types, *entry.origin);
    }
}

Result<AclEntry> decode_acl(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_ACL, "ACL entry");
    if (!nest)
        return nest.error();

    Attributes<MCP_ACL_A_MAX>::Kinds kinds = {};
    kinds[MCP_ACL_A_FAMILY] = Kind::u16;
    kinds[MCP_ACL_A_PREFIXLEN] = Kind::u8;
    kinds[MCP_ACL_A_IFNAME] = Kind::string;
    kinds[MCP_ACL_A_HITS] = Kind::u64;
    kinds[MCP_ACL_A_ORIGIN] = Kind::nest;
    const auto attributes = Attributes<MCP_ACL_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();

    const Result<Prefix> prefix = read_prefix(*attributes, prefix_types);
    if (!prefix)
        return prefix.error();

    const Result<std::optional<Prefix>> origin = decode_origin((*attributes)[MCP_ACL_A_ORIGIN]);
    if (!origin)
        return origin.error();

    return AclEntry{.prefix = *prefix,
                    .interface = attributes->string(MCP_ACL_A_IFNAME),
                    .origin = *origin,
                    .hits = attributes->u64(MCP_ACL_A_HITS)};
}

std::string format_acl(const AclEntry& entry)
{
    std::string text = format_prefix(entry.prefix);

    if (entry.interface)
        text += fmt::format(" dev {}", *entry.interface);
    if (entry.origin)
        text += fmt::format(" origin {}", format_prefix(*entry.origin));
    if (entry.hits)
        text += fmt::format(" hits {}", *entry.hits);
    return text;
}

Json acl_json(const AclEntry& entry)
{
    Json json = {{"prefix", format_prefix(entry.prefix)}};

    if (entry.interface)
        json["dev"] = *entry.interface;
    if (entry.origin)
        json["origin"] = format_prefix(*entry.origin);
    if (entry.hits)
        json["hits"] = *entry.hits;
    return json;
}

Result<std::vector<AclEntry>> list_acl(Module& module)
{
    return module.dump<AclEntry>(MCP_CMD_ACL_GET, decode_acl);
}

} // namespace mcp
