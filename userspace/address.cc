// SPDX-License-Identifier: GPL-2.0-only
#include "address.h"

#include "words.h"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

namespace mcp {

namespace {

Address masked(const Address& address, unsigned int length)
{
    Address network = address;

    for (unsigned int i = 0; i < network.octets.size(); i++) {
        const unsigned int kept = length > i * 8 ? std::min(length - i * 8, 8U) : 0;

        network.octets[i] &= static_cast<uint8_t>(0xff00U >> kept);
    }
    return network;
}

} // namespace

size_t Address::size() const
{
    return family == AF_INET ? 4 : 16;
}

std::optional<Address> Address::from_bytes(uint16_t family, std::span<const uint8_t> bytes)
{
    Address address{.family = family};

    if ((family != AF_INET && family != AF_INET6) || bytes.size() != address.size())
        return std::nullopt;
    std::copy(bytes.begin(), bytes.end(), address.octets.begin());
    return address;
}

bool Prefix::contains(const Address& other) const
{
    return other.family == address.family && masked(other, length) == address;
}

Result<Address> parse_address(std::string_view text)
{
    const std::string word(text);
    Address address;

    for (const int family : {AF_INET, AF_INET6}) {
        address.family = static_cast<uint16_t>(family);
        if (inet_pton(family, word.c_str(), address.octets.data()) == 1)
            return address;
    }
    if (text.find('%') != std::string_view::npos)
        return usage_error(fmt::format(
            "'{}': leave out '%' and the zone ('acl' names an interface with 'dev')", text));
    return usage_error(fmt::format("'{}' is not an IPv4 or IPv6 address", text));
}

Result<Prefix> parse_prefix(std::string_view text, unsigned int host_bits)
{
    const size_t slash = text.find('/');
    Result<Address> address = parse_address(text.substr(0, slash));

    if (!address)
        return address.error();

    const auto bits = static_cast<unsigned int>(address->size() * 8);
    const unsigned int shortest = bits - std::min(bits, host_bits);
    unsigned int length = bits;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const char* end = digits.data() + digits.size();
        const auto [stop, failed] = std::from_chars(digits.data(), end, length);

        if (failed != std::errc() || stop != end || length < shortest || length > bits)
            return usage_error(fmt::format("'{}': the prefix length must be a number from {} to {}",
                                           text, shortest, bits));
    }

    const Prefix prefix{masked(*address, length), static_cast<uint8_t>(length)};
    if (prefix.address != *address)
        return usage_error(
            fmt::format("'{}' has host bits set: the prefix is {}", text, format_prefix(prefix)));
    return prefix;
}

Result<Endpoint> parse_endpoint(std::string_view text)
{
    const bool bracket = text.starts_with('[');
    const size_t close = text.find(']');
    const size_t colon = bracket ? close + 1 : text.rfind(':');
    const bool plain =
        bracket ? close + 1 == text.size()
                : colon == std::string_view::npos || text.find(':') != colon; // IPv6 alone

    if (bracket && (close == std::string_view::npos || (!plain && text[close + 1] != ':')))
        return usage_error(
            fmt::format("'{}' is no address with a port: write [ADDRESS]:PORT", text));
    const std::string_view host =
        bracket ? text.substr(1, close - 1) : text.substr(0, plain ? text.size() : colon);
    const Result<Address> address = parse_address(host);
    if (!address)
        return address.error();
    if (plain)
        return Endpoint{*address, 0};
    const Result<uint64_t> port = parse_number(text.substr(colon + 1));
    if (!port || *port < 1 || *port > 65'535)
        return usage_error(fmt::format("'{}' has no valid port: 1 to 65535", text));
    return Endpoint{*address, static_cast<uint16_t>(*port)};
}

std::string format_address(const Address& address)
{
    char text[INET6_ADDRSTRLEN] = "?";

    inet_ntop(address.family, address.octets.data(), text, sizeof(text));
    return text;
}

std::string format_prefix(const Prefix& prefix)
{
    return fmt::format("{}/{}", format_address(prefix.address), prefix.length);
}

std::string format_endpoint(const Endpoint& endpoint)
{
    const std::string address = format_address(endpoint.address);

    if (endpoint.address.family == AF_INET6)
        return fmt::format("[{}]:{}", address, endpoint.port);
    return fmt::format("{}:{}", address, endpoint.port);
}

} // namespace mcp
