// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "output.h"
#include "result.h"
#include "words.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mcp {

// What can be done with an object: 'mptcpproxyctl OBJECT COMMAND ARGUMENTS'.
struct Command {
    std::string_view word;
    std::string_view arguments; // for help
    std::string_view meaning;   // for help
    // Does it. Words holds what follows the command.
    Status (*run)(Words& words, Output& output);
};

// What things can be done with. The first command is done when none is named.
struct Object {
    std::string_view word;
    std::string_view meaning;
    std::span<const Command> commands;
    // Text that follows the commands in 'mptcpproxyctl OBJECT help'.
    std::string (*details)();
};

// Every object, in the order of the help.
std::span<const Object* const> objects();

// The object and command that the words begin with; takes these words. An
// abbreviation that fits several objects is settled by the command after it:
// "m sh" can only be "mcp show". Nothing left to say, or "help", gives a
// command that is nullptr; with "help" in front of everything the object is
// nullptr too.
struct Choice {
    const Object* object = nullptr;
    const Command* command = nullptr;
};
Result<Choice> choose(Words& words);

// "list" and "delete" stand beside "show" and "del", as in ip(8).
std::string_view canonical(std::string_view word);

std::string help();
std::string help(const Object& object);

// Finds what the words ask for and does it.
Status execute(Words& words, Output& output);

} // namespace mcp
