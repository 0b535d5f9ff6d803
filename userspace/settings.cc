// SPDX-License-Identifier: GPL-2.0-only
#include "settings.h"

#include "duration.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

constexpr uint64_t max_idle = 24ULL * 24 * 3'600'000;
constexpr uint64_t max_rate = 1'000'000;
constexpr uint64_t max_sessions = 1 << 24;

// In the order of the enums in linux/mptcpproxy.h.
constexpr std::array<std::string_view, 2> handshakes = {"held", "early"};
constexpr std::array<std::string_view, 2> expiries = {"early", "refuse"};
constexpr std::array<std::string_view, 2> cookies = {"off", "required"};
constexpr std::array<std::string_view, 2> refusals = {"reset", "silent"};
constexpr std::array<std::string_view, 2> switches = {"off", "on"};
constexpr std::array<std::string_view, 2> mptcp_modes = {"maintain", "withdraw"};
constexpr std::array<std::string_view, 2> server_legs = {"tcp", "mptcp"};
constexpr std::array<std::string_view, 2> sources = {"share", "preserve"};
constexpr std::array<std::string_view, 2> filterings = {"endpoint-independent",
                                                        "address-dependent"};
constexpr std::array<std::string_view, 2> refreshes = {"any", "outbound"};
constexpr std::array<std::string_view, 2> fallbacks = {"pass", "direct"};
constexpr std::array<std::string_view, 3> implicits = {"marked", "all", "off"};

using enum SettingType;

// clang-format off
constexpr std::array<Setting, MCP_S_MAX> table = {{
    {"port", MCP_S_PORT, port, 1, 65'535, MCP_DEFAULT_PORT, {},
     "TCP port to serve; only with 'up'"},
    {"handshake", MCP_S_HANDSHAKE, choice, 0, 1, MCP_HANDSHAKE_HELD, handshakes,
     "answer a client after its server did, or at once"},
    {"hold-timeout", MCP_S_HOLD_TIMEOUT, milliseconds, 100, 60'000, 2'500, {},
     "longest time a client's SYN is held"},
    {"hold-expiry", MCP_S_HOLD_EXPIRY, choice, 0, 1, MCP_HOLD_EXPIRY_EARLY, expiries,
     "at the end of hold-timeout: answer the client, or refuse it"},
    {"echo", MCP_S_ECHO, on_off, 0, 1, 1, switches,
     "echo MP_CONVERT elements in the SYN/ACK"},
    {"require-mptcp", MCP_S_REQUIRE_MPTCP, on_off, 0, 1, 1, switches,
     "take MP_CONVERT only in a SYN with MP_CAPABLE"},
    {"late-request", MCP_S_LATE_REQUEST, on_off, 0, 1, 1, switches,
     "take a request that follows the handshake"},
    {"request-timeout", MCP_S_REQUEST_TIMEOUT, milliseconds, 100, 60'000, 5'000, {},
     "longest time a late request may take"},
    {"syn-timeout", MCP_S_SYN_TIMEOUT, milliseconds, 1'000, 300'000, 30'000, {},
     "longest time to wait for a silent server"},
    {"cookie", MCP_S_COOKIE, choice, 0, 1, MCP_COOKIE_OFF, cookies,
     "whether clients must show a cookie, which refuses MP_CONVERT"},
    {"cookie-lifetime", MCP_S_COOKIE_LIFETIME, seconds, 1, 604'800, 3'600, {},
     "time after which the cookie key changes"},
    {"refusal", MCP_S_REFUSAL, choice, 0, 1, MCP_REFUSAL_RESET, refusals,
     "what a client sees that policy refuses"},
    {"established-idle", MCP_S_EST_IDLE, milliseconds, 100, max_idle, 7'440'000, {},
     "time after which an idle session ends", 7'440'000},
    {"transitory-idle", MCP_S_TRANS_IDLE, milliseconds, 100, max_idle, 240'000, {},
     "the same while a session opens or closes", 240'000},
    {"i-know", MCP_S_I_KNOW, flag, 0, 1, 0, {},
     "let the idle times go below RFC 5382 REQ-5"},
    {"max-sessions", MCP_S_MAX_SESSIONS, number, 1, max_sessions, 1'048'576, {},
     "limit on sessions"},
    {"max-half-open", MCP_S_MAX_HALF_OPEN, number, 1, max_sessions, 16'384, {},
     "limit on sessions whose server has not answered"},
    {"max-half-open-client", MCP_S_MAX_HALF_OPEN_CLIENT, number, 1, max_sessions, 1'024, {},
     "the same for one client address"},
    {"session-rate", MCP_S_SESSION_RATE, number, 0, max_rate, 1'000, {},
     "new sessions a second for one client address, 0: no limit"},
    {"session-burst", MCP_S_SESSION_BURST, number, 1, max_rate, 2'000, {},
     "how many may come at once"},
    {"error-rate", MCP_S_ERROR_RATE, number, 0, max_rate, 10, {},
     "Error TLVs a second to one client address, 0: none"},
    {"max-ports-client", MCP_S_MAX_PORTS_CLIENT, number, 1, max_sessions, 2'048, {},
     "external ports one client address may have at a time"},
    {"relay-mp-capable", MCP_S_RELAY_MP_CAPABLE, on_off, 0, 1, 1, switches,
     "let the server see that the client speaks MPTCP"},
    {"mptcp", MCP_S_MPTCP, choice, 0, 1, MCP_MPTCP_MAINTAIN, mptcp_modes,
     "stay between client and server that both speak MPTCP, or only translate"},
    {"server-leg", MCP_S_SERVER_LEG, choice, 0, 1, MCP_SERVER_LEG_TCP, server_legs,
     "dial servers by TCP, or by an MPTCP socket"},
    {"source", MCP_S_SOURCE, choice, 0, 1, MCP_SOURCE_SHARE, sources,
     "what servers see: addresses of the MCP, or the client's own"},
    {"filtering", MCP_S_FILTERING, choice, 0, 1, MCP_FILTERING_INDEPENDENT, filterings,
     "who may connect to a client's external port: all, or servers it speaks with"},
    {"refresh", MCP_S_REFRESH, choice, 0, 1, MCP_REFRESH_ANY, refreshes,
     "whose packets keep a translated session from being idle"},
    {"max-subflows", MCP_S_MAX_SUBFLOWS, number, 1, 64, 8, {},
     "subflows one translated session may have"},
    {"port-block", MCP_S_PORT_BLOCK, number, 0, 4'096, 0, {},
     "give clients their external ports in blocks of so many, 0: one by one"},
    {"peer-timeout", MCP_S_PEER_TIMEOUT, milliseconds, 100, 60'000, 4'000, {},
     "longest time to wait for a silent peer"},
    {"peer-retry", MCP_S_PEER_RETRY, milliseconds, 100, max_idle, 30'000, {},
     "how long a peer that failed is left alone"},
    {"capability-ttl", MCP_S_CAPABILITY_TTL, milliseconds, 100, max_idle, 3'600'000, {},
     "how long what a peer cannot do is remembered"},
    {"fallback", MCP_S_FALLBACK, choice, 0, 1, MCP_FALLBACK_PASS, fallbacks,
     "without a peer: leave a connection alone, or dial its server"},
    {"implicit", MCP_S_IMPLICIT, choice, 0, 2, MCP_IMPLICIT_MARKED, implicits,
     "MPTCP connections that direct rules take: with MP_PREFER_PROXY, all, none"},
}};
// clang-format on

constexpr bool in_order()
{
    for (size_t i = 0; i < table.size(); i++)
        if (table[i].attribute != static_cast<int>(i) + 1)
            return false;
    return true;
}
static_assert(in_order(), "the table follows enum mcp_setting_attr without gaps");

std::string format_number(const Setting& setting, uint64_t value)
{
    switch (setting.type) {
    case milliseconds:
        return format_duration(value);
    case seconds:
        return format_duration(value * 1'000);
    case choice:
    case on_off:
        if (value < setting.choices.size())
            return std::string(setting.choices[value]);
        return fmt::format("unknown({})", value);
    case flag:
        return value ? "on" : "off";
    case port:
    case number:
        break;
    }
    return fmt::format("{}", value);
}

std::string_view expected(const Setting& setting)
{
    switch (setting.type) {
    case milliseconds:
    case seconds:
        return "a time";
    case port:
        return "a port number";
    case choice:
    case on_off:
    case number:
    case flag:
        break;
    }
    return "a number";
}

Result<uint64_t> parse_value(const Setting& setting, std::string_view text)
{
    Result<uint64_t> value = 0;

    switch (setting.type) {
    case choice:
    case on_off: {
        const Result<size_t> index =
            match_word(text, setting.choices, fmt::format("value of '{}'", setting.word));
        if (!index)
            return index.error();
        return static_cast<uint64_t>(*index);
    }
    case milliseconds:
        value = parse_duration(text, 1);
        break;
    case seconds:
        value = parse_duration(text, 1'000);
        if (value && *value % 1'000 != 0)
            return usage_error(fmt::format("{}: '{}' must be whole seconds", setting.word, text));
        if (value)
            *value /= 1'000;
        break;
    case port:
    case number:
        value = parse_number(text);
        break;
    case flag:
        return 1;
    }
    if (!value)
        return usage_error(fmt::format("{}: {}", setting.word, value.error().message));
    if (*value < setting.min || *value > setting.max)
        return usage_error(fmt::format("{}: '{}' is out of range: {} to {}", setting.word, text,
                                       format_number(setting, setting.min),
                                       format_number(setting, setting.max)));
    return value;
}

} // namespace

std::span<const Setting> settings()
{
    return table;
}

Result<SettingValues> parse_settings(Words& words, bool with_port)
{
    std::vector<std::string_view> names;
    SettingValues values;

    for (const Setting& setting : table)
        names.push_back(setting.word);

    while (!words.empty()) {
        const Result<size_t> index = match_word(words.next(), names, "setting");
        if (!index)
            return index.error();

        const Setting& setting = table[*index];
        if (setting.type == port && !with_port)
            return usage_error(
                "the port is fixed while the MCP is up: run 'mptcpproxyctl mcp down', "
                "then 'mptcpproxyctl mcp up port N'");
        if (std::any_of(values.begin(), values.end(),
                        [&](const SettingValue& other) { return other.setting == &setting; }))
            return usage_error(fmt::format("'{}' stands there twice", setting.word));
        if (setting.type == flag) {
            values.push_back({&setting, 1});
            continue;
        }

        const std::string wanted =
            setting.choices.empty() ? std::string(expected(setting)) : either(setting.choices);
        const Result<std::string> text = words.value(setting.word, wanted);
        if (!text)
            return text.error();
        const Result<uint64_t> value = parse_value(setting, *text);
        if (!value)
            return value.error();
        values.push_back({&setting, *value});
    }
    return values;
}

void put_settings(Message& message, const SettingValues& values)
{
    const Message::Nest nest(message, MCP_A_SETTINGS);

    for (const auto& [setting, value] : values) {
        switch (setting->type) {
        case port:
            message.put_be16(setting->attribute, static_cast<uint16_t>(value));
            break;
        case choice:
        case on_off:
            message.put_u8(setting->attribute, static_cast<uint8_t>(value));
            break;
        case milliseconds:
        case seconds:
        case number:
            message.put_u32(setting->attribute, static_cast<uint32_t>(value));
            break;
        case flag:
            message.put_flag(setting->attribute);
            break;
        }
    }
}

Result<SettingValues> decode_settings(const nlattr* nest)
{
    Attributes<MCP_S_MAX>::Kinds kinds = {};

    for (const Setting& setting : table) {
        switch (setting.type) {
        case port:
            kinds[setting.attribute] = Kind::u16;
            break;
        case choice:
        case on_off:
            kinds[setting.attribute] = Kind::u8;
            break;
        case milliseconds:
        case seconds:
        case number:
            kinds[setting.attribute] = Kind::u32;
            break;
        case flag:
            kinds[setting.attribute] = Kind::flag;
            break;
        }
    }

    const auto attributes = Attributes<MCP_S_MAX>::parse(nest, kinds);
    if (!attributes)
        return attributes.error();

    SettingValues values;
    for (const Setting& setting : table) {
        if (!attributes->has(setting.attribute))
            continue;
        switch (kinds[setting.attribute]) {
        case Kind::u8:
            values.push_back({&setting, *attributes->u8(setting.attribute)});
            break;
        case Kind::u16:
            values.push_back({&setting, *attributes->be16(setting.attribute)});
            break;
        case Kind::u32:
            values.push_back({&setting, *attributes->u32(setting.attribute)});
            break;
        default:
            values.push_back({&setting, 1});
        }
    }
    return values;
}

std::string format_value(const SettingValue& value)
{
    return format_number(*value.setting, value.value);
}

Json settings_json(const SettingValues& values)
{
    Json json = Json::object();

    for (const auto& [setting, value] : values) {
        std::string key(setting->word);
        std::replace(key.begin(), key.end(), '-', '_');

        switch (setting->type) {
        case milliseconds:
            json[key + "_ms"] = value;
            break;
        case seconds:
            json[key + "_ms"] = value * 1'000;
            break;
        case on_off:
        case flag:
            json[key] = value != 0;
            break;
        case choice:
            json[key] = format_number(*setting, value);
            break;
        case port:
        case number:
            json[key] = value;
            break;
        }
    }
    return json;
}

std::string setting_placeholder(const Setting& setting)
{
    switch (setting.type) {
    case choice:
        return fmt::format("{}", fmt::join(setting.choices, "|"));
    case on_off:
        return "on|off";
    case milliseconds:
    case seconds:
        return "TIME";
    case flag:
        return "";
    case port:
    case number:
        break;
    }
    return "N";
}

std::string setting_range(const Setting& setting)
{
    if (setting.type == flag)
        return "";

    const std::string initial = format_number(setting, setting.initial);
    if (setting.floor != 0)
        return fmt::format("{} to {}, less with i-know, default {}",
                           format_number(setting, setting.floor),
                           format_number(setting, setting.max), initial);
    if (setting.choices.empty())
        return fmt::format("{} to {}, default {}", format_number(setting, setting.min),
                           format_number(setting, setting.max), initial);
    return fmt::format("default {}", initial);
}

std::string blame_setting(const Message& message, const Error& error, const SettingValues& values)
{
    const auto has_flag = [](const SettingValue& value) { return value.setting->type == flag; };
    const bool knows = std::any_of(values.begin(), values.end(), has_flag);
    std::vector<int> path;

    if (error.offset != 0)
        path = message.attributes_at(error.offset);
    const int attribute = path.size() == 2 && path[0] == MCP_A_SETTINGS ? path[1] : 0;

    // A text that points at nothing says it all.
    if (attribute == 0 && error.explained)
        return "";
    for (const auto& [setting, value] : values) {
        if (setting->attribute != attribute && attribute != 0)
            continue;
        if (value < setting->floor && !knows)
            return fmt::format("{} below {} needs the word 'i-know'", setting->word,
                               format_number(*setting, setting->floor));
        if (attribute != 0)
            return std::string(setting->word);
    }
    return "";
}

} // namespace mcp
