// SPDX-License-Identifier: GPL-2.0-only
#include "doctor.h"

#include "module.h"
#include "netlink.h"
#include "pool.h"
#include "session.h"
#include "version.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/mptcp.h>
#include <linux/mptcpproxy.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

namespace mcp {

namespace {

// ------------------------------------------------------------- diagnosis

void of_module(const Facts& facts, std::vector<Finding>& found)
{
    if (!facts.mcp.module_version.empty() && facts.mcp.module_version != facts.tool_version)
        found.push_back({"versions-differ",
                         fmt::format("the module is {}, this tool is {}", facts.mcp.module_version,
                                     facts.tool_version),
                         "rmmod mptcpproxy && modprobe mptcpproxy"});
    if (facts.mcp.up)
        return;
    if (facts.port_taken == true)
        found.push_back(
            {"port-taken", "another program has the MCP's port", "mptcpproxyctl mcp up port N"});
    else
        found.push_back({"mcp-down", "the MCP is not up", "mptcpproxyctl mcp up"});
}

// Do MPTCP connections to others end here?
bool implicit(const Facts& facts)
{
    return std::any_of(facts.rules.begin(), facts.rules.end(),
                       [](const Rule& rule) { return rule.action == MCP_INTERCEPT_DIRECT; }) &&
           std::none_of(facts.mcp.settings.begin(), facts.mcp.settings.end(),
                        [](const SettingValue& value) {
                            return value.setting->attribute == MCP_S_IMPLICIT &&
                                   value.value == MCP_IMPLICIT_OFF;
                        });
}

// Is any MCP asked that is not named, but on the path?
bool asks_implicitly(const Facts& facts)
{
    return std::any_of(facts.peers.begin(), facts.peers.end(),
                       [](const Peer& peer) { return peer.codec == MCP_CODEC_IMPLICIT; });
}

void of_mptcp(const Facts& facts, std::vector<Finding>& found)
{
    if (facts.mptcp_enabled == false) {
        found.push_back(
            {"mptcp-off", "MPTCP is off in this kernel", "sysctl -w net.mptcp.enabled=1"});
        return;
    }
    if (facts.blackholes.value_or(0) > 0 && facts.blackhole_timeout.value_or(0) > 0)
        found.push_back(
            {"blackhole",
             fmt::format("MPTCP was switched off for a time, {} times so far, since a SYN was "
                         "answered only without it",
                         *facts.blackholes),
             "sysctl -w net.mptcp.blackhole_timeout=0"});
    if (facts.add_addr_limit == 0U && asks_implicitly(facts))
        found.push_back({"no-add-addr",
                         "addresses that MCPs on the path announce for a second path are not used",
                         "ip mptcp limits set subflows 4 add_addr_accepted 4"});
    if (facts.subflow_limit == 0U)
        found.push_back({"no-subflows", "connections may have no second subflow",
                         "ip mptcp limits set subflows 4 add_addr_accepted 4"});
    if (!facts.peers.empty() && facts.subflow_endpoints == size_t{0})
        found.push_back({"no-endpoints",
                         "connections to peers use one path: no address is an MPTCP endpoint",
                         "ip mptcp endpoint add ADDRESS dev IFACE subflow"});
    if (facts.signal_endpoints == size_t{0} && implicit(facts))
        found.push_back({"no-signal-endpoint",
                         "MPTCP connections that end here use one path: no address is announced "
                         "('mcp set implicit off', if none is to end here)",
                         "ip mptcp endpoint add ADDRESS dev IFACE signal"});
}

void of_service(const Facts& facts, std::vector<Finding>& found)
{
    if (facts.mcp.up && facts.acl.empty() && facts.rules.empty() && facts.mappings.empty())
        found.push_back({"nobody-served",
                         "nobody is served: the ACL is empty, and so are rules "
                         "and mappings",
                         "mptcpproxyctl acl add PREFIX"});
    const auto need = [&](const std::string& who, const std::optional<std::string>& name) {
        if (!name || std::any_of(facts.peers.begin(), facts.peers.end(),
                                 [&](const Peer& peer) { return peer.name == *name; }))
            return;
        found.push_back({"no-such-peer",
                         fmt::format("{} names the peer {}, which is no more", who, *name),
                         fmt::format("mptcpproxyctl peer add {} ADDRESS", *name)});
    };
    for (const Rule& rule : facts.rules)
        need(fmt::format("rule {}", rule.index.value_or(0)), rule.peer);
    for (const AclEntry& entry : facts.acl)
        need(fmt::format("the ACL entry {}", format_prefix(entry.prefix)), entry.via);
    for (const StaticMapping& mapping : facts.mappings)
        need(fmt::format("the mapping of {}", format_address(mapping.external.address)),
             mapping.peer);
}

void of_peers(const Facts& facts, std::vector<Finding>& found)
{
    for (const Peer& peer : facts.unreachable)
        found.push_back(
            {"no-route",
             fmt::format("there is no route to the peer {} at {}", peer.name,
                         format_address(*peer.address)),
             fmt::format("ip route add {} via GATEWAY", format_address(*peer.address))});
    for (const Peer& peer : facts.peers) {
        // The address of one that is on the path is only a name.
        if (!peer.address || !peer.state || peer.codec == MCP_CODEC_IMPLICIT)
            continue;
        const std::string who = fmt::format("{} at {}", peer.name, format_address(*peer.address));

        if (*peer.state == MCP_PEER_DOWN)
            found.push_back({"peer-down", fmt::format("the peer {} does not answer", who),
                             fmt::format("ping {}", format_address(*peer.address))});
        else if (peer.refused.value_or(0) > 0 && peer.accepted.value_or(0) == 0)
            found.push_back(
                {"peer-refuses",
                 fmt::format("the peer {} has refused all it was asked: its ACL may not "
                             "have this gateway, or it wants a cookie (to be mended there)",
                             who),
                 "mptcpproxyctl acl add PREFIX"});
        else if (*peer.state == MCP_PEER_PLAIN)
            found.push_back(
                {"peer-not-converting",
                 fmt::format("the peer {} answers, but does not echo requests: no MCP, echo off, "
                             "or something on the way takes payload out of SYN/ACKs (to be "
                             "mended there; or ask it by codec convert)",
                             who),
                 "mptcpproxyctl mcp set echo on"});
    }
}

bool takes_from_lan(const Facts& facts)
{
    return std::any_of(facts.rules.begin(), facts.rules.end(), [](const Rule& rule) {
        return !rule.local && rule.action != MCP_INTERCEPT_PASS;
    });
}

// Do rules or peers speak of IPv6?
bool has_ip6(const Facts& facts)
{
    const auto is_ip6 = [](const std::optional<Prefix>& prefix) {
        return prefix && prefix->address.family == AF_INET6;
    };
    return std::any_of(facts.rules.begin(), facts.rules.end(),
                       [&](const Rule& rule) { return is_ip6(rule.from) || is_ip6(rule.to); }) ||
           std::any_of(facts.peers.begin(), facts.peers.end(), [](const Peer& peer) {
               return peer.address && peer.address->family == AF_INET6;
           });
}

void of_routing(const Facts& facts, std::vector<Finding>& found)
{
    if (takes_from_lan(facts)) {
        if (facts.forwards4 == false)
            found.push_back({"forwarding-off",
                             "what is not taken off the path is not routed on: forwarding is off",
                             "sysctl -w net.ipv4.ip_forward=1"});
        if (facts.forwards6 == false && has_ip6(facts))
            found.push_back({"forwarding6-off",
                             "IPv6 that is not taken off the path is not routed on: forwarding is "
                             "off (once it is on, uplinks that learn their route from "
                             "advertisements need accept_ra=2)",
                             "sysctl -w net.ipv6.conf.all.forwarding=1"});
    }
    if (!facts.peers.empty() || facts.has_pool)
        for (const std::string& interface : facts.strict_rp_filter)
            found.push_back(
                {"rp-filter",
                 fmt::format("packets that come in by {} from where the routes do not point are "
                             "dropped",
                             interface),
                 fmt::format("sysctl -w net.ipv4.conf.{}.rp_filter=2", interface)});
}

// ----------------------------------------------------------------- facts

// A number that a file of /proc/sys starts with.
std::optional<uint64_t> sysctl(const std::string& name)
{
    std::ifstream file("/proc/sys/" + name);
    uint64_t value = 0;

    if (file >> value)
        return value;
    return std::nullopt;
}

std::optional<bool> enabled(const std::string& name)
{
    const auto value = sysctl(name);

    return value ? std::optional(*value != 0) : std::nullopt;
}

// A counter of /proc/net/netstat.
std::optional<uint64_t> netstat(std::string_view group, std::string_view counter)
{
    std::ifstream file("/proc/net/netstat");
    std::string names;
    std::string values;

    while (std::getline(file, names) && std::getline(file, values)) {
        if (!names.starts_with(group))
            continue;
        std::istringstream name_words(names);
        std::istringstream value_words(values);
        std::string name;
        std::string value;

        while (name_words >> name && value_words >> value)
            if (name == counter)
                return std::stoull(value);
    }
    return std::nullopt;
}

std::vector<std::string> strict_interfaces()
{
    const std::filesystem::path directory = "/proc/sys/net/ipv4/conf";
    const uint64_t all = sysctl("net/ipv4/conf/all/rp_filter").value_or(0);
    std::vector<std::string> interfaces;
    std::error_code error;

    // The kernel takes the larger of the two; 1 is strict, 2 is loose.
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        const std::string name = entry.path().filename();
        const uint64_t own = sysctl("net/ipv4/conf/" + name + "/rp_filter").value_or(0);

        if (name != "all" && name != "default" && name != "lo" && std::max(all, own) == 1)
            interfaces.push_back(name);
    }
    std::sort(interfaces.begin(), interfaces.end());
    return interfaces;
}

// What the in-kernel path manager is set to.
void ask_path_manager(Facts& facts)
{
    Result<Socket> socket = Socket::open();
    if (!socket)
        return;
    const Result<Family> family = socket->resolve(MPTCP_PM_NAME);
    if (!family)
        return;

    Message limits(family->id, MPTCP_PM_CMD_GET_LIMITS, MPTCP_PM_VER);
    (void)socket->request(limits, [&](const nlmsghdr* header) -> Status {
        Attributes<MPTCP_PM_ATTR_MAX>::Kinds kinds = {};
        kinds[MPTCP_PM_ATTR_RCV_ADD_ADDRS] = Kind::u32;
        kinds[MPTCP_PM_ATTR_SUBFLOWS] = Kind::u32;
        const auto attributes = Attributes<MPTCP_PM_ATTR_MAX>::parse(header, kinds);

        if (!attributes)
            return attributes.error();
        facts.subflow_limit = attributes->u32(MPTCP_PM_ATTR_SUBFLOWS);
        facts.add_addr_limit = attributes->u32(MPTCP_PM_ATTR_RCV_ADD_ADDRS);
        return {};
    });

    Message endpoints(family->id, MPTCP_PM_CMD_GET_ADDR, MPTCP_PM_VER, NLM_F_DUMP);
    size_t count = 0;
    size_t announced = 0;
    const Status status = socket->request(endpoints, [&](const nlmsghdr* header) -> Status {
        const auto top = Attributes<MPTCP_PM_ATTR_MAX>::parse(header, {});

        if (!top)
            return top.error();
        if (!top->has(MPTCP_PM_ATTR_ADDR))
            return {};
        Attributes<MPTCP_PM_ADDR_ATTR_MAX>::Kinds kinds = {};
        kinds[MPTCP_PM_ADDR_ATTR_FLAGS] = Kind::u32;
        const auto address =
            Attributes<MPTCP_PM_ADDR_ATTR_MAX>::parse((*top)[MPTCP_PM_ATTR_ADDR], kinds);

        if (!address)
            return address.error();
        const uint32_t flags = address->u32(MPTCP_PM_ADDR_ATTR_FLAGS).value_or(0);
        if (flags & (MPTCP_PM_ADDR_FLAG_SUBFLOW | MPTCP_PM_ADDR_FLAG_FULLMESH))
            count++;
        if (flags & MPTCP_PM_ADDR_FLAG_SIGNAL)
            announced++;
        return {};
    });
    if (status) {
        facts.subflow_endpoints = count;
        facts.signal_endpoints = announced;
    }
}

sockaddr_storage socket_address(const Address& address, uint16_t port, socklen_t& length)
{
    sockaddr_storage storage = {};

    if (address.family == AF_INET) {
        auto* in = reinterpret_cast<sockaddr_in*>(&storage);

        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, address.octets.data(), 4);
        length = sizeof(*in);
    } else {
        auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);

        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        memcpy(&in6->sin6_addr, address.octets.data(), 16);
        length = sizeof(*in6);
    }
    return storage;
}

// Asks the routes, without a packet.
bool is_reachable(const Address& address)
{
    socklen_t length = 0;
    const sockaddr_storage storage = socket_address(address, 9, length);
    const int fd = socket(address.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return true;
    const bool reachable = connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0 ||
                           (errno != ENETUNREACH && errno != EHOSTUNREACH);
    close(fd);
    return reachable;
}

std::optional<bool> is_taken(uint16_t port)
{
    socklen_t length = 0;
    const sockaddr_storage storage = socket_address({.family = AF_INET}, port, length);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return std::nullopt;
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    const bool taken =
        bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0 && errno == EADDRINUSE;
    close(fd);
    return taken;
}

Result<Facts> gather(Module& module)
{
    Facts facts{.tool_version = std::string(version)};
    Message message = module.message(MCP_CMD_SHOW);
    const Status status = module.request(message, [&](const nlmsghdr* header) -> Status {
        const Result<McpState> state = decode_mcp(header);

        if (!state)
            return state.error();
        facts.mcp = *state;
        return {};
    });
    if (!status)
        return status.error();

    const auto acl = list_acl(module);
    if (!acl)
        return acl.error();
    facts.acl = *acl;
    const auto peers = list_peers(module);
    if (!peers)
        return peers.error();
    facts.peers = *peers;
    const auto rules = list_rules(module);
    if (!rules)
        return rules.error();
    facts.rules = *rules;
    const auto mappings = list_static_mappings(module);
    if (!mappings)
        return mappings.error();
    facts.mappings = *mappings;
    const auto pool = module.dump<PoolRange>(MCP_CMD_POOL_GET, decode_pool);
    if (!pool)
        return pool.error();
    facts.has_pool = !pool->empty();

    facts.mptcp_enabled = enabled("net/mptcp/enabled");
    facts.blackhole_timeout = sysctl("net/mptcp/blackhole_timeout");
    facts.blackholes = netstat("MPTcpExt:", "Blackhole");
    facts.forwards4 = enabled("net/ipv4/ip_forward");
    facts.forwards6 = enabled("net/ipv6/conf/all/forwarding");
    facts.strict_rp_filter = strict_interfaces();
    ask_path_manager(facts);
    if (!facts.mcp.up)
        facts.port_taken = is_taken(MCP_DEFAULT_PORT);
    for (const Peer& peer : facts.peers)
        if (peer.address && peer.codec != MCP_CODEC_IMPLICIT && !is_reachable(*peer.address))
            facts.unreachable.push_back(peer);
    return facts;
}

Status show(Words& words, Output& output)
{
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();
    const Result<Facts> facts = gather(*module);
    if (!facts)
        return facts.error();

    const std::vector<Finding> findings = diagnose(*facts);
    for (const Finding& finding : findings) {
        if (output.json())
            output.row({{"id", finding.id}, {"text", finding.text}, {"mend", finding.mend}});
        else
            output.line(fmt::format("{}: {}\n    {}", finding.id, finding.text, finding.mend));
    }
    if (!output.json() && findings.empty())
        output.line("nothing found that would keep this MCP from working");
    return {};
}

constexpr Command commands[] = {
    {"show", "", "tell what would keep this MCP from working, and what mends it", show},
};

} // namespace

const Object doctor_object = {"doctor", "what would keep this MCP from working", commands, nullptr};

std::vector<Finding> diagnose(const Facts& facts)
{
    std::vector<Finding> found;

    of_module(facts, found);
    of_mptcp(facts, found);
    of_service(facts, found);
    of_peers(facts, found);
    of_routing(facts, found);
    return found;
}

} // namespace mcp
