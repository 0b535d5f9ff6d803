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

bool means_all(std::string_view word)
{
    return word == "all" || word == "any" || word == "default";
}

Status change(Words& words, uint8_t command)
{
    const Result<std::vector<AclEntry>> entries = parse_acl(words);
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
            error.message = fmt::format("{} is there already", format_acl(entry));
        else if (error.kernel_errno == ENOENT)
            error.message =
                fmt::format("no entry {}: see 'mptcpproxyctl acl show'", format_acl(entry));
        first = std::move(error);
    }
    return first;
}

Status add(Words& words, Output&)
{
    return change(words, MCP_CMD_ACL_ADD);
}

Status del(Words& words, Output&)
{
    return change(words, MCP_CMD_ACL_DEL);
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
    {"add", "PREFIX [dev IFACE]", "serve these clients", add},
    {"del", "PREFIX [dev IFACE]", "no longer serve these clients; their sessions go on", del},
    {"flush", "", "serve nobody", flush},
};

std::string details()
{
    return "PREFIX is like 192.0.2.0/24, 2001:db8::/32, a plain address, or 'all' for 0.0.0.0/0\n"
           "and ::/0. With 'dev' only clients whose packets come in through IFACE are meant.\n";
}

} // namespace

const Object acl_object = {"acl", "which clients are served", commands, details};

Result<std::vector<AclEntry>> parse_acl(Words& words)
{
    std::vector<AclEntry> entries;

    if (words.empty() || words.peek() == "dev")
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

    const auto interface = words.finish_with("dev", "an interface name");
    if (!interface)
        return interface.error();
    if (*interface && ((*interface)->empty() || (*interface)->size() >= IFNAMSIZ))
        return usage_error(fmt::format("'{}' is not an interface name: it has 1 to {} letters",
                                       **interface, IFNAMSIZ - 1));
    for (AclEntry& entry : entries)
        entry.interface = *interface;
    return entries;
}

void put_acl(Message& message, const AclEntry& entry)
{
    const Message::Nest nest(message, MCP_A_ACL);

    put_prefix(message, prefix_types, entry.prefix);
    if (entry.interface)
        message.put_string(MCP_ACL_A_IFNAME, *entry.interface);
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
    const auto attributes = Attributes<MCP_ACL_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();

    const Result<Prefix> prefix = read_prefix(*attributes, prefix_types);
    if (!prefix)
        return prefix.error();

    return AclEntry{.prefix = *prefix,
                    .interface = attributes->string(MCP_ACL_A_IFNAME),
                    .hits = attributes->u64(MCP_ACL_A_HITS)};
}

std::string format_acl(const AclEntry& entry)
{
    std::string text = format_prefix(entry.prefix);

    if (entry.interface)
        text += fmt::format(" dev {}", *entry.interface);
    if (entry.hits)
        text += fmt::format(" hits {}", *entry.hits);
    return text;
}

Json acl_json(const AclEntry& entry)
{
    Json json = {{"prefix", format_prefix(entry.prefix)}};

    if (entry.interface)
        json["dev"] = *entry.interface;
    if (entry.hits)
        json["hits"] = *entry.hits;
    return json;
}

Result<std::vector<AclEntry>> list_acl(Module& module)
{
    return module.dump<AclEntry>(MCP_CMD_ACL_GET, decode_acl);
}

} // namespace mcp
