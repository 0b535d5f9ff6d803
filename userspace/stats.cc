// SPDX-License-Identifier: GPL-2.0-only
#include "stats.h"

#include "module.h"

#include <algorithm>

#include <fmt/format.h>
#include <fnmatch.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

bool fits(const std::string& pattern, const Counter& counter)
{
    return fnmatch(pattern.c_str(), counter.name.c_str(), FNM_CASEFOLD) == 0;
}

Status show(Words& words, Output& output)
{
    std::vector<std::string> patterns;
    bool nonzero = false;

    while (!words.empty()) {
        if (words.peek().starts_with('-'))
            return words.finish();
        if (words.peek() == "nonzero") {
            words.next();
            nonzero = true;
        } else {
            patterns.push_back(words.next());
        }
    }

    Result<Module> module = Module::open();
    if (!module)
        return module.error();
    const Result<std::vector<Counter>> counters =
        module->dump<Counter>(MCP_CMD_STATS_GET, decode_counter);
    if (!counters)
        return counters.error();
    const Result<std::vector<Counter>> selected = select_counters(*counters, patterns, nonzero);
    if (!selected)
        return selected.error();

    size_t width = 0;
    for (const Counter& counter : *selected)
        width = std::max(width, counter.name.size());
    for (const Counter& counter : *selected) {
        if (output.json())
            output.row({{"name", counter.name}, {"value", counter.value}});
        else
            output.line(fmt::format("{:<{}}  {}", counter.name, width, counter.value));
    }
    return {};
}

constexpr Command commands[] = {
    {"show", "[NAME|PATTERN...] [nonzero]", "print counters", show},
};

std::string details()
{
    return "PATTERN is as in the shell ('syn*'). 'nonzero' leaves out what stands at 0.\n"
           "The counters are explained in mptcpproxyctl(8).\n";
}

} // namespace

const Object stats_object = {"stats", "what the module has counted", commands, details};

Result<Counter> decode_counter(const nlmsghdr* header)
{
    const Result<const nlattr*> nest = find_nest(header, MCP_A_STAT, "counter");
    if (!nest)
        return nest.error();

    Attributes<MCP_STAT_A_MAX>::Kinds kinds = {};
    kinds[MCP_STAT_A_NAME] = Kind::string;
    kinds[MCP_STAT_A_VALUE] = Kind::u64;
    const auto attributes = Attributes<MCP_STAT_A_MAX>::parse(*nest, kinds);
    if (!attributes)
        return attributes.error();

    const auto name = attributes->string(MCP_STAT_A_NAME);
    const auto value = attributes->u64(MCP_STAT_A_VALUE);
    if (!name || !value)
        return failure("the kernel sent a counter without name or value");
    return Counter{*name, *value};
}

Result<std::vector<Counter>> select_counters(const std::vector<Counter>& counters,
                                             const std::vector<std::string>& patterns, bool nonzero)
{
    std::vector<Counter> selected;

    for (const std::string& pattern : patterns) {
        if (std::any_of(counters.begin(), counters.end(),
                        [&](const Counter& counter) { return fits(pattern, counter); }))
            continue;

        std::vector<std::string_view> names;
        for (const Counter& counter : counters)
            names.push_back(counter.name);
        return unknown_word(pattern, names, "counter");
    }
    for (const Counter& counter : counters) {
        const bool wanted = patterns.empty() || std::any_of(patterns.begin(), patterns.end(),
                                                            [&](const std::string& pattern) {
                                                                return fits(pattern, counter);
                                                            });

        if (wanted && (!nonzero || counter.value != 0))
            selected.push_back(counter);
    }
    return selected;
}

} // namespace mcp
