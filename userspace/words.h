// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "result.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mcp {

// The words of a command line, taken one after the other. Does not own them.
class Words {
public:
    explicit Words(std::span<const std::string> words) : rest_(words) {}

    bool empty() const { return rest_.empty(); }
    const std::string& peek() const { return rest_.front(); }
    const std::string& next();

    // The value that has to follow the keyword that was just taken. expected is
    // a noun phrase for the message ("a time").
    Result<std::string> value(std::string_view keyword, std::string_view expected);

    // Every word there is has been used, or the error that says it has not.
    Status finish() const;

    // The same, but "KEYWORD VALUE" may come before the end: the value, if so.
    Result<std::optional<std::string>> finish_with(std::string_view keyword,
                                                   std::string_view expected);

    bool asks_for_help() const;

private:
    std::span<const std::string> rest_;
};

// Every index in candidates that word is equal to or, failing that, an
// abbreviation of.
std::vector<size_t> matches(std::string_view word, std::span<const std::string_view> candidates);

// The one candidate that word is or abbreviates. The message of the error names
// the nearest candidates; what says what the word should have been ("command").
Result<size_t> match_word(std::string_view word, std::span<const std::string_view> candidates,
                          std::string_view what);

// The error for a word that is none of the candidates: "unknown command 'shwo':
// did you mean 'show'?"
Error unknown_word(std::string_view word, std::span<const std::string_view> candidates,
                   std::string_view what);

Result<uint64_t> parse_number(std::string_view text);

// "a", "a or b", "a, b or c".
std::string either(std::span<const std::string_view> words);

} // namespace mcp
