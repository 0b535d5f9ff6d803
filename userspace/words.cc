// SPDX-License-Identifier: GPL-2.0-only
#include "words.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>

#include <fmt/format.h>

namespace mcp {

namespace {

// Typing mistakes between two words: letters missing, too many, wrong or
// swapped with the next one (optimal string alignment).
size_t distance(std::string_view a, std::string_view b)
{
    std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));

    for (size_t i = 0; i <= a.size(); i++)
        cost[i][0] = i;
    std::iota(cost[0].begin(), cost[0].end(), 0);

    for (size_t i = 1; i <= a.size(); i++) {
        for (size_t j = 1; j <= b.size(); j++) {
            cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                                   cost[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    }
    return cost[a.size()][b.size()];
}

// People write hold_timeout and --i-know for hold-timeout and i-know.
std::string plain(std::string_view word)
{
    std::string text(word);

    if (text.starts_with("--"))
        text.erase(0, 2);
    for (char& letter : text)
        letter =
            letter == '_' ? '-' : static_cast<char>(tolower(static_cast<unsigned char>(letter)));
    return text;
}

} // namespace

const std::string& Words::next()
{
    const std::string& word = rest_.front();

    rest_ = rest_.subspan(1);
    return word;
}

Result<std::string> Words::value(std::string_view keyword, std::string_view expected)
{
    if (rest_.empty())
        return usage_error(fmt::format("'{}' needs {} after it", keyword, expected));
    return next();
}

Status Words::finish() const
{
    if (rest_.empty())
        return {};
    if (rest_.front().starts_with('-'))
        return usage_error(
            fmt::format("'{0}' is in the wrong place: options stand before the object, "
                        "as in 'mptcpproxyctl {0} session show'",
                        rest_.front()));
    return usage_error(fmt::format("'{}' is one word too many", rest_.front()));
}

Result<std::optional<std::string>> Words::finish_with(std::string_view keyword,
                                                      std::string_view expected)
{
    std::optional<std::string> given;

    if (!empty()) {
        const Result<size_t> index = match_word(next(), {&keyword, 1}, "word");
        if (!index)
            return index.error();
        const Result<std::string> text = value(keyword, expected);
        if (!text)
            return text.error();
        given = *text;
    }
    if (const Status status = finish(); !status)
        return status.error();
    return given;
}

bool Words::asks_for_help() const
{
    return std::any_of(rest_.begin(), rest_.end(), [](const std::string& word) {
        return word == "help" || word == "-h" || word == "--help";
    });
}

std::vector<size_t> matches(std::string_view word, std::span<const std::string_view> candidates)
{
    const std::string wanted = plain(word);
    std::vector<size_t> found;

    for (size_t i = 0; i < candidates.size(); i++) {
        if (candidates[i] == wanted)
            return {i};
        if (!wanted.empty() && candidates[i].starts_with(wanted))
            found.push_back(i);
    }
    return found;
}

Result<uint64_t> parse_number(std::string_view text)
{
    const char* end = text.data() + text.size();
    uint64_t value = 0;
    const auto [stop, failed] = std::from_chars(text.data(), end, value);

    if (failed != std::errc() || stop != end)
        return usage_error(fmt::format("'{}' is not a number", text));
    return value;
}

std::string either(std::span<const std::string_view> words)
{
    std::string text;

    for (size_t i = 0; i < words.size(); i++)
        text += fmt::format("{}{}", i == 0 ? "" : i + 1 == words.size() ? " or " : ", ", words[i]);
    return text;
}

Error unknown_word(std::string_view word, std::span<const std::string_view> candidates,
                   std::string_view what)
{
    const std::string wanted = plain(word);
    // One mistake in three letters still looks like the word.
    size_t tolerated = std::clamp<size_t>(wanted.size() / 3, 1, 3);
    std::vector<std::string_view> near;

    for (const std::string_view candidate : candidates) {
        const size_t mistakes = distance(wanted, candidate);

        if (mistakes > tolerated || mistakes >= candidate.size())
            continue;
        if (mistakes < tolerated)
            near.clear();
        tolerated = mistakes;
        near.push_back(candidate);
    }
    if (!near.empty())
        return usage_error(fmt::format("unknown {} '{}': did you mean '{}'?", what, word,
                                       fmt::join(near, "' or '")));
    if (candidates.size() <= 8)
        return usage_error(fmt::format("unknown {} '{}': use {}", what, word, either(candidates)));
    return usage_error(fmt::format("unknown {} '{}'", what, word));
}

Result<size_t> match_word(std::string_view word, std::span<const std::string_view> candidates,
                          std::string_view what)
{
    const std::vector<size_t> found = matches(word, candidates);

    if (found.size() == 1)
        return found.front();
    if (found.empty())
        return unknown_word(word, candidates, what);

    std::vector<std::string_view> names;
    for (const size_t index : found)
        names.push_back(candidates[index]);
    return usage_error(
        fmt::format("{} '{}' can mean {}: write more of it", what, word, either(names)));
}

} // namespace mcp
