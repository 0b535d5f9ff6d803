// SPDX-License-Identifier: GPL-2.0-only
#include "mcp.h"
#include "settings.h"

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

using namespace mcp;

namespace {

Result<SettingValues> parse(std::vector<std::string> list, bool with_port = true)
{
    Words words(list);

    return parse_settings(words, with_port);
}

// What comes back when the kernel is an echo.
SettingValues round_trip(const SettingValues& values)
{
    Message message(0x20, MCP_CMD_UP, MCP_GENL_VERSION);

    put_settings(message, values);
    const auto state = decode_mcp(message.header());
    REQUIRE(state);
    return state->settings;
}

std::string complaint(std::vector<std::string> list, bool with_port = true)
{
    const auto values = parse(std::move(list), with_port);

    REQUIRE_FALSE(values);
    CHECK(values.error().status == Exit::usage);
    return values.error().message;
}

std::string sample(const Setting& setting)
{
    if (!setting.choices.empty())
        return std::string(setting.choices.back());
    return format_value({&setting, setting.initial});
}

} // namespace

TEST_CASE("every setting survives the way to the kernel and back")
{
    for (const Setting& setting : settings()) {
        INFO(setting.word);
        std::vector<std::string> list = {std::string(setting.word)};
        if (setting.type != SettingType::flag)
            list.push_back(sample(setting));

        const auto values = parse(list);
        REQUIRE(values);
        REQUIRE(values->size() == 1);
        const SettingValues back = round_trip(*values);
        REQUIRE(back.size() == 1);
        CHECK(back[0].setting == &setting);
        CHECK(back[0].value == (*values)[0].value);
        if (setting.type != SettingType::flag)
            CHECK(format_value(back[0]) == sample(setting));
        CHECK(settings_json(back).size() == 1);
    }
}

TEST_CASE("all settings at once, as text and as JSON")
{
    const auto values = parse({"port",
                               "5125",
                               "handshake",
                               "early",
                               "hold-timeout",
                               "2s",
                               "hold-expiry",
                               "refuse",
                               "echo",
                               "off",
                               "require-mptcp",
                               "off",
                               "late-request",
                               "off",
                               "request-timeout",
                               "1500",
                               "syn-timeout",
                               "1m",
                               "cookie",
                               "required",
                               "cookie-lifetime",
                               "7200",
                               "refusal",
                               "silent",
                               "established-idle",
                               "3h",
                               "transitory-idle",
                               "5m",
                               "--i-know",
                               "max-sessions",
                               "10",
                               "max-half-open",
                               "9",
                               "max-half-open-client",
                               "8",
                               "session-rate",
                               "0",
                               "session-burst",
                               "7",
                               "error-rate",
                               "6",
                               "max-ports-client",
                               "5",
                               "relay-mp-capable",
                               "off",
                               "mptcp",
                               "withdraw",
                               "server-leg",
                               "mptcp",
                               "source",
                               "preserve",
                               "filtering",
                               "address-dependent",
                               "refresh",
                               "outbound",
                               "max-subflows",
                               "4",
                               "port-block",
                               "256",
                               "peer-timeout",
                               "1s",
                               "peer-retry",
                               "2s",
                               "capability-ttl",
                               "3h",
                               "fallback",
                               "direct",
                               "implicit",
                               "off"});
    REQUIRE(values);
    REQUIRE(values->size() == settings().size());
    const Json json = settings_json(round_trip(*values));
    CHECK(json == Json{{"port", 5125},
                       {"handshake", "early"},
                       {"hold_timeout_ms", 2'000},
                       {"hold_expiry", "refuse"},
                       {"echo", false},
                       {"require_mptcp", false},
                       {"late_request", false},
                       {"request_timeout_ms", 1'500},
                       {"syn_timeout_ms", 60'000},
                       {"cookie", "required"},
                       {"cookie_lifetime_ms", 7'200'000},
                       {"refusal", "silent"},
                       {"established_idle_ms", 10'800'000},
                       {"transitory_idle_ms", 300'000},
                       {"i_know", true},
                       {"max_sessions", 10},
                       {"max_half_open", 9},
                       {"max_half_open_client", 8},
                       {"session_rate", 0},
                       {"session_burst", 7},
                       {"error_rate", 6},
                       {"max_ports_client", 5},
                       {"relay_mp_capable", false},
                       {"mptcp", "withdraw"},
                       {"server_leg", "mptcp"},
                       {"source", "preserve"},
                       {"filtering", "address-dependent"},
                       {"refresh", "outbound"},
                       {"max_subflows", 4},
                       {"port_block", 256},
                       {"peer_timeout_ms", 1'000},
                       {"peer_retry_ms", 2'000},
                       {"capability_ttl_ms", 10'800'000},
                       {"fallback", "direct"},
                       {"implicit", "off"}});
}

TEST_CASE("the octets of a message are those of the contract")
{
    Message message(0x20, MCP_CMD_SET, MCP_GENL_VERSION);
    put_settings(message, *parse({"port", "5124", "hold-timeout", "2500", "echo", "off"}));

    const auto* octets = reinterpret_cast<const uint8_t*>(message.header()) + NLMSG_HDRLEN;
    const std::vector<uint8_t> sent(octets, octets + message.header()->nlmsg_len - NLMSG_HDRLEN);
    CHECK(sent == std::vector<uint8_t>{MCP_CMD_SET,
                                       1,
                                       0,
                                       0, // genlmsghdr
                                       28,
                                       0,
                                       MCP_A_SETTINGS,
                                       0x80, // NLA_F_NESTED
                                       6,
                                       0,
                                       MCP_S_PORT,
                                       0,
                                       0x14,
                                       0x04,
                                       0,
                                       0, // big endian
                                       8,
                                       0,
                                       MCP_S_HOLD_TIMEOUT,
                                       0,
                                       0xc4,
                                       0x09,
                                       0,
                                       0,
                                       5,
                                       0,
                                       MCP_S_ECHO,
                                       0,
                                       0,
                                       0,
                                       0,
                                       0});
}

TEST_CASE("no settings make an empty nest")
{
    CHECK(round_trip({}).empty());
    CHECK(parse({})->empty());
}

TEST_CASE("settings that are wrong")
{
    CHECK(complaint({"hold-timeut", "1"}).find("'hold-timeout'") != std::string::npos);
    CHECK(complaint({"hold", "1"}).find("hold-timeout or hold-expiry") != std::string::npos);
    CHECK(complaint({"hold-timeout"}).find("needs a time") != std::string::npos);
    CHECK(complaint({"hold-timeout", "99"}).find("100ms to 1m") != std::string::npos);
    CHECK(complaint({"hold-timeout", "61s"}).find("100ms to 1m") != std::string::npos);
    CHECK(complaint({"hold-timeout", "soon"}).find("not a time") != std::string::npos);
    CHECK(complaint({"syn-timeout", "999ms"}).find("1s to 5m") != std::string::npos);
    CHECK(complaint({"cookie-lifetime", "1500ms"}).find("whole seconds") != std::string::npos);
    CHECK(complaint({"cookie-lifetime", "0"}).find("1s to 168h") != std::string::npos);
    CHECK(complaint({"port", "0"}).find("1 to 65535") != std::string::npos);
    CHECK(complaint({"port", "65536"}).find("1 to 65535") != std::string::npos);
    CHECK(complaint({"port", "http"}).find("not a number") != std::string::npos);
    CHECK(complaint({"port", "5124"}, false).find("mcp down") != std::string::npos);
    CHECK(complaint({"echo"}).find("needs off or on") != std::string::npos);
    CHECK(complaint({"echo", "yes"}).find("use off or on") != std::string::npos);
    CHECK(complaint({"echo", "o"}).find("off or on") != std::string::npos);
    CHECK(complaint({"handshake", "eraly"}).find("'early'") != std::string::npos);
    CHECK(complaint({"echo", "on", "echo", "off"}).find("twice") != std::string::npos);
    CHECK(complaint({"max-sessions", "16777217"}).find("out of range") != std::string::npos);
    CHECK(complaint({"max-sessions", "0"}).find("1 to 16777216") != std::string::npos);
    CHECK(complaint({"max-ports-client", "0"}).find("1 to 16777216") != std::string::npos);
    CHECK(complaint({"session-rate", "4294967296"}).find("0 to 1000000") != std::string::npos);
    CHECK(complaint({"established-idle", "577h"}).find("100ms to 576h") != std::string::npos);
    CHECK(complaint({"max-sessions", "-1"}).find("not a number") != std::string::npos);
}

TEST_CASE("an empty MCP and a newer module")
{
    Message message(0x20, MCP_CMD_SHOW, MCP_GENL_VERSION);
    message.put_u8(MCP_A_UP, 1);
    message.put_string(MCP_A_VERSION, "9.9");
    message.put_u32(MCP_A_MAX + 7, 1);
    {
        const Message::Nest nest(message, MCP_A_SETTINGS);
        message.put_u8(MCP_S_HANDSHAKE, 200); // a choice we do not know
        message.put_u32(MCP_S_MAX + 1, 5);    // a setting we do not know
    }
    const auto state = decode_mcp(message.header());
    REQUIRE(state);
    CHECK(state->up);
    CHECK(state->module_version == "9.9");
    REQUIRE(state->settings.size() == 1);
    CHECK(format_value(state->settings[0]) == "unknown(200)");

    const Message empty(0x20, MCP_CMD_SHOW, MCP_GENL_VERSION);
    CHECK_FALSE(decode_mcp(empty.header())->up);
}

TEST_CASE("settings of the wrong size are no settings")
{
    Message message(0x20, MCP_CMD_SHOW, MCP_GENL_VERSION);
    {
        const Message::Nest nest(message, MCP_A_SETTINGS);
        message.put_u16(MCP_S_HOLD_TIMEOUT, 5);
    }
    CHECK_FALSE(decode_mcp(message.header()));
}

TEST_CASE("a refusal is put down to the setting")
{
    Message message(0x20, MCP_CMD_UP, MCP_GENL_VERSION);
    const auto values = *parse({"echo", "on", "max-half-open", "5", "established-idle", "1m"});
    put_settings(message, values);

    const uint32_t first = NLMSG_HDRLEN + GENL_HDRLEN + NLA_HDRLEN; // echo
    Error error{.status = Exit::refused, .message = "no", .kernel_errno = EINVAL, .offset = first};
    CHECK(blame_setting(message, error, values) == "echo");
    error.offset = first + 8;
    CHECK(blame_setting(message, error, values) == "max-half-open");
    error.offset = first + 16;
    CHECK(blame_setting(message, error, values) ==
          "established-idle below 124m needs the word 'i-know'");
    error.offset = 0;
    CHECK(blame_setting(message, error, values) ==
          "established-idle below 124m needs the word 'i-know'");
    error.explained = true;
    CHECK(blame_setting(message, error, values).empty());
    error.offset = 5'000;
    CHECK(message.attributes_at(error.offset).empty());
    error.offset = 1;
    CHECK(message.attributes_at(error.offset).empty());

    const auto known = *parse({"established-idle", "1m", "i-know"});
    error = {.status = Exit::refused, .message = "no", .kernel_errno = EINVAL};
    CHECK(blame_setting(message, error, known).empty());
}
