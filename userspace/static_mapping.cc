// SPDX-License-Identifier: GPL-2.0-only
#include "static_mapping.h"

#include "duration.h"
#include "list.h"
#include "options.h"
#include "peer.h"
#include "session.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

constexpr std::string_view direct = "direct";
constexpr uint64_t max_lifetime = 31'536'000; // a year

// "192.0.2.1:443", or the address alone, which stands for all of its ports.
std::string format_where(const Endpoint& where)
{
    return where.port ? format_endpoint(where) : format_address(where.address);
}

void put_endpoint(Message& message, int type, const Endpoint& where)
{
    const Message::Nest nest(message, type);

    message.put_u16(MCP_ENDPOINT_A_FAMILY, where.address.family);
    message.put_bytes(MCP_ENDPOINT_A_ADDR, where.address.bytes());
    if (where.port)
        message.put_be16(MCP_ENDPOINT_A_PORT, where.port);
}

Result<uint32_t> parse_lifetime(const std::string& text)
{
    const Result<uint64_t> ms = parse_duration(text, 1'000);

    if (!ms)
        return usage_error(fmt::format("lifetime: {}", ms.error().message));
    if (*ms % 1'000 != 0 || *ms < 1'000 || *ms / 1'000 > max_lifetime)
        return usage_error(
            fmt::format("lifetime: '{}' is not whole seconds from 1s to 365d", text));
    return static_cast<uint32_t>(*ms / 1'000);
}

Status add(Words& words, Output&)
{
    const Result<StaticMapping> mapping = parse_static_mapping(words);
    if (!mapping)
        return mapping.error();
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_FORWARD_ADD);
    put_static_mapping(message, *mapping);
    Status status = module->request(message);
    if (status)
        return status;
    Error error = std::move(status.error());
    if (error.kernel_errno == EEXIST)
        error.message = fmt::format("{} has a mapping already: see 'mptcpproxyctl mapping show'",
                                    format_where(mapping->external));
    else if (error.kernel_errno == EADDRINUSE)
        error.message = fmt::format("{} is in use: a program listens there (see 'ss -ltn'), or a "
                                    "session has the port",
                                    format_where(mapping->external));
    else if (error.kernel_errno == ENODEV)
        error.message =
            fmt::format("no peer {}: name one with 'mptcpproxyctl peer add {} ADDRESS' first",
                        *mapping->peer, *mapping->peer);
    return error;
}

Status del(Words& words, Output&)
{
    if (words.empty())
        return usage_error("an EXTERNAL address is missing: see 'mptcpproxyctl mapping show'");
    const Result<Endpoint> external = parse_endpoint(words.next());
    if (!external)
        return external.error();
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_FORWARD_DEL);
    put_static_mapping(message, {.external = *external});
    Status status = module->request(message);
    if (!status && status.error().kernel_errno == ENOENT)
        status.error().message =
            fmt::format("no mapping {}: see 'mptcpproxyctl mapping show'", format_where(*external));
    return status;
}

Status show(Words& words, Output& output)
{
    return show_list(words, output, list_static_mappings, format_static_mapping,
                     static_mapping_json);
}

Status flush(Words& words, Output&)
{
    return send_plain(words, MCP_CMD_FORWARD_FLUSH);
}

constexpr Command commands[] = {
    {"show", "", "list the mappings, with the connections each took", show},
    {"add", "EXTERNAL to CLIENT [via PEER|direct] [lifetime TIME]",
     "let connections to EXTERNAL go to a client", add},
    {"del", "EXTERNAL", "forget a mapping; its connections go on", del},
    {"flush", "", "forget all mappings", flush},
};

std::string details()
{
    return "EXTERNAL and CLIENT are like 192.0.2.1:443 or [2001:db8::1]:443, or an address alone:\n"
           "of EXTERNAL all ports that nobody else has, of CLIENT the same port. With 'via' a "
           "peer\n"
           "dials the client. After 'lifetime' the mapping is gone.\n";
}

} // namespace

const Object mapping_object = {"mapping", "connections from outside to a client", commands,
                               details};

Result<StaticMapping> parse_static_mapping(Words& words)
{
    static constexpr Option options[] = {{"to", "a CLIENT's address"},
                                         {"via", "a peer's name, or 'direct',"},
                                         {"lifetime", "a time"}};
    if (words.empty() || words.peek() == "to")
        return usage_error("an EXTERNAL address is missing");
    const Result<Endpoint> external = parse_endpoint(words.next());
    if (!external)
        return external.error();
    const auto values = parse_options(words, options);
    if (!values)
        return values.error();
    if (!(*values)[0])
        return usage_error("say whose connections they are: 'to CLIENT'");
    const Result<Endpoint> client = parse_endpoint(*(*values)[0]);
    if (!client)
        return client.error();
    if (!external->port && client->port)
        return usage_error("all ports of an address go to the same ports of the client: leave its "
                           "port out");

    StaticMapping mapping{.external = *external, .client = *client};
    if (const auto& via = (*values)[1]; via && *via != direct) {
        const Result<std::string> name = parse_peer_name(*via);

        if (!name)
            return name.error();
        mapping.peer = *name;
    }
    if (const auto& text = (*values)[2]) {
        const Result<uint32_t> lifetime = parse_lifetime(*text);

        if (!lifetime)
            return lifetime.error();
        mapping.lifetime = *lifetime;
    }
    return mapping;
}

void put_static_mapping(Message& message, const StaticMapping& mapping)
{
    const Message::Nest nest(message, MCP_A_FORWARD);

    put_endpoint(message, MCP_FORWARD_A_EXTERNAL, mapping.external);
    if (mapping.client.address.family)
        put_endpoint(message, MCP_FORWARD_A_CLIENT, mapping.client);
    if (mapping.peer)
        message.put_string(MCP_FORWARD_A_PEER, *mapping.peer);
    if (mapping.lifetime)
        message.put_u32(MCP_FORWARD_A_LIFETIME, *mapping.lifetime);
}

Result<StaticMapping> decode_static_mapping(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_FORWARD, "mapping");
    if (!nest)
        return nest.error();

    Attributes<MCP_FORWARD_A_MAX>::Kinds kinds = {};
    kinds[MCP_FORWARD_A_EXTERNAL] = Kind::nest;
    kinds[MCP_FORWARD_A_CLIENT] = Kind::nest;
    kinds[MCP_FORWARD_A_PEER] = Kind::string;
    kinds[MCP_FORWARD_A_LIFETIME] = Kind::u32;
    kinds[MCP_FORWARD_A_HITS] = Kind::u64;
    const auto attributes = Attributes<MCP_FORWARD_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();
    const auto external = decode_endpoint((*attributes)[MCP_FORWARD_A_EXTERNAL]);
    const auto client = decode_endpoint((*attributes)[MCP_FORWARD_A_CLIENT]);
    if (!external || !client)
        return external ? client.error() : external.error();
    if (!*external || !*client)
        return failure("the kernel sent a mapping that is not complete");

    return StaticMapping{.external = **external,
                         .client = **client,
                         .peer = attributes->string(MCP_FORWARD_A_PEER),
                         .lifetime = attributes->u32(MCP_FORWARD_A_LIFETIME),
                         .hits = attributes->u64(MCP_FORWARD_A_HITS)};
}

std::string format_static_mapping(const StaticMapping& mapping)
{
    std::string text =
        fmt::format("{} to {}", format_where(mapping.external), format_where(mapping.client));

    if (mapping.peer)
        text += fmt::format(" via {}", *mapping.peer);
    if (mapping.lifetime)
        text += fmt::format(" lifetime {}", format_age(*mapping.lifetime * uint64_t{1'000}));
    if (mapping.hits)
        text += fmt::format(" hits {}", *mapping.hits);
    return text;
}

Json static_mapping_json(const StaticMapping& mapping)
{
    const auto endpoint = [](const Endpoint& where) {
        Json json = {{"address", format_address(where.address)}};

        if (where.port)
            json["port"] = where.port;
        return json;
    };
    Json json = {{"external", endpoint(mapping.external)}, {"client", endpoint(mapping.client)}};

    if (mapping.peer)
        json["via"] = *mapping.peer;
    if (mapping.lifetime)
        json["lifetime_ms"] = *mapping.lifetime * uint64_t{1'000};
    if (mapping.hits)
        json["hits"] = *mapping.hits;
    return json;
}

Result<std::vector<StaticMapping>> list_static_mappings(Module& module)
{
    return module.dump<StaticMapping>(MCP_CMD_FORWARD_GET, decode_static_mapping);
}

} // namespace mcp
