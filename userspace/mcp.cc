// SPDX-License-Identifier: GPL-2.0-only
#include "mcp.h"

#include "acl.h"
#include "module.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

constexpr std::string_view not_up = "MCP is not up: run 'mptcpproxyctl mcp up'";

// Sends UP or SET and words the refusals that only these have.
Status send_settings(Module& module, uint8_t command, const SettingValues& values)
{
    Message message = module.message(command);

    put_settings(message, values);
    Status status = module.request(message);
    if (status)
        return status;

    Error error = std::move(status.error());
    if (command == MCP_CMD_UP && error.kernel_errno == EEXIST)
        error.message = "MCP is up already: change it with 'mptcpproxyctl mcp set', "
                        "or stop it with 'mptcpproxyctl mcp down'";
    else if (command == MCP_CMD_UP && error.kernel_errno == EADDRINUSE)
        error.message = "the port is taken by another program: choose one with 'port N'";
    else if (command == MCP_CMD_SET && error.kernel_errno == ENOENT)
        error.message = not_up;
    else if (const std::string blame = blame_setting(message, error, values); !blame.empty())
        error.message = fmt::format("{}: {}", blame, error.message);
    return error;
}

Status up(Words& words, Output&)
{
    const Result<SettingValues> values = parse_settings(words, true);
    if (!values)
        return values.error();
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Status status = send_settings(*module, MCP_CMD_UP, *values);
    if (!status)
        return status;

    // Best met now, not when the first client is refused.
    const Result<std::vector<AclEntry>> acl = list_acl(*module);
    if (acl && acl->empty())
        complain("nobody is served yet: run 'mptcpproxyctl acl add PREFIX'");
    return {};
}

Status set(Words& words, Output&)
{
    const Result<SettingValues> values = parse_settings(words, false);
    if (!values)
        return values.error();
    if (values->empty())
        return usage_error("nothing to set: name a setting and its value");
    Result<Module> module = Module::open();
    if (!module)
        return module.error();
    return send_settings(*module, MCP_CMD_SET, *values);
}

Status show(Words& words, Output& output)
{
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(MCP_CMD_SHOW);
    McpState state;
    Status status = module->request(message, [&state](const nlmsghdr* header) -> Status {
        Result<McpState> reply = decode_mcp(header);

        if (!reply)
            return reply.error();
        state = std::move(*reply);
        return {};
    });
    if (!status)
        return status;

    // The next 'mcp up' begins with the defaults, not with what is left there.
    if (!state.up)
        state.settings.clear();
    if (output.json()) {
        Json json = {{"up", state.up}, {"version", state.module_version}};

        json.update(settings_json(state.settings));
        output.row(json);
        return {};
    }
    output.line(fmt::format("mcp {} version {}", state.up ? "up" : "down", state.module_version));
    for (const SettingValue& value : state.settings)
        output.line(fmt::format("    {:<22}{}", value.setting->word, format_value(value)));
    return {};
}

Status down(Words& words, Output&)
{
    Status status = send_plain(words, MCP_CMD_DOWN);

    if (!status && status.error().kernel_errno == ENOENT)
        status.error().message = "MCP is not up: nothing to stop";
    return status;
}

constexpr Command commands[] = {
    {"show", "", "whether the MCP is up, and its settings", show},
    {"up", "[SETTING...]", "start the MCP in this network namespace", up},
    {"set", "SETTING...", "change settings of a running MCP", set},
    {"down", "", "end every session and stop", down},
};

std::string details()
{
    std::string text = "Settings:\n";

    for (const Setting& setting : settings()) {
        const std::string range = setting_range(setting);

        text += fmt::format("    {:<37} {}{}\n",
                            fmt::format("{} {}", setting.word, setting_placeholder(setting)),
                            setting.meaning, range.empty() ? "" : fmt::format(" ({})", range));
    }
    text += "TIME is a number with ms, s, m or h behind it; without one it counts milliseconds,\n"
            "for cookie-lifetime seconds.\n";
    return text;
}

} // namespace

const Object mcp_object = {"mcp", "the MPTCP Conversion Point itself", commands, details};

Result<McpState> decode_mcp(const nlmsghdr* header)
{
    Attributes<MCP_A_MAX>::Kinds kinds = {};
    kinds[MCP_A_VERSION] = Kind::string;
    kinds[MCP_A_UP] = Kind::u8;
    const auto attributes = Attributes<MCP_A_MAX>::parse(header, kinds);
    if (!attributes)
        return attributes.error();

    McpState state{.up = attributes->u8(MCP_A_UP).value_or(0) != 0,
                   .module_version = attributes->string(MCP_A_VERSION).value_or("unknown")};
    if (attributes->has(MCP_A_SETTINGS)) {
        Result<SettingValues> values = decode_settings((*attributes)[MCP_A_SETTINGS]);

        if (!values)
            return values.error();
        state.settings = std::move(*values);
    }
    return state;
}

} // namespace mcp
