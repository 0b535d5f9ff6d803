// SPDX-License-Identifier: GPL-2.0-only
#include "options.h"

#include <fmt/format.h>

namespace mcp {

Result<std::vector<std::optional<std::string>>> parse_options(Words& words,
                                                              std::span<const Option> options)
{
    std::vector<std::optional<std::string>> values(options.size());
    std::vector<std::string_view> names;

    for (const Option& option : options)
        names.push_back(option.word);
    while (!words.empty()) {
        const std::string word = words.next();
        const Result<size_t> index = match_word(word, names, "word");

        if (!index)
            return index.error();
        if (values[*index])
            return usage_error(fmt::format("'{}' stands there twice", options[*index].word));
        if (options[*index].expected.empty()) {
            values[*index] = "";
            continue;
        }
        const Result<std::string> value =
            words.value(options[*index].word, options[*index].expected);
        if (!value)
            return value.error();
        values[*index] = *value;
    }
    return values;
}

} // namespace mcp
