// SPDX-License-Identifier: GPL-2.0-only
#include "list.h"

#include <linux/mptcpproxy.h>

namespace mcp {

namespace {

constexpr PrefixTypes nest_types = {MCP_PREFIX_A_FAMILY, MCP_PREFIX_A_ADDR, MCP_PREFIX_A_PREFIXLEN};

} // namespace

void put_prefix(Message& message, const PrefixTypes& types, const Prefix& prefix)
{
    message.put_u16(types.family, prefix.address.family);
    message.put_bytes(types.address, prefix.address.bytes());
    message.put_u8(types.length, prefix.length);
}

Result<Prefix> make_prefix(std::optional<uint16_t> family,
                           std::optional<std::span<const uint8_t>> octets,
                           std::optional<uint8_t> length)
{
    if (!family || !octets || !length)
        return failure("the kernel sent an entry without a prefix");
    const auto address = Address::from_bytes(*family, *octets);
    if (!address || *length > address->size() * 8)
        return failure("the kernel sent an entry with a prefix that is none");
    return Prefix{.address = *address, .length = *length};
}

void put_prefix_nest(Message& message, int type, const std::optional<Prefix>& prefix)
{
    if (!prefix)
        return;
    const Message::Nest nest(message, type);
    put_prefix(message, nest_types, *prefix);
}

Result<std::optional<Prefix>> read_prefix_nest(const nlattr* nest)
{
    Attributes<MCP_PREFIX_A_MAX>::Kinds kinds = {};

    if (!nest)
        return std::optional<Prefix>();
    kinds[MCP_PREFIX_A_FAMILY] = Kind::u16;
    kinds[MCP_PREFIX_A_PREFIXLEN] = Kind::u8;
    const auto attributes = Attributes<MCP_PREFIX_A_MAX>::parse(nest, kinds);
    if (!attributes)
        return attributes.error();
    const Result<Prefix> prefix = read_prefix(*attributes, nest_types);
    if (!prefix)
        return prefix.error();
    return std::optional<Prefix>(*prefix);
}

} // namespace mcp
