// SPDX-License-Identifier: GPL-2.0-only
#include "acl.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <net/if.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace mcp {

namespace {

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
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();
    const Result<std::vector<AclEntry>> entries = list_acl(*module);
    if (!entries)
        return entries.error();

    for (const AclEntry& entry : *entries) {
        if (output.json())
            output.row(acl_json(entry));
        else
            output.line(format_acl(entry));
    }
    return {};
}

Status flush(Words& words, Output&)
{
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_ACL_FLUSH);
    return module->request(message);
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

    if (!words.empty()) {
        constexpr std::string_view keywords[] = {"dev"};
        const Result<size_t> keyword = match_word(words.next(), keywords, "word");

        if (!keyword)
            return keyword.error();
        const Result<std::string> interface = words.value("dev", "an interface name");
        if (!interface)
            return interface.error();
        if (interface->empty() || interface->size() >= IFNAMSIZ)
            return usage_error(fmt::format("'{}' is not an interface name: it has 1 to {} letters",
                                           *interface, IFNAMSIZ - 1));
        for (AclEntry& entry : entries)
            entry.interface = *interface;
    }
    if (const Status status = words.finish(); !status)
        return status.error();
    return entries;
}

void put_acl(Message& message, const AclEntry& entry)
{
    const Message::Nest nest(message, MCP_A_ACL);

    message.put_u16(MCP_ACL_A_FAMILY, entry.prefix.address.family);
    message.put_bytes(MCP_ACL_A_ADDR, entry.prefix.address.bytes());
    message.put_u8(MCP_ACL_A_PREFIXLEN, entry.prefix.length);
    if (entry.interface)
        message.put_string(MCP_ACL_A_IFNAME, *entry.interface);
}

Result<AclEntry> decode_acl(const nlmsghdr* header)
{
    const auto top = Attributes<MCP_A_MAX>::parse(header, {});
    if (!top)
        return top.error();
    if (!top->has(MCP_A_ACL))
        return failure("the kernel sent no ACL entry where one was due");

    Attributes<MCP_ACL_A_MAX>::Kinds kinds = {};
    kinds[MCP_ACL_A_FAMILY] = Kind::u16;
    kinds[MCP_ACL_A_PREFIXLEN] = Kind::u8;
    kinds[MCP_ACL_A_IFNAME] = Kind::string;
    kinds[MCP_ACL_A_HITS] = Kind::u64;
    const auto attributes = Attributes<MCP_ACL_A_MAX>::parse((*top)[MCP_A_ACL], kinds);
    if (!attributes)
        return attributes.error();

    const auto family = attributes->u16(MCP_ACL_A_FAMILY);
    const auto octets = attributes->bytes(MCP_ACL_A_ADDR);
    const auto length = attributes->u8(MCP_ACL_A_PREFIXLEN);
    if (!family || !octets || !length)
        return failure("the kernel sent an ACL entry without a prefix");
    const auto address = Address::from_bytes(*family, *octets);
    if (!address || *length > address->size() * 8)
        return failure("the kernel sent an ACL entry with a prefix that is none");

    return AclEntry{.prefix = {.address = *address, .length = *length},
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
