// SPDX-License-Identifier: GPL-2.0-only
#include "duration.h"

#include <array>
#include <cctype>
#include <limits>

#include <fmt/format.h>

namespace mcp {

namespace {

struct Unit {
    std::string_view suffix;
    uint64_t ms;
};

constexpr std::array<Unit, 5> units = {{
    {"d", 86'400'000},
    {"h", 3'600'000},
    {"m", 60'000},
    {"s", 1'000},
    {"ms", 1},
}};

Error not_a_time(std::string_view text)
{
    return usage_error(
        fmt::format("'{}' is not a time: write it like 2500ms, 2s, 124m or 2h", text));
}

// Takes digits off the front; false when there are none or they do not fit.
bool take_number(std::string_view& text, uint64_t& value)
{
    constexpr uint64_t max = std::numeric_limits<uint64_t>::max();
    size_t used = 0;

    value = 0;
    while (used < text.size() && isdigit(static_cast<unsigned char>(text[used]))) {
        const uint64_t digit = text[used] - '0';

        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
        used++;
    }
    text.remove_prefix(used);
    return used > 0;
}

std::string_view take_letters(std::string_view& text)
{
    size_t used = 0;

    while (used < text.size() && isalpha(static_cast<unsigned char>(text[used])))
        used++;
    const std::string_view letters = text.substr(0, used);
    text.remove_prefix(used);
    return letters;
}

} // namespace

Result<uint64_t> parse_duration(std::string_view text, uint64_t unit_ms)
{
    constexpr uint64_t max = std::numeric_limits<uint64_t>::max();
    std::string_view rest = text;
    uint64_t total = 0;

    do {
        uint64_t whole = 0;
        uint64_t scale = 1; // the number is whole / scale units

        if (!take_number(rest, whole))
            return not_a_time(text);
        if (rest.starts_with('.')) {
            rest.remove_prefix(1);
            const size_t before = rest.size();
            uint64_t fraction = 0;

            if (!take_number(rest, fraction) || before - rest.size() > 6)
                return not_a_time(text);
            for (size_t i = rest.size(); i < before; i++)
                scale *= 10;
            if (whole > (max - fraction) / scale)
                return not_a_time(text);
            whole = whole * scale + fraction;
        }

        uint64_t unit = 0;
        const std::string_view suffix = take_letters(rest);
        if (suffix.empty() && total == 0 && rest.empty())
            unit = unit_ms;
        for (const Unit& known : units)
            if (suffix == known.suffix)
                unit = known.ms;
        if (unit == 0 || whole > max / unit || whole * unit % scale != 0)
            return not_a_time(text);

        const uint64_t part = whole * unit / scale;
        if (part > max - total)
            return not_a_time(text);
        total += part;
    } while (!rest.empty());

    return total;
}

std::string format_duration(uint64_t ms)
{
    if (ms == 0)
        return "0ms";
    // Days are left out: nobody looks for 168h under "7d".
    for (const Unit& unit : units)
        if (unit.suffix != "d" && ms % unit.ms == 0)
            return fmt::format("{}{}", ms / unit.ms, unit.suffix);
    return fmt::format("{}ms", ms);
}

std::string format_age(uint64_t ms)
{
    if (ms < 1'000)
        return fmt::format("{}ms", ms);
    if (ms < 60'000)
        return fmt::format("{}.{}s", ms / 1'000, ms % 1'000 / 100);
    for (size_t i = 0; i + 2 < units.size(); i++) {
        const Unit& large = units[i];
        const Unit& small = units[i + 1];

        if (ms >= large.ms)
            return fmt::format("{}{}{}{}", ms / large.ms, large.suffix, ms % large.ms / small.ms,
                               small.suffix);
    }
    return fmt::format("{}ms", ms);
}

} // namespace mcp
