// SPDX-License-Identifier: GPL-2.0-only
#include "netns.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

namespace mcp {

namespace {

class File {
public:
    explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
    ~File()
    {
        if (fd_ >= 0)
            close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    int fd() const { return fd_; }

private:
    int fd_;
};

} // namespace

Status enter_netns(const std::string& name)
{
    const bool is_path = name.find('/') != std::string::npos;

    if (name.empty() || name == "." || name == "..")
        return usage_error(fmt::format("'{}' is not the name of a network namespace", name));

    const File file(is_path ? name : "/run/netns/" + name);
    if (file.fd() < 0 && errno == ENOENT)
        return failure(fmt::format("no network namespace '{}': see 'ip netns list'", name));
    if (file.fd() >= 0 && setns(file.fd(), CLONE_NEWNET) == 0)
        return {};
    if (errno == EPERM || errno == EACCES)
        return failure(fmt::format("cannot enter network namespace '{}': run it as root", name));
    if (errno == EINVAL)
        return failure(fmt::format("'{}' is not a network namespace", name));
    return failure(fmt::format("cannot enter network namespace '{}': {}", name, strerror(errno)));
}

} // namespace mcp
