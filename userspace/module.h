// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "netlink.h"
#include "result.h"
#include "words.h"

#include <functional>
#include <string_view>
#include <vector>

namespace mcp {

// The kernel module, seen through its generic netlink family: a socket whose
// family exists and speaks our version of the interface.
class Module {
public:
    // In the network namespace that the thread is in.
    static Result<Module> open();

    // A request of the family, to be filled and given to request() or dump().
    Message message(uint8_t command) const;

    // Sends a request; a reply, if there is one, goes to receive. Warnings of
    // the kernel go to stderr.
    Status request(Message& message, const Socket::Receiver& receive = {});

    // Everything a dump yields, decoded. A dump during which the list changed
    // is repeated a few times; if the list never rests the last one is taken
    // and a warning goes to stderr.
    template <class T>
    Result<std::vector<T>> dump(uint8_t command,
                                const std::function<Result<T>(const nlmsghdr*)>& decode);

    // Joins a multicast group of the family by name.
    Status join(const std::string& group);

    Socket& socket() { return socket_; }

private:
    Module(Socket socket, Family family) : socket_(std::move(socket)), family_(std::move(family)) {}

    Status dump_once(uint8_t command, const Socket::Receiver& receive, bool& interrupted);
    static void warn_interrupted();

    Socket socket_;
    Family family_;
};

// Sends a command that has neither arguments nor a reply.
Status send_plain(const Words& words, uint8_t command);

// The nest of that type in a message of the family. what is a noun for the
// error that there is none ("session").
Result<const nlattr*> find_nest(const nlmsghdr* header, int type, std::string_view what);

template <class T>
Result<std::vector<T>> Module::dump(uint8_t command,
                                    const std::function<Result<T>(const nlmsghdr*)>& decode)
{
    constexpr int tries = 4;
    std::vector<T> rows;

    for (int i = 0; i < tries; i++) {
        bool interrupted = false;

        rows.clear();
        const Status status = dump_once(
            command,
            [&](const nlmsghdr* header) -> Status {
                Result<T> row = decode(header);

                if (!row)
                    return row.error();
                rows.push_back(std::move(*row));
                return {};
            },
            interrupted);
        if (!status)
            return status.error();
        if (!interrupted)
            return rows;
    }
    warn_interrupted();
    return rows;
}

} // namespace mcp
