// SPDX-License-Identifier: GPL-2.0-only
#include "list.h"

namespace mcp {

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

} // namespace mcp
