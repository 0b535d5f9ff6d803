// SPDX-License-Identifier: GPL-2.0-only
#include "doctor.h"

#include <algorithm>

#include <catch2/catch.hpp>
#include <linux/mptcpproxy.h>
#include <sys/socket.h>

using namespace mcp;

namespace {

// A gateway with nothing amiss.
Facts healthy()
{
    Peer peer{.name = "net",
              .address = Address{.family = AF_INET, .octets = {192, 0, 2, 1}},
              .state = MCP_PEER_UP,
              .accepted = 3,
              .refused = 1};

    return Facts{.tool_version = "1",
                 .mcp = {.up = true, .module_version = "1"},
                 .peers = {peer},
                 .rules = {{.index = 1, .action = MCP_INTERCEPT_PEER, .peer = "net"}},
                 .mptcp_enabled = true,
                 .blackholes = 0,
                 .blackhole_timeout = 3'600,
                 .subflow_limit = 4,
                 .add_addr_limit = 4,
                 .subflow_endpoints = 1,
                 .signal_endpoints = 0,
                 .forwards4 = true,
                 .forwards6 = true};
}

std::vector<std::string> ids(const Facts& facts)
{
    std::vector<std::string> names;

    for (const Finding& finding : diagnose(facts)) {
        CHECK_FALSE(finding.text.empty());
        CHECK_FALSE(finding.mend.empty());
        names.push_back(finding.id);
    }
    return names;
}

using Ids = std::vector<std::string>;

} // namespace

TEST_CASE("nothing is found where nothing is amiss, or nothing is known")
{
    CHECK(ids(healthy()).empty());

    Facts unknown = healthy();
    unknown.mptcp_enabled.reset();
    unknown.blackholes.reset();
    unknown.subflow_limit.reset();
    unknown.subflow_endpoints.reset();
    unknown.signal_endpoints.reset();
    unknown.forwards4.reset();
    unknown.forwards6.reset();
    CHECK(ids(unknown).empty());
}

TEST_CASE("each thing amiss is found, and it alone")
{
    const auto with = [](auto change) {
        Facts facts = healthy();

        change(facts);
        return ids(facts);
    };

    CHECK(with([](Facts& f) { f.mcp.module_version = "0"; }) == Ids{"versions-differ"});
    CHECK(with([](Facts& f) { f.mcp.up = false; }) == Ids{"mcp-down"});
    CHECK(with([](Facts& f) {
              f.mcp.up = false;
              f.port_taken = true;
          }) == Ids{"port-taken"});
    CHECK(with([](Facts& f) { f.mptcp_enabled = false; }) == Ids{"mptcp-off"});
    CHECK(with([](Facts& f) { f.blackholes = 2; }) == Ids{"blackhole"});
    CHECK(with([](Facts& f) {
              f.blackholes = 2;
              f.blackhole_timeout = 0;
          }).empty());
    CHECK(with([](Facts& f) { f.subflow_limit = 0; }) == Ids{"no-subflows"});
    CHECK(with([](Facts& f) { f.subflow_endpoints = 0; }) == Ids{"no-endpoints"});
    const auto direct = [](Facts& f) { f.rules[0] = {.index = 1, .action = MCP_INTERCEPT_DIRECT}; };
    CHECK(with(direct) == Ids{"no-signal-endpoint"});
    CHECK(with([&](Facts& f) {
              direct(f);
              f.signal_endpoints = 1;
          }).empty());
    CHECK(with([&](Facts& f) {
              direct(f);
              for (const Setting& setting : settings())
                  if (setting.attribute == MCP_S_IMPLICIT)
                      f.mcp.settings.push_back({&setting, MCP_IMPLICIT_OFF});
          }).empty());
    CHECK(with([](Facts& f) { f.rules.clear(); }) == Ids{"nobody-served"});
    AclEntry entry = {.prefix = {.address = {.family = AF_INET, .octets = {10}}, .length = 8}};
    CHECK(with([&](Facts& f) {
              f.rules.clear();
              f.acl = {entry};
          }).empty());
    CHECK(with([](Facts& f) { f.rules[0].peer = "other"; }) == Ids{"no-such-peer"});
    entry.via = "other";
    CHECK(with([&](Facts& f) { f.acl = {entry}; }) == Ids{"no-such-peer"});
    CHECK(with([](Facts& f) {
              f.mappings = {{.external = {.address = {.family = AF_INET}}, .peer = "other"}};
          }) == Ids{"no-such-peer"});
    const auto implicit = [](Facts& f) { f.peers[0].codec = MCP_CODEC_IMPLICIT; };
    CHECK(with(implicit).empty());
    CHECK(with([&](Facts& f) {
              implicit(f);
              f.peers[0].state = MCP_PEER_DOWN;
          }).empty());
    CHECK(with([](Facts& f) { f.add_addr_limit = 0; }).empty());
    CHECK(with([&](Facts& f) {
              implicit(f);
              f.add_addr_limit = 0;
          }) == Ids{"no-add-addr"});
    CHECK(with([](Facts& f) { f.peers[0].state = MCP_PEER_DOWN; }) == Ids{"peer-down"});
    CHECK(with([](Facts& f) { f.peers[0].state = MCP_PEER_PLAIN; }) == Ids{"peer-not-converting"});
    CHECK(with([](Facts& f) { f.peers[0].accepted = 0; }) == Ids{"peer-refuses"});
    CHECK(with([](Facts& f) { f.unreachable = f.peers; }) == Ids{"no-route"});
    CHECK(with([](Facts& f) { f.forwards4 = false; }) == Ids{"forwarding-off"});
    CHECK(with([](Facts& f) { f.forwards6 = false; }).empty());
    CHECK(with([](Facts& f) {
              f.forwards6 = false;
              f.peers[0].address = Address{.family = AF_INET6};
          }) == Ids{"forwarding6-off"});
    CHECK(with([](Facts& f) {
              f.forwards4 = false;
              f.rules[0].local = true;
          }).empty());
    CHECK(with([](Facts& f) {
              f.strict_rp_filter = {"eth0", "wwan0"};
          }) == Ids{"rp-filter", "rp-filter"});
}
