// SPDX-License-Identifier: GPL-2.0-only
#include "cli.h"
#include "netns.h"
#include "output.h"
#include "version.h"

#include <csignal>
#include <exception>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace {

using namespace mcp;

struct Options {
    bool json = false;
    bool pretty = false;
    std::string netns;
    bool version = false;
    bool help = false;
    std::vector<std::string> words; // object, command and what follows
};

Result<Options> parse_options(int argc, char** argv)
{
    CLI::App app;
    Options options;

    app.set_help_flag("");
    app.prefix_command(); // everything from the object on is ours
    app.add_flag("-j,--json", options.json);
    app.add_flag("-p,--pretty", options.pretty);
    app.add_option("-n,--netns", options.netns);
    app.add_flag("-V,--version", options.version);
    app.add_flag("-h,--help", options.help);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return usage_error(fmt::format("{} (see 'mptcpproxyctl help')", error.what()));
    }
    options.words = app.remaining();
    if (!options.words.empty() && options.words.front().starts_with('-'))
        return usage_error(
            fmt::format("unknown option '{}' (see 'mptcpproxyctl help')", options.words.front()));
    return options;
}

Status run(int argc, char** argv)
{
    const Result<Options> options = parse_options(argc, argv);
    if (!options)
        return options.error();
    if (options->version) {
        fmt::print("mptcpproxyctl {}\n", version);
        return {};
    }
    if (options->help) {
        fmt::print("{}", help());
        return {};
    }
    if (!options->netns.empty())
        if (Status status = enter_netns(options->netns); !status)
            return status;

    Words words(options->words);
    Output output(options->json || options->pretty, options->pretty);
    return execute(words, output);
}

} // namespace

int main(int argc, char** argv)
{
    Status status;

    try {
        status = run(argc, argv);
        if (status)
            status = flush_stdout();
    } catch (const std::exception& problem) {
        status = failure(problem.what());
    }
    if (status)
        return static_cast<int>(Exit::ok);
    complain(status.error().message);
    return static_cast<int>(status.error().status);
}
