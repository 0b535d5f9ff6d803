// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "message.h"
#include "result.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <netlink/netlink.h>

namespace mcp {

// What the generic netlink controller says about a family.
struct Family {
    uint16_t id = 0;
    uint32_t version = 0;
    std::map<std::string, uint32_t> groups; // multicast groups by name
};

// A generic netlink socket. Owns it; closed with the object.
class Socket {
public:
    // Called with each message of a reply. Refers to it only during the call.
    using Receiver = std::function<Status(const nlmsghdr*)>;

    // Opened in the network namespace that the thread is in.
    static Result<Socket> open();

    // Sends a request and hands its replies to receive, until the kernel has
    // acknowledged the request or, for a dump, until its end. Errors carry the
    // errno and text of the kernel. A dump that the kernel says changed
    // meanwhile is complete as far as it goes; interrupted is set then.
    Status request(Message& message, const Receiver& receive, bool* interrupted = nullptr);

    // kernel_errno of the error is ENOENT when there is no such family.
    Result<Family> resolve(const std::string& name);

    // Joins a multicast group, after which only receive() may be used.
    Status join(uint32_t group);

    // Waits for nothing: hands messages that have arrived to receive. False
    // when messages were lost since the last call because we were too slow.
    Result<bool> receive(const Receiver& receive);

    int fd() const { return nl_socket_get_fd(socket_.get()); }

    // A text that the kernel attached to a request that it carried out.
    const std::string& warning() const { return warning_; }

private:
    struct Free {
        void operator()(nl_sock* socket) const { nl_socket_free(socket); }
    };
    explicit Socket(nl_sock* socket) : socket_(socket) {}

    std::unique_ptr<nl_sock, Free> socket_;
    std::string warning_;
};

// The error that an NLMSG_ERROR or NLMSG_DONE message carries, with the text and
// offset of its extended acknowledgement; kernel_errno 0 when it is no error
// (the text is then a warning).
Error kernel_error(const nlmsghdr* header);

} // namespace mcp
