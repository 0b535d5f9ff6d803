// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "message.h"
#include "output.h"
#include "result.h"
#include "words.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mcp {

enum class SettingType : uint8_t {
    port,         // be16
    choice,       // u8, index into choices
    on_off,       // u8, 0 or 1
    milliseconds, // u32
    seconds,      // u32
    number,       // u32
    flag,         // there or not
};

// A setting of the MCP. Values are kept in the unit of the attribute.
struct Setting {
    std::string_view word; // on the command line; JSON has '_' for '-'
    int attribute;         // enum mcp_setting_attr
    SettingType type;
    uint64_t min;
    uint64_t max;
    uint64_t initial; // value that 'mcp up' sets when it is not named
    std::span<const std::string_view> choices;
    std::string_view meaning;
    // RFC 5382 REQ-5: a lower value needs i-know. 0: no such floor.
    uint64_t floor = 0;
};

struct SettingValue {
    const Setting* setting;
    uint64_t value;
};
using SettingValues = std::vector<SettingValue>;

// Every setting there is, once: the parser, the help, the output and the tests
// of manual and completion go through this table.
std::span<const Setting> settings();

// Reads "hold-timeout 2s echo off" to the end of the words. with_port says
// whether 'port' may be among them.
Result<SettingValues> parse_settings(Words& words, bool with_port);

// Puts the nest MCP_A_SETTINGS, empty if values is.
void put_settings(Message& message, const SettingValues& values);

// Reads the nest MCP_A_SETTINGS. Settings we do not know are left out.
Result<SettingValues> decode_settings(const nlattr* nest);

// The value as it would be typed, "2500ms", "on", "held".
std::string format_value(const SettingValue& value);

// {"hold_timeout_ms": 2500, "echo": true, ...}
Json settings_json(const SettingValues& values);

// For help: "TIME" or "on|off", and "100ms to 1m, default 2500ms".
std::string setting_placeholder(const Setting& setting);
std::string setting_range(const Setting& setting);

// A message the kernel refused: which setting it objected to, or what the user
// can add to have it accepted. Empty when neither is known.
std::string blame_setting(const Message& message, const Error& error, const SettingValues& values);

} // namespace mcp
