// SPDX-License-Identifier: GPL-2.0-only
#include "intercept.h"

#include "list.h"
#include "options.h"
#include "peer.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <net/if.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

constexpr std::string_view direct = "direct";

Status parse_prefixes(const std::optional<std::string>& from, const std::optional<std::string>& to,
                      Rule& rule)
{
    for (const auto& [text, target] : {std::pair(&from, &rule.from), std::pair(&to, &rule.to)}) {
        if (!*text)
            continue;
        const Result<Prefix> prefix = parse_prefix(**text);

        if (!prefix)
            return prefix.error();
        *target = *prefix;
    }
    if (rule.from && rule.to && rule.from->address.family != rule.to->address.family)
        return usage_error("'from' and 'to' must be of one address family");
    return {};
}

Status parse_action(const std::optional<std::string>& via, bool pass, Rule& rule)
{
    if (via.has_value() == pass)
        return usage_error("say either 'via PEER', 'via direct' or 'pass'");
    rule.action = MCP_INTERCEPT_PASS;
    if (!via)
        return {};
    if (*via == direct) {
        rule.action = MCP_INTERCEPT_DIRECT;
        return {};
    }
    const Result<std::string> name = parse_peer_name(*via);
    if (!name)
        return name.error();
    rule.action = MCP_INTERCEPT_PEER;
    rule.peer = *name;
    return {};
}

Status add(Words& words, Output&)
{
    const Result<Rule> rule = parse_rule(words);
    if (!rule)
        return rule.error();
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_INTERCEPT_ADD);
    put_rule(message, *rule);
    Status status = module->request(message);
    if (!status && status.error().kernel_errno == ENODEV)
        status.error().message =
            fmt::format("no peer {}: name one with 'mptcpproxyctl peer add {} ADDRESS' first",
                        *rule->peer, *rule->peer);
    return status;
}

Status del(Words& words, Output&)
{
    if (words.empty())
        return usage_error("a NUMBER is missing: see 'mptcpproxyctl intercept show'");
    const std::string& text = words.next();
    const Result<uint64_t> number = parse_number(text);
    if (!number || *number < 1 || *number > 1'000'000)
        return usage_error(fmt::format("'{}' is not the number of a rule", text));
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_INTERCEPT_DEL);
    {
        const Message::Nest nest(message, MCP_A_INTERCEPT);
        message.put_u32(MCP_INTERCEPT_A_INDEX, static_cast<uint32_t>(*number));
    }
    Status status = module->request(message);
    if (!status && status.error().kernel_errno == ENOENT)
        status.error().message =
            fmt::format("no rule {}: see 'mptcpproxyctl intercept show'", *number);
    return status;
}

Status show(Words& words, Output& output)
{
    return show_list(words, output, list_rules, format_rule, rule_json);
}

Status flush(Words& words, Output&)
{
    return send_plain(words, MCP_CMD_INTERCEPT_FLUSH);
}

constexpr Command commands[] = {
    {"show", "", "list the rules in their order, with what they took", show},
    {"add", "[dev IFACE|local] [from PREFIX] [to PREFIX] [dport A-B] via PEER|direct | pass",
     "take these connections off the path, or leave them alone", add},
    {"del", "NUMBER", "forget a rule; its connections go on", del},
    {"flush", "", "forget all rules", flush},
};

std::string details()
{
    return "The first rule that fits a connection counts. Those with 'via' have a peer dial the\n"
           "server, or, with 'via direct', this MCP; 'pass' exempts. 'dev' is where a connection\n"
           "comes in; 'local' are those of this host's programs.\n";
}

} // namespace

const Object intercept_object = {"intercept", "connections taken off the path", commands, details};

Result<Rule> parse_rule(Words& words)
{
    static constexpr Option options[] = {{"dev", "an interface name"},
                                         {"local", ""},
                                         {"from", "a PREFIX"},
                                         {"to", "a PREFIX"},
                                         {"dport", "a port, or a range like 1024-65535,"},
                                         {"via", "a peer's name, or 'direct',"},
                                         {"pass", ""}};
    const auto values = parse_options(words, options);
    if (!values)
        return values.error();
    const auto& [dev, local, from, to, dport, via, pass] =
        std::tie((*values)[0], (*values)[1], (*values)[2], (*values)[3], (*values)[4], (*values)[5],
                 (*values)[6]);
    Rule rule{.local = local.has_value()};

    if (dev && local)
        return usage_error("'local' and 'dev' exclude each other: leave one out");
    if (dev && (dev->empty() || dev->size() >= IFNAMSIZ))
        return usage_error(fmt::format("'{}' is not an interface name: it has 1 to {} letters",
                                       *dev, IFNAMSIZ - 1));
    // What comes in there, programs of this host have sent.
    if (dev == "lo")
        rule.local = true;
    else
        rule.interface = dev;
    if (Status status = parse_prefixes(from, to, rule); !status)
        return status.error();
    if (dport) {
        const Result<PortRange> ports = parse_ports("dport", *dport);

        if (!ports)
            return ports.error();
        rule.ports = *ports;
    }
    if (Status status = parse_action(via, pass.has_value(), rule); !status)
        return status.error();
    return rule;
}

void put_rule(Message& message, const Rule& rule)
{
    const Message::Nest nest(message, MCP_A_INTERCEPT);

    message.put_u8(MCP_INTERCEPT_A_ACTION, rule.action);
    if (rule.peer)
        message.put_string(MCP_INTERCEPT_A_PEER, *rule.peer);
    if (rule.interface)
        message.put_string(MCP_INTERCEPT_A_IFNAME, *rule.interface);
    if (rule.local)
        message.put_flag(MCP_INTERCEPT_A_LOCAL);
    put_prefix_nest(message, MCP_INTERCEPT_A_FROM, rule.from);
    put_prefix_nest(message, MCP_INTERCEPT_A_TO, rule.to);
    if (rule.ports) {
        message.put_u16(MCP_INTERCEPT_A_FIRST, rule.ports->first);
        message.put_u16(MCP_INTERCEPT_A_LAST, rule.ports->last);
    }
}

Result<Rule> decode_rule(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_INTERCEPT, "rule");
    if (!nest)
        return nest.error();

    Attributes<MCP_INTERCEPT_A_MAX>::Kinds kinds = {};
    kinds[MCP_INTERCEPT_A_INDEX] = Kind::u32;
    kinds[MCP_INTERCEPT_A_ACTION] = Kind::u8;
    kinds[MCP_INTERCEPT_A_IFNAME] = Kind::string;
    kinds[MCP_INTERCEPT_A_LOCAL] = Kind::flag;
    kinds[MCP_INTERCEPT_A_FROM] = Kind::nest;
    kinds[MCP_INTERCEPT_A_TO] = Kind::nest;
    kinds[MCP_INTERCEPT_A_FIRST] = Kind::u16;
    kinds[MCP_INTERCEPT_A_LAST] = Kind::u16;
    kinds[MCP_INTERCEPT_A_PEER] = Kind::string;
    kinds[MCP_INTERCEPT_A_HITS] = Kind::u64;
    kinds[MCP_INTERCEPT_A_PASSED] = Kind::u64;
    const auto attributes = Attributes<MCP_INTERCEPT_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();
    const auto action = attributes->u8(MCP_INTERCEPT_A_ACTION);
    if (!action)
        return failure("the kernel sent a rule that says nothing");
    const auto from = read_prefix_nest((*attributes)[MCP_INTERCEPT_A_FROM]);
    const auto to = read_prefix_nest((*attributes)[MCP_INTERCEPT_A_TO]);
    if (!from || !to)
        return from ? to.error() : from.error();

    Rule rule{.index = attributes->u32(MCP_INTERCEPT_A_INDEX),
              .action = *action,
              .peer = attributes->string(MCP_INTERCEPT_A_PEER),
              .interface = attributes->string(MCP_INTERCEPT_A_IFNAME),
              .local = attributes->has(MCP_INTERCEPT_A_LOCAL),
              .from = *from,
              .to = *to,
              .hits = attributes->u64(MCP_INTERCEPT_A_HITS),
              .passed = attributes->u64(MCP_INTERCEPT_A_PASSED)};
    const auto first = attributes->u16(MCP_INTERCEPT_A_FIRST);
    const auto last = attributes->u16(MCP_INTERCEPT_A_LAST);
    if (first && last && (*first != 1 || *last != 65'535))
        rule.ports = {*first, *last};
    return rule;
}

std::string format_rule(const Rule& rule)
{
    std::string text = rule.index ? fmt::format("{}:", *rule.index) : "";
    const auto put = [&text](std::string_view key, const auto& value) {
        text += fmt::format("{}{} {}", text.empty() ? "" : " ", key, value);
    };

    if (rule.interface)
        put("dev", *rule.interface);
    if (rule.local)
        text += text.empty() ? "local" : " local";
    if (rule.from)
        put("from", format_prefix(*rule.from));
    if (rule.to)
        put("to", format_prefix(*rule.to));
    if (rule.ports)
        put("dport", fmt::format("{}-{}", rule.ports->first, rule.ports->last));
    if (rule.action == MCP_INTERCEPT_PASS)
        text += text.empty() ? "pass" : " pass";
    else
        put("via", rule.peer ? std::string_view(*rule.peer) : direct);
    if (rule.hits)
        put("hits", *rule.hits);
    if (rule.passed)
        put("passed", *rule.passed);
    return text;
}

Json rule_json(const Rule& rule)
{
    Json json = Json::object();

    if (rule.index)
        json["index"] = *rule.index;
    if (rule.interface)
        json["dev"] = *rule.interface;
    if (rule.local)
        json["local"] = true;
    if (rule.from)
        json["from"] = format_prefix(*rule.from);
    if (rule.to)
        json["to"] = format_prefix(*rule.to);
    if (rule.ports) {
        json["first"] = rule.ports->first;
        json["last"] = rule.ports->last;
    }
    if (rule.action == MCP_INTERCEPT_PASS)
        json["pass"] = true;
    else
        json["via"] = rule.peer ? std::string_view(*rule.peer) : direct;
    if (rule.hits)
        json["hits"] = *rule.hits;
    if (rule.passed)
        json["passed"] = *rule.passed;
    return json;
}

Result<std::vector<Rule>> list_rules(Module& module)
{
    return module.dump<Rule>(MCP_CMD_INTERCEPT_GET, decode_rule);
}

} // namespace mcp
