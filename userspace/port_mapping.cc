// SPDX-License-Identifier: GPL-2.0-only
#include "port_mapping.h"

#include "module.h"
#include "session.h"

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace mcp {

namespace {

// What the MCP takes for one client: an IPv4 address, or an IPv6 /64.
Prefix client_prefix(const Address& client)
{
    return {.address = client, .length = static_cast<uint8_t>(client.family == AF_INET6 ? 64 : 32)};
}

std::string format_client(const PortMapping& mapping)
{
    if (mapping.port)
        return format_endpoint({.address = mapping.client, .port = *mapping.port});
    if (mapping.client.family == AF_INET6)
        return format_prefix(client_prefix(mapping.client));
    return format_address(mapping.client);
}

} // namespace

Result<PortMapping> decode_port_mapping(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_MAPPING, "mapping");
    if (!nest)
        return nest.error();

    Attributes<MCP_MAPPING_A_MAX>::Kinds kinds = {};
    kinds[MCP_MAPPING_A_LAST] = Kind::u16;
    const auto attributes = Attributes<MCP_MAPPING_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();

    const auto client = decode_endpoint((*attributes)[MCP_MAPPING_A_CLIENT]);
    if (!client)
        return client.error();
    const auto external = decode_endpoint((*attributes)[MCP_MAPPING_A_EXTERNAL]);
    if (!external)
        return external.error();
    const auto last = attributes->u16(MCP_MAPPING_A_LAST);
    if (!*client || !*external || !last)
        return failure("the kernel sent a mapping that is not whole");

    PortMapping mapping{.client = (*client)->address, .external = **external, .last = *last};
    if ((*client)->port != 0)
        mapping.port = (*client)->port;
    return mapping;
}

std::string format_port_mapping(const PortMapping& mapping)
{
    std::string text = fmt::format("client {} external {}", format_client(mapping),
                                   format_endpoint(mapping.external));

    if (mapping.last != mapping.external.port)
        text += fmt::format("-{}", mapping.last);
    return text;
}

Json port_mapping_json(const PortMapping& mapping)
{
    Json client = {{"address", format_address(mapping.client)}};

    if (mapping.port)
        client["port"] = *mapping.port;
    else
        client["prefixlen"] = client_prefix(mapping.client).length;
    return {{"client", client},
            {"external",
             {{"address", format_address(mapping.external.address)},
              {"port", mapping.external.port},
              {"last_port", mapping.last}}}};
}

} // namespace mcp
