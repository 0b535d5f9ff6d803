// SPDX-License-Identifier: GPL-2.0
//
// Writes the seed corpus: seeds DIRECTORY. What our own encoders make, and the
// options of SYNs as Linux sends them. Run by `make corpus`; the result is
// under version control.
#include "fuzz.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

using Octets = std::vector<__u8>;

fs::path root;

void seed(const std::string& target, const std::string& name, const Octets& data)
{
    fs::create_directories(root / target);
    std::ofstream file(root / target / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(data.data()),
               static_cast<std::streamsize>(data.size()));
    if (!file) {
        fprintf(stderr, "cannot write %s\n", name.c_str());
        exit(1);
    }
}

void request(const std::string& target, const std::string& name, const Octets& data)
{
    seed(target, name, data);
    seed("request", target + "-" + name, data);
}

mcp_endpoint endpoint(__u16 family, __u16 port, __u8 last)
{
    mcp_endpoint ep{};
    ep.family = family;
    ep.port = htons(port);
    if (family == AF_INET6)
        std::copy_n("\x20\x01\x0d\xb8", 4, ep.addr.octets);
    else
        std::copy_n("\xc0\x00\x02", 3, ep.addr.octets);
    ep.addr.octets[mcp_addr_len(family) - 1] = last;
    return ep;
}

Octets mp_convert(const mcp_endpoint& server, const mcp_endpoint* origin)
{
    Octets buf(MCP_MP_CONVERT_MAX);
    int len = mcp_mp_convert_encode(buf.data(), buf.size(), &server, origin);
    HOLDS(len > 0);
    buf.resize(static_cast<size_t>(len));
    return buf;
}

template <typename F>
Octets message(F fill)
{
    Octets buf(MCP_CONVERT_MAX);
    mcp_message msg;
    mcp_message_begin(&msg, buf.data(), buf.size());
    fill(&msg);
    int len = mcp_message_end(&msg);
    HOLDS(len > 0);
    buf.resize(static_cast<size_t>(len));
    return buf;
}

Octets behind(Octets data, const char* text)
{
    data.insert(data.end(), text, text + strlen(text));
    return data;
}

} // namespace

int main(int argc, char** argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: seeds DIRECTORY\n");
        return 2;
    }
    root = argv[1];

    const mcp_endpoint server4 = endpoint(AF_INET, 80, 1);
    const mcp_endpoint server6 = endpoint(AF_INET6, 443, 1);
    const mcp_endpoint portless4 = endpoint(AF_INET, 0, 1);
    const mcp_endpoint portless6 = endpoint(AF_INET6, 0, 1);
    const mcp_endpoint origin4 = endpoint(AF_INET, 40000, 7);
    const mcp_endpoint origin6 = endpoint(AF_INET6, 40000, 7);

    request("mp_convert", "ipv4", mp_convert(portless4, nullptr));
    request("mp_convert", "ipv4-port", mp_convert(server4, nullptr));
    request("mp_convert", "ipv6", mp_convert(portless6, nullptr));
    request("mp_convert", "ipv6-port", mp_convert(server6, nullptr));
    request("mp_convert", "ipv4-origin", mp_convert(server4, &origin4));
    request("mp_convert", "ipv6-origin", mp_convert(server6, &origin6));
    request("mp_convert", "early-data", behind(mp_convert(server4, nullptr), "GET / HTTP/1.1\r\n"));

    const __u8 options[] = {4, 2, 8, 2, 30, 2, 34, 2};
    const __u8 tfo[] = {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 30, 2};
    const __u8 ao[] = {29, 4, 1, 1};
    const __u8 cookie[] = {1, 2, 3, 4, 5, 6, 7, 8};
    auto connect = [](const mcp_endpoint& ep, const __u8* opts, size_t len) {
        return [=](mcp_message* msg) { mcp_message_connect(msg, &ep, opts, len); };
    };
    request("convert", "connect4", message(connect(server4, nullptr, 0)));
    request("convert", "connect6", message(connect(server6, nullptr, 0)));
    request("convert", "options", message(connect(server6, options, sizeof(options))));
    request("convert", "tfo", message(connect(server4, tfo, sizeof(tfo))));
    request("convert", "tcp-ao", message(connect(server4, ao, sizeof(ao))));
    request("convert", "info", message([](mcp_message* msg) { mcp_message_info(msg); }));
    request("convert", "all", message([&](mcp_message* msg) {
                mcp_message_info(msg);
                mcp_message_connect(msg, &server6, options, sizeof(options));
                mcp_message_cookie(msg, cookie, sizeof(cookie));
            }));
    request("convert", "early-data",
            behind(message(connect(server6, nullptr, 0)), "GET / HTTP/1.1\r\n"));
    request("convert", "answer", message([&](mcp_message* msg) {
                mcp_message_supported_extensions(msg);
                mcp_message_extended_tcp_header(msg, cookie, sizeof(cookie));
            }));
    request("convert", "error", message([&](mcp_message* msg) {
                mcp_message_error(msg, MCP_ERR_MISSING_COOKIE, cookie, sizeof(cookie));
            }));

    seed("answer", "connected", message([&](mcp_message* msg) {
             mcp_message_extended_tcp_header(msg, cookie, sizeof(cookie));
         }));
    seed("answer", "missing-cookie", message([&](mcp_message* msg) {
             mcp_message_error(msg, MCP_ERR_MISSING_COOKIE, cookie, sizeof(cookie));
         }));
    seed("answer", "unreachable", message([&](mcp_message* msg) {
             mcp_message_error(msg, MCP_ERR_UNREACHABLE, cookie, 1);
         }));

    seed("request", "http", behind({}, "GET / HTTP/1.1\r\n\r\n"));

    seed("tcpopt", "syn",
         {2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7, 30, 4, 1, 0x81});
    seed("tcpopt", "syn-ack", {2, 4, 5, 0xa0, 4,  2,  8, 10,   1, 2, 3, 4, 5, 6, 7, 8,
                               1, 3, 3, 8,    30, 12, 1, 0x81, 1, 2, 3, 4, 5, 6, 7, 8});
    seed("tcpopt", "join", {2, 4, 5, 0xb4, 1, 3, 3, 7, 30, 12, 0x10, 2, 1, 2, 3, 4, 5, 6, 7, 8});
    seed("tcpopt", "join-ack", {30, 16, 0x10, 2, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4});
    seed("tcpopt", "prefer-proxy", {30, 4, 1, 0x81, 30, 4, 0xf0, 0});
    seed("tcpopt", "tfo", {34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0});
    return 0;
}
