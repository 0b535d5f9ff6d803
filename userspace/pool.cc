// SPDX-License-Identifier: GPL-2.0-only
#include "pool.h"

#include "list.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

// A range has at most 65536 addresses: IPv4 /16, IPv6 /112.
constexpr unsigned int max_host_bits = 16;

constexpr PrefixTypes prefix_types = {MCP_POOL_A_FAMILY, MCP_POOL_A_ADDR, MCP_POOL_A_PREFIXLEN};

Status change(const Result<PoolRange>& range, uint8_t command)
{
    if (!range)
        return range.error();
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(command);
    put_pool(message, *range);
    Status status = module->request(message);
    if (status)
        return status;

    Error error = std::move(status.error());
    const std::string prefix = format_prefix(range->prefix);
    if (error.kernel_errno == EEXIST)
        error.message = fmt::format(
            "{} overlaps a range that is there already: see 'mptcpproxyctl pool show'", prefix);
    else if (error.kernel_errno == ENOENT)
        error.message = fmt::format("no range {}: see 'mptcpproxyctl pool show'", prefix);
    else if (error.kernel_errno == ENOSPC)
        error.message = "the pool has no room for another range: take one back, or join some "
                        "in one PREFIX";
    return error;
}

Status add(Words& words, Output&)
{
    return change(parse_pool(words, true), MCP_CMD_POOL_ADD);
}

Status del(Words& words, Output&)
{
    return change(parse_pool(words, false), MCP_CMD_POOL_DEL);
}

Result<std::vector<PoolRange>> list(Module& module)
{
    return module.dump<PoolRange>(MCP_CMD_POOL_GET, decode_pool);
}

Status show(Words& words, Output& output)
{
    return show_list(words, output, list, format_pool, pool_json);
}

Status flush(Words& words, Output&)
{
    return send_plain(words, MCP_CMD_POOL_FLUSH);
}

constexpr Command commands[] = {
    {"show", "", "list the ranges, with how many ports of each are in use", show},
    {"add", "PREFIX [ports A-B]", "dial servers from these addresses and ports", add},
    {"del", "PREFIX", "no longer dial from these addresses; sessions go on", del},
    {"flush", "", "no longer dial from any; sessions go on", flush},
};

std::string details()
{
    return "PREFIX is like 192.0.2.0/28, 2001:db8::/120 or a plain address: IPv4 /16 to /32, IPv6\n"
           "/112 to /128. 'ports' are those of each address, one or a range (default 1024-65535).\n"
           "To servers of a family that has no range, the MCP dials from its host's own address.\n";
}

} // namespace

const Object pool_object = {"pool", "from where servers are dialled", commands, details};

Result<PortRange> parse_ports(std::string_view what, std::string_view text)
{
    const size_t dash = text.find('-');
    const bool one = dash == std::string_view::npos;
    const Result<uint64_t> first = parse_number(text.substr(0, dash));
    const Result<uint64_t> last = one ? first : parse_number(text.substr(dash + 1));

    if (!first || !last)
        return usage_error(
            fmt::format("{}: '{}' is neither a port nor a range like 1024-65535", what, text));
    if (*first < 1 || *first > 65'535 || *last < 1 || *last > 65'535)
        return usage_error(fmt::format("{}: '{}' is out of range: 1 to 65535", what, text));
    if (*first > *last)
        return usage_error(
            fmt::format("{}: '{}' ends before it begins: write {}-{}", what, text, *last, *first));
    return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

Result<PoolRange> parse_pool(Words& words, bool with_ports)
{
    if (words.empty() || words.peek() == "ports")
        return usage_error("a PREFIX is missing: name one");
    const Result<Prefix> prefix = parse_prefix(words.next(), max_host_bits);
    if (!prefix)
        return prefix.error();

    PoolRange range{.prefix = *prefix};
    if (!with_ports) {
        if (const Status status = words.finish(); !status)
            return status.error();
        return range;
    }
    const auto text = words.finish_with("ports", "a port, or a range like 1024-65535,");
    if (!text)
        return text.error();
    if (*text) {
        const Result<PortRange> ports = parse_ports("ports", **text);

        if (!ports)
            return ports.error();
        range.ports = *ports;
    }
    return range;
}

void put_pool(Message& message, const PoolRange& range)
{
    const Message::Nest nest(message, MCP_A_POOL);

    put_prefix(message, prefix_types, range.prefix);
    if (range.ports) {
        message.put_u16(MCP_POOL_A_FIRST, range.ports->first);
        message.put_u16(MCP_POOL_A_LAST, range.ports->last);
    }
}

Result<PoolRange> decode_pool(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_POOL, "range of the pool");
    if (!nest)
        return nest.error();

    Attributes<MCP_POOL_A_MAX>::Kinds kinds = {};
    kinds[MCP_POOL_A_FAMILY] = Kind::u16;
    kinds[MCP_POOL_A_PREFIXLEN] = Kind::u8;
    kinds[MCP_POOL_A_FIRST] = Kind::u16;
    kinds[MCP_POOL_A_LAST] = Kind::u16;
    kinds[MCP_POOL_A_USED] = Kind::u64;
    const auto attributes = Attributes<MCP_POOL_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();

    const Result<Prefix> prefix = read_prefix(*attributes, prefix_types);
    if (!prefix)
        return prefix.error();

    PoolRange range{.prefix = *prefix, .used = attributes->u64(MCP_POOL_A_USED)};
    const auto first = attributes->u16(MCP_POOL_A_FIRST);
    const auto last = attributes->u16(MCP_POOL_A_LAST);
    if (first && last)
        range.ports = {*first, *last};
    return range;
}

std::string format_pool(const PoolRange& range)
{
    std::string text = format_prefix(range.prefix);

    if (range.ports)
        text += fmt::format(" ports {}-{}", range.ports->first, range.ports->last);
    if (range.used)
        text += fmt::format(" used {}", *range.used);
    return text;
}

Json pool_json(const PoolRange& range)
{
    Json json = {{"prefix", format_prefix(range.prefix)}};

    if (range.ports) {
        json["first"] = range.ports->first;
        json["last"] = range.ports->last;
    }
    if (range.used)
        json["used"] = *range.used;
    return json;
}

} // namespace mcp
