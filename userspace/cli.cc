// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"

#include "acl.h"
#include "doctor.h"
#include "intercept.h"
#include "mcp.h"
#include "monitor.h"
#include "peer.h"
#include "pool.h"
#include "session.h"
#include "static_mapping.h"
#include "stats.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace mcp {

namespace {

constexpr std::array<const Object*, 10> table = {
    &mcp_object,     &acl_object,     &pool_object,  &peer_object,    &intercept_object,
    &mapping_object, &session_object, &stats_object, &monitor_object, &doctor_object,
};

std::vector<std::string_view> command_words(const Object& object)
{
    std::vector<std::string_view> words;

    for (const Command& command : object.commands)
        words.push_back(command.word);
    return words;
}

bool is_help(std::string_view word)
{
    return word == "help" || word == "-h" || word == "--help";
}

Error with_help(Error error, const std::string& where)
{
    // One hint is enough.
    if (error.status == Exit::usage &&
        error.message.find("see 'mptcpproxyctl") == std::string::npos)
        error.message += fmt::format(" (see 'mptcpproxyctl {}help')", where);
    return error;
}

Result<const Object*> choose_object(Words& words)
{
    std::vector<std::string_view> names;
    for (const Object* object : table)
        names.push_back(object->word);

    const std::string& word = words.next();
    const std::vector<size_t> found = matches(word, names);
    if (found.size() > 1 && !words.empty() && !is_help(words.peek())) {
        std::vector<const Object*> fitting;

        for (const size_t index : found)
            if (!matches(canonical(words.peek()), command_words(*table[index])).empty())
                fitting.push_back(table[index]);
        if (fitting.size() == 1)
            return fitting.front();
    }

    const Result<size_t> index = match_word(word, names, "object");
    if (!index)
        return with_help(index.error(), "");
    return table[*index];
}

} // namespace

std::span<const Object* const> objects()
{
    return table;
}

std::string_view canonical(std::string_view word)
{
    if (word == "list" || word == "ls" || word == "lst")
        return "show";
    if (word == "delete")
        return "del";
    return word;
}

Result<Choice> choose(Words& words)
{
    Choice choice;

    if (words.empty())
        return usage_error("no object named: run 'mptcpproxyctl help'");
    const bool only_help = is_help(words.peek()); // "help", or "help mcp"
    if (only_help) {
        words.next();
        if (words.empty())
            return choice;
    }

    const Result<const Object*> object = choose_object(words);
    if (!object)
        return object.error();
    choice.object = *object;

    if (only_help || words.asks_for_help())
        return choice;
    if (words.empty()) {
        choice.command = &choice.object->commands.front();
        return choice;
    }

    const Result<size_t> index = match_word(canonical(words.next()), command_words(*choice.object),
                                            fmt::format("{} command", choice.object->word));
    if (!index)
        return with_help(index.error(), fmt::format("{} ", choice.object->word));
    choice.command = &choice.object->commands[*index];
    return choice;
}

std::string help()
{
    std::string text = "Usage: mptcpproxyctl [OPTIONS] OBJECT [COMMAND [ARGUMENTS]]\n"
                       "Options:\n"
                       "    -j, --json         print JSON\n"
                       "    -p, --pretty       indent the JSON\n"
                       "    -n, --netns NETNS  work in this network namespace\n"
                       "    -V, --version      print the version\n"
                       "Objects:\n";

    for (const Object* object : table)
        text +=
            fmt::format("    {:<10}{:<36}{}\n", object->word,
                        fmt::format("{}", fmt::join(command_words(*object), "|")), object->meaning);
    text +=
        "Words may be shortened. 'mptcpproxyctl OBJECT help' tells more, mptcpproxyctl(8) all.\n";
    return text;
}

std::string help(const Object& object)
{
    std::string text;

    for (const Command& command : object.commands) {
        text += text.empty() ? "Usage: " : "       ";
        text += fmt::format("mptcpproxyctl {} {}{}{}\n", object.word, command.word,
                            command.arguments.empty() ? "" : " ", command.arguments);
    }
    text += "Commands:\n";
    for (const Command& command : object.commands)
        text += fmt::format("    {:<9}{}\n", command.word, command.meaning);
    return text + (object.details ? object.details() : "");
}

Status execute(Words& words, Output& output)
{
    const Result<Choice> choice = choose(words);
    if (!choice)
        return choice.error();
    if (!choice->command) {
        fmt::print("{}", choice->object ? help(*choice->object) : help());
        return {};
    }

    Status status = choice->command->run(words, output);
    if (!status)
        return with_help(std::move(status.error()), fmt::format("{} ", choice->object->word));
    output.finish();
    return {};
}

} // namespace mcp
