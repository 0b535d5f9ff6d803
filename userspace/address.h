// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mcp {

// An IPv4 or IPv6 address, in network order.
struct Address {
    uint16_t family = 0; // AF_INET or AF_INET6
    std::array<uint8_t, 16> octets = {};

    // 4 or 16.
    size_t size() const;
    std::span<const uint8_t> bytes() const { return {octets.data(), size()}; }
    bool operator==(const Address&) const = default;

    static std::optional<Address> from_bytes(uint16_t family, std::span<const uint8_t> bytes);
};

// A network; the host bits of the address are zero.
struct Prefix {
    Address address;
    uint8_t length = 0;

    bool contains(const Address& other) const;
    bool operator==(const Prefix&) const = default;
};

// An address with a port (host order).
struct Endpoint {
    Address address;
    uint16_t port = 0;

    bool operator==(const Endpoint&) const = default;
};

Result<Address> parse_address(std::string_view text);

// "192.0.2.0/24", or a plain address, which stands for itself alone. No more
// than host_bits may be left to hosts. They must be zero: the message of the
// error names the prefix that was probably meant.
Result<Prefix> parse_prefix(std::string_view text, unsigned int host_bits = 128);

// "192.0.2.1:443", "[2001:db8::1]:443", or an address alone: its port is 0 then.
Result<Endpoint> parse_endpoint(std::string_view text);

std::string format_address(const Address& address);
std::string format_prefix(const Prefix& prefix);

// "192.0.2.1:443", "[2001:db8::1]:443".
std::string format_endpoint(const Endpoint& endpoint);

} // namespace mcp
