// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "result.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <endian.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

namespace mcp {

// A generic netlink message under construction. Owns it. Running out of room
// (a page; our largest message is some hundred octets) throws std::bad_alloc.
class Message {
public:
    Message(uint16_t family, uint8_t command, uint8_t version, int flags = 0);

    void put_u8(int type, uint8_t value);
    void put_u16(int type, uint16_t value);
    void put_be16(int type, uint16_t value); // value in host order
    void put_u32(int type, uint32_t value);
    void put_u64(int type, uint64_t value);
    void put_flag(int type);
    void put_string(int type, const std::string& value);
    void put_bytes(int type, std::span<const uint8_t> value);

    // Attributes put while the nest lives are inside it.
    class Nest {
    public:
        Nest(Message& message, int type);
        ~Nest();
        Nest(const Nest&) = delete;
        Nest& operator=(const Nest&) = delete;

    private:
        Message& message_;
        nlattr* start_;
    };

    nl_msg* raw() const { return message_.get(); }
    const nlmsghdr* header() const { return nlmsg_hdr(message_.get()); }

    // Types of the attributes, outermost first, that stand at an octet offset
    // of this message, as an extended acknowledgement counts: empty if none.
    std::vector<int> attributes_at(uint32_t offset) const;

private:
    void check(int error) const;

    struct Free {
        void operator()(nl_msg* message) const { nlmsg_free(message); }
    };
    std::unique_ptr<nl_msg, Free> message_;
};

// What an attribute must look like to be read.
enum class Kind : uint8_t { any, u8, u16, u32, u64, string, nest, flag, bytes };

// The attributes of a message or nest, by type. Refers to the message, which
// must live longer. Max is the highest type known; others are left out, so that
// a newer module can be read.
template <int Max>
class Attributes {
public:
    using Kinds = std::array<Kind, Max + 1>;

    // Attributes of a kind that does not fit (truncated numbers, strings without
    // an end) are an error. kinds is indexed by type.
    static Result<Attributes> parse(const nlattr* head, int length, const Kinds& kinds);

    static Result<Attributes> parse(const nlmsghdr* header, const Kinds& kinds)
    {
        const auto* genl = static_cast<const genlmsghdr*>(nlmsg_data(header));
        const int length = static_cast<int>(header->nlmsg_len) - NLMSG_HDRLEN;

        if (length < static_cast<int>(GENL_HDRLEN))
            return failure("the kernel sent a message that is too short");
        return parse(reinterpret_cast<const nlattr*>(genl + 1),
                     length - static_cast<int>(GENL_HDRLEN), kinds);
    }

    static Result<Attributes> parse(const nlattr* nest, const Kinds& kinds)
    {
        return parse(static_cast<const nlattr*>(nla_data(nest)), nla_len(nest), kinds);
    }

    bool has(int type) const { return found_[type] != nullptr; }
    const nlattr* operator[](int type) const { return found_[type]; }

    std::optional<uint8_t> u8(int type) const { return number<uint8_t>(type); }
    std::optional<uint16_t> u16(int type) const { return number<uint16_t>(type); }
    std::optional<uint32_t> u32(int type) const { return number<uint32_t>(type); }
    std::optional<uint64_t> u64(int type) const { return number<uint64_t>(type); }
    std::optional<uint16_t> be16(int type) const; // in host order
    std::optional<std::string> string(int type) const;
    std::optional<std::span<const uint8_t>> bytes(int type) const;

private:
    template <class T>
    std::optional<T> number(int type) const;

    std::array<const nlattr*, Max + 1> found_ = {};
};

// For Attributes::parse(): why an attribute cannot be read as kind, or nothing.
std::optional<std::string> misfit(const nlattr* attribute, Kind kind);

template <int Max>
Result<Attributes<Max>> Attributes<Max>::parse(const nlattr* head, int length, const Kinds& kinds)
{
    Attributes parsed;
    int rest = length;
    const nlattr* attribute = head;

    while (nla_ok(attribute, rest)) {
        const int type = nla_type(attribute);

        if (type <= Max) {
            if (const auto why = misfit(attribute, kinds[type]))
                return failure("the kernel sent an attribute that cannot be read: " + *why);
            parsed.found_[type] = attribute;
        }
        attribute = nla_next(attribute, &rest);
    }
    if (rest > 0)
        return failure("the kernel sent a message that is cut short");
    return parsed;
}

template <int Max>
template <class T>
std::optional<T> Attributes<Max>::number(int type) const
{
    T value;

    if (!has(type) || nla_len(found_[type]) < static_cast<int>(sizeof(value)))
        return std::nullopt;
    // u64 attributes are aligned to 4 octets only.
    memcpy(&value, nla_data(found_[type]), sizeof(value));
    return value;
}

template <int Max>
std::optional<uint16_t> Attributes<Max>::be16(int type) const
{
    const auto value = u16(type);

    if (!value)
        return std::nullopt;
    return be16toh(*value);
}

template <int Max>
std::optional<std::string> Attributes<Max>::string(int type) const
{
    if (!has(type))
        return std::nullopt;
    const auto* text = static_cast<const char*>(nla_data(found_[type]));
    return std::string(text, strnlen(text, nla_len(found_[type])));
}

template <int Max>
std::optional<std::span<const uint8_t>> Attributes<Max>::bytes(int type) const
{
    if (!has(type))
        return std::nullopt;
    return std::span(static_cast<const uint8_t*>(nla_data(found_[type])),
                     static_cast<size_t>(nla_len(found_[type])));
}

} // namespace mcp
