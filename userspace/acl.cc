// SPDX-License-Identifier: GPL-2.0-only
#include "acl.h"

#include "list.h"
#include "options.h"
#include "peer.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <net/if.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace mcp {

namespace {

constexpr PrefixTypes prefix_types = {MCP_ACL_A_FAMILY, MCP_ACL_A_ADDR, MCP_ACL_A_PREFIXLEN};

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

// Reads "[dev IFACE] [origin PREFIX] [via PEER]", in any order, into every entry.
Status parse_rest(Words& words, bool whole, std::vector<AclEntry>& entries)
{
    static constexpr Option options[] = {
        {"dev", "an interface name"}, {"origin", "a PREFIX"}, {"via", "a peer's name"}};
    const auto values = parse_options(words, std::span(options).first(whole ? 3 : 1));
    if (!values)
        return values.error();
    std::optional<std::string> interface;
    std::optional<std::string> via;
    std::optional<Prefix> origin;

    if (const auto& text = (*values)[0]) {
        const Result<std::string> name = parse_interface(*text);

        if (!name)
            return name.error();
        interface = *name;
    }
    if (whole && (*values)[1]) {
        const Result<Prefix> prefix = parse_prefix(*(*values)[1]);

        if (!prefix)
            return prefix.error();
        origin = *prefix;
    }
    if (whole && (*values)[2]) {
        const Result<std::string> name = parse_peer_name(*(*values)[2]);

        if (!name)
            return name.error();
        via = *name;
    }
    for (AclEntry& entry : entries) {
        entry.interface = interface;
        entry.origin = origin;
        entry.via = via;
    }
    return {};
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
        else if (error.kernel_errno == ENODEV)
            error.message =
                fmt::format("no peer {}: name one with 'mptcpproxyctl peer add {} ADDRESS' first",
                            *entry.via, *entry.via);
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
    {"add", "PREFIX [dev IFACE] [origin PREFIX] [via PEER]", "serve these clients", add},
    {"del", "PREFIX [dev IFACE]", "no longer serve these clients; their sessions go on", del},
    {"flush", "", "serve nobody", flush},
};

std::string details()
{
    return "PREFIX is like 192.0.2.0/24, 2001:db8::/32, a plain address, or 'all' for 0.0.0.0/0\n"
           "and ::/0. With 'dev' only clients whose packets come in through IFACE are meant. With\n"
           "'origin' they may name originators in that PREFIX, for 'source preserve'. With 'via' "
           "a\n"
           "peer dials their servers.\n";
}

} // namespace

const Object acl_object = {"acl", "which clients are served", commands, details};

Result<std::vector<AclEntry>> parse_acl(Words& words, bool whole)
{
    std::vector<AclEntry> entries;

    if (words.empty() || words.peek() == "dev" || words.peek() == "origin" || words.peek() == "via")
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

    if (Status status = parse_rest(words, whole, entries); !status)
        return status.error();
    return entries;
}

void put_acl(Message& message, const AclEntry& entry)
{
    const Message::Nest nest(message, MCP_A_ACL);

    put_prefix(message, prefix_types, entry.prefix);
    if (entry.interface)
        message.put_string(MCP_ACL_A_IFNAME, *entry.interface);
    put_prefix_nest(message, MCP_ACL_A_ORIGIN, entry.origin);
    if (entry.via)
        message.put_string(MCP_ACL_A_VIA, *entry.via);
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
    kinds[MCP_ACL_A_VIA] = Kind::string;
    const auto attributes = Attributes<MCP_ACL_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();

    const Result<Prefix> prefix = read_prefix(*attributes, prefix_types);
    if (!prefix)
        return prefix.error();

    const Result<std::optional<Prefix>> origin = read_prefix_nest((*attributes)[MCP_ACL_A_ORIGIN]);
    if (!origin)
        return origin.error();

    return AclEntry{.prefix = *prefix,
                    .interface = attributes->string(MCP_ACL_A_IFNAME),
                    .origin = *origin,
                    .via = attributes->string(MCP_ACL_A_VIA),
                    .hits = attributes->u64(MCP_ACL_A_HITS)};
}

std::string format_acl(const AclEntry& entry)
{
    std::string text = format_prefix(entry.prefix);

    if (entry.interface)
        text += fmt::format(" dev {}", *entry.interface);
    if (entry.origin)
        text += fmt::format(" origin {}", format_prefix(*entry.origin));
    if (entry.via)
        text += fmt::format(" via {}", *entry.via);
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
    if (entry.via)
        json["via"] = *entry.via;
    if (entry.hits)
        json["hits"] = *entry.hits;
    return json;
}

Result<std::vector<AclEntry>> list_acl(Module& module)
{
    return module.dump<AclEntry>(MCP_CMD_ACL_GET, decode_acl);
}

} // namespace mcp
