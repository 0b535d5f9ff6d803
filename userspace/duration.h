// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace mcp {

// Times as people write them: "2500", "2500ms", "2s", "1.5s", "124m", "2h4m".
// A number without a unit counts units of unit_ms milliseconds.
// Gives milliseconds; a part of a millisecond is an error.
Result<uint64_t> parse_duration(std::string_view text, uint64_t unit_ms = 1);

// The shortest exact form with one unit, which parse_duration() reads back.
std::string format_duration(uint64_t ms);

// For people only: the two largest units, "3d4h", "2m5s", "12.3s", "250ms".
std::string format_age(uint64_t ms);

} // namespace mcp
