// SPDX-License-Identifier: GPL-2.0-only
#include "output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace mcp {

namespace {

// Texts of the kernel that are no UTF-8 must not end the program.
std::string dump(const Json& object, int indent)
{
    return object.dump(indent, ' ', false, Json::error_handler_t::replace);
}

} // namespace

void complain(std::string_view message)
{
    std::fflush(stdout); // keeps the order where both go to one place
    fmt::print(stderr, "mptcpproxyctl: {}\n", message);
}

Status flush_stdout()
{
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
        return failure(fmt::format("cannot write: {}", strerror(errno)));
    return {};
}

void Output::row(const Json& object)
{
    const std::string text = dump(object, pretty_ ? 4 : -1);

    if (streaming_) {
        line(text);
        return;
    }
    fmt::print("{}{}{}", rows_ == 0 ? "[" : ",", pretty_ ? "\n" : "", text);
    rows_++;
}

void Output::line(std::string_view text)
{
    fmt::print("{}\n", text);
    rows_++;
    if (streaming_)
        std::fflush(stdout);
}

void Output::finish()
{
    if (json_ && !streaming_)
        fmt::print("{}{}]\n", rows_ == 0 ? "[" : "", pretty_ && rows_ > 0 ? "\n" : "");
}

} // namespace mcp
