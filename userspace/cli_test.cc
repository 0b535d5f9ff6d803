// SPDX-License-Identifier: GPL-2.0-only
// The program as users meet it: exit status, what it prints where, and whether
// manual and completion know every word of the tables.

#include "cli.h"
#include "netlink.h"
#include "session.h"
#include "settings.h"
#include "version.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <sys/wait.h>

using namespace mcp;

namespace {

std::string environment(const char* name)
{
    const char* value = getenv(name);

    INFO("run by 'make check', which sets " << name);
    REQUIRE(value);
    return value;
}

struct Outcome {
    int status;
    std::string out;
    std::string err;
};

std::string output_of(const std::string& command, int& status)
{
    FILE* pipe = popen(command.c_str(), "r");
    std::string text;
    char buffer[4096];

    REQUIRE(pipe);
    while (const size_t length = fread(buffer, 1, sizeof(buffer), pipe))
        text.append(buffer, length);
    const int state = pclose(pipe);
    status = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    return text;
}

// Arguments as the shell reads them.
Outcome run(const std::string& arguments)
{
    const std::string command = "'" + environment("MCP_TOOL") + "' " + arguments;
    Outcome outcome;

    outcome.out = output_of(command + " 2>/dev/null", outcome.status);
    outcome.err = output_of(command + " 2>&1 >/dev/null", outcome.status);
    return outcome;
}

std::string contents(const std::string& path)
{
    std::ifstream file(environment("MCP_TOP") + "/" + path);
    std::stringstream text;

    text << file.rdbuf();
    return text.str();
}

// Whether the word stands there as a word of its own.
bool names(const std::string& text, std::string_view word)
{
    const std::regex whole("(^|[^a-z-])" + std::string(word) + "($|[^a-z-])");

    return std::regex_search(text, whole);
}

bool module_loaded()
{
    Result<Socket> socket = Socket::open();

    return socket && socket->resolve(MCP_GENL_NAME);
}

} // namespace

TEST_CASE("wrong usage ends with 2 and one line on stderr")
{
    for (const char* arguments : {"",
                                  "nonsense",
                                  "-x",
                                  "--nonsense",
                                  "-n",
                                  "mcp nonsense",
                                  "mcp show surplus",
                                  "mcp up port",
                                  "mcp up port 0",
                                  "mcp up nonsense 1",
                                  "mcp set",
                                  "mcp set port 1",
                                  "mcp set echo maybe",
                                  "mcp down surplus",
                                  "acl add",
                                  "acl add 192.0.2.1/24",
                                  "acl add 192.0.2.0/24 dev",
                                  "acl add 192.0.2.0/24 origin",
                                  "acl del nonsense",
                                  "acl del 192.0.2.0/24 origin 10.0.0.0/8",
                                  "acl show surplus",
                                  "acl flush surplus",
                                  "pool add",
                                  "pool add 192.0.2.1/28",
                                  "pool add 192.0.0.0/15",
                                  "pool add 192.0.2.0/28 ports",
                                  "pool add 192.0.2.0/28 ports 2-1",
                                  "pool del 192.0.2.0/28 ports 1-2",
                                  "pool show surplus",
                                  "pool flush surplus",
                                  "peer add",
                                  "peer add net",
                                  "peer add net 1.2.3",
                                  "peer add net 192.0.2.1 port 0",
                                  "peer add net 192.0.2.1 codec nonsense",
                                  "peer add net 192.0.2.1 cookie 123",
                                  "peer del",
                                  "peer del net 192.0.2.1 prio 1",
                                  "peer flush surplus",
                                  "intercept add",
                                  "intercept add dev lan0",
                                  "intercept add via net pass",
                                  "intercept add dev lan0 local via net",
                                  "intercept add from 192.0.2.0/24 to 2001:db8::/32 pass",
                                  "intercept add dport 2-1 pass",
                                  "intercept del x",
                                  "mapping add",
                                  "mapping add 192.0.2.1:80",
                                  "mapping add 192.0.2.1 to 192.0.2.2:80",
                                  "mapping add 192.0.2.1:0 to 192.0.2.2",
                                  "mapping add 192.0.2.1:80 to 192.0.2.2 lifetime 0",
                                  "mapping del",
                                  "doctor nonsense",
                                  "doctor show surplus",
                                  "session show state",
                                  "session show state nonsense",
                                  "session show client 1.2.3",
                                  "session flush id",
                                  "session flush id x",
                                  "session flush 5",
                                  "session count surplus",
                                  "monitor nonsense",
                                  "monitor session surplus",
                                  "monitor mapping surplus",
                                  "mcp show -j",
                                  "m",
                                  "s show",
                                  "-n .. mcp show"}) {
        INFO(arguments);
        const Outcome outcome = run(arguments);
        CHECK(outcome.status == 2);
        CHECK(outcome.out.empty());
        CHECK(outcome.err.starts_with("mptcpproxyctl: "));
        CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    }
}

TEST_CASE("help and version go to stdout")
{
    for (const char* arguments :
         {"help", "-h", "--help", "mcp help", "acl help", "pool help", "peer help",
          "intercept help", "mapping help", "doctor help", "session help", "stats help",
          "monitor help", "mcp up help", "help mcp", "-j help"}) {
        INFO(arguments);
        const Outcome outcome = run(arguments);
        CHECK(outcome.status == 0);
        CHECK(outcome.out.starts_with("Usage: "));
        CHECK(outcome.err.empty());
    }
    CHECK(run("-V").out == std::string("mptcpproxyctl ") + version + "\n");
}

TEST_CASE("without the module every command says what to do")
{
    if (module_loaded()) {
        WARN("the module is loaded: not tested");
        return;
    }
    for (const char* arguments : {"mcp show",
                                  "mcp up",
                                  "mcp set echo off",
                                  "mcp down",
                                  "acl show",
                                  "acl add all",
                                  "acl del all",
                                  "acl flush",
                                  "pool show",
                                  "pool add 192.0.2.1",
                                  "pool del 192.0.2.1",
                                  "pool flush",
                                  "peer show",
                                  "peer add net 192.0.2.1",
                                  "peer del net",
                                  "peer flush",
                                  "intercept show",
                                  "intercept add via direct",
                                  "intercept del 1",
                                  "intercept flush",
                                  "mapping show",
                                  "mapping add 192.0.2.1:80 to 192.0.2.2",
                                  "mapping del 192.0.2.1:80",
                                  "mapping flush",
                                  "doctor",
                                  "session show",
                                  "session count",
                                  "session flush",
                                  "stats show",
                                  "monitor",
                                  "monitor mapping",
                                  "mc sh",
                                  "-j mcp show",
                                  "-jp acl"}) {
        INFO(arguments);
        const Outcome outcome = run(arguments);
        CHECK(outcome.status == 1);
        CHECK(outcome.out.empty());
        CHECK(outcome.err == "mptcpproxyctl: module not loaded: run 'modprobe mptcpproxy'\n");
    }
}

TEST_CASE("a namespace that is not there")
{
    const Outcome outcome = run("-n no-such-namespace mcp show");
    CHECK(outcome.status == 1);
    CHECK(outcome.err ==
          "mptcpproxyctl: no network namespace 'no-such-namespace': see 'ip netns list'\n");

    CHECK(run("-n /dev/null mcp show").status == 1);
    CHECK(run("-n /dev/null mcp show").err.find("/dev/null") != std::string::npos);
}

TEST_CASE("a full disk is noticed")
{
    int status = 0;
    const std::string said =
        output_of("'" + environment("MCP_TOOL") + "' help 2>&1 >/dev/full", status);

    CHECK(status == 1);
    CHECK(said == "mptcpproxyctl: cannot write: No space left on device\n");
}

TEST_CASE("help, manual and completion know every word")
{
    const std::string manual = contents("docs/mptcpproxyctl.8");
    const std::string completion = contents("userspace/mptcpproxyctl.bash-completion");
    const std::string mcp_help = run("mcp help").out;
    REQUIRE_FALSE(manual.empty());
    REQUIRE_FALSE(completion.empty());

    for (const Object* object : objects()) {
        INFO(object->word);
        CHECK(names(completion, object->word));
        for (const Command& command : object->commands) {
            INFO(command.word);
            CHECK(names(completion, command.word));
            CHECK(std::regex_search(
                manual, std::regex("\n\\.BR? [\"]?" + std::string(object->word) +
                                   "(\"? \"? ?\\[?\"?,? ?\"?| )" + std::string(command.word))));
        }
    }

    for (const Setting& setting : settings()) {
        INFO(setting.word);
        CHECK(names(mcp_help, setting.word));
        CHECK(completion.find("[" + std::string(setting.word) + "]=") != std::string::npos);
        const std::regex entry("\n\\.TP\n\\.(BI|BR|B) " + std::string(setting.word) + "[ \n]");
        CHECK(std::regex_search(manual, entry));
        for (const std::string_view choice : setting.choices) {
            CHECK(names(completion, choice));
            CHECK(names(manual, choice));
        }
    }

    for (int state = 0; state < __MCP_STATE_COUNT; state++) {
        CHECK(names(manual, state_name(state)));
        CHECK(names(completion, state_name(state)));
    }
    for (int end = MCP_END_NONE + 1; end < __MCP_END_COUNT; end++)
        CHECK(names(manual, end_name(end)));
}

TEST_CASE("defaults and ranges in the manual are those of the table")
{
    const std::string manual = contents("docs/mptcpproxyctl.8");

    for (const Setting& setting : settings()) {
        if (setting.type == SettingType::flag)
            continue;
        INFO(setting.word);
        const std::regex entry("\n\\.TP\n\\.(?:BI|BR) " + std::string(setting.word) +
                               " [^\n]*\n([^]*?)\n\\.(?:TP|SH)");
        std::smatch found;
        REQUIRE(std::regex_search(manual, found, entry));
        const std::string text = found[1];
        const std::string initial = format_value({&setting, setting.initial});

        if (setting.choices.empty())
            CHECK(std::regex_search(text, std::regex("[Dd]efault " + initial + "\\b")));
        else
            CHECK(std::regex_search(text, std::regex("(\\.B " + initial +
                                                     "\n\\(default|Default\n\\.BR? " + initial +
                                                     "\\b)")));
    }
}

TEST_CASE("the manual explains the counters of the module")
{
    const std::string source = contents("kmod/stats_list.h");
    const std::string manual = contents("docs/mptcpproxyctl.8");
    std::vector<std::string> counted;
    std::vector<std::string> explained;

    const std::regex counter("MCP_STAT\\([A-Z0-9_]+,\\s*\"([a-z0-9-]+)\"\\)");
    for (std::sregex_iterator i(source.begin(), source.end(), counter), end; i != end; ++i)
        counted.push_back((*i)[1]);
    const std::regex row("\n([a-z0-9-]+)\tT\\{\n");
    for (std::sregex_iterator i(manual.begin(), manual.end(), row), end; i != end; ++i)
        explained.push_back((*i)[1]);
    CHECK_FALSE(counted.empty());
    for (const std::string& name : counted) {
        INFO(name);
        CHECK(std::count(explained.begin(), explained.end(), name) == 1);
    }
    for (const std::string& name : explained) {
        INFO(name);
        CHECK(std::count(counted.begin(), counted.end(), name) == 1);
    }
}
