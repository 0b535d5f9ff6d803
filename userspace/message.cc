// SPDX-License-Identifier: GPL-2.0-only
#include "message.h"

#include <new>

#include <fmt/format.h>

namespace mcp {

Message::Message(uint16_t family, uint8_t command, uint8_t version, int flags)
    : message_(nlmsg_alloc())
{
    if (!message_ ||
        !genlmsg_put(raw(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, flags, command, version))
        throw std::bad_alloc();
}

void Message::check(int error) const
{
    if (error < 0)
        throw std::bad_alloc();
}

void Message::put_u8(int type, uint8_t value)
{
    check(nla_put_u8(raw(), type, value));
}

void Message::put_u16(int type, uint16_t value)
{
    check(nla_put_u16(raw(), type, value));
}

void Message::put_be16(int type, uint16_t value)
{
    check(nla_put_u16(raw(), type, htobe16(value)));
}

void Message::put_u32(int type, uint32_t value)
{
    check(nla_put_u32(raw(), type, value));
}

void Message::put_u64(int type, uint64_t value)
{
    check(nla_put_u64(raw(), type, value));
}

void Message::put_flag(int type)
{
    check(nla_put_flag(raw(), type));
}

void Message::put_string(int type, const std::string& value)
{
    check(nla_put_string(raw(), type, value.c_str()));
}

void Message::put_bytes(int type, std::span<const uint8_t> value)
{
    check(nla_put(raw(), type, static_cast<int>(value.size()), value.data()));
}

// The kernel's strict validation wants NLA_F_NESTED on every nest.
Message::Nest::Nest(Message& message, int type)
    : message_(message), start_(nla_nest_start(message.raw(), type | NLA_F_NESTED))
{
    if (!start_)
        throw std::bad_alloc();
}

Message::Nest::~Nest()
{
    // An empty nest still says something ("change nothing"): keep it.
    nla_nest_end_keep_empty(message_.raw(), start_);
}

std::vector<int> Message::attributes_at(uint32_t offset) const
{
    const auto* start = reinterpret_cast<const uint8_t*>(header());
    const uint8_t* target = start + offset;
    const auto* attribute = reinterpret_cast<const nlattr*>(start + NLMSG_HDRLEN + GENL_HDRLEN);
    int rest = static_cast<int>(header()->nlmsg_len) - NLMSG_HDRLEN - static_cast<int>(GENL_HDRLEN);
    std::vector<int> types;

    while (nla_ok(attribute, rest)) {
        const auto* begin = reinterpret_cast<const uint8_t*>(attribute);

        if (target < begin)
            return {};
        if (target >= begin + NLA_ALIGN(attribute->nla_len)) {
            attribute = nla_next(attribute, &rest);
            continue;
        }
        types.push_back(nla_type(attribute));
        if (target == begin || !(attribute->nla_type & NLA_F_NESTED))
            return types;
        rest = nla_len(attribute);
        attribute = static_cast<const nlattr*>(nla_data(attribute));
    }
    return types;
}

std::optional<std::string> misfit(const nlattr* attribute, Kind kind)
{
    const int length = nla_len(attribute);
    int wanted = 0;

    switch (kind) {
    case Kind::u8:
        wanted = 1;
        break;
    case Kind::u16:
        wanted = 2;
        break;
    case Kind::u32:
        wanted = 4;
        break;
    case Kind::u64:
        wanted = 8;
        break;
    case Kind::string:
        if (memchr(nla_data(attribute), '\0', length))
            return std::nullopt;
        return fmt::format("string {} has no end", nla_type(attribute));
    case Kind::any:
    case Kind::nest:
    case Kind::flag:
    case Kind::bytes:
        return std::nullopt;
    }
    if (length == wanted)
        return std::nullopt;
    return fmt::format("number {} has {} octets in place of {}", nla_type(attribute), length,
                       wanted);
}

} // namespace mcp
