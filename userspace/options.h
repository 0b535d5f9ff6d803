// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "result.h"
#include "words.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mcp {

// A word that may stand once, in any order with the others.
struct Option {
    std::string_view word;
    std::string_view expected; // what has to follow, as a noun phrase; "": nothing
};

// The values that follow the words, by the index of the option; "" for one that
// nothing follows. Reads to the end of the words.
Result<std::vector<std::optional<std::string>>> parse_options(Words& words,
                                                              std::span<const Option> options);

} // namespace mcp
