// SPDX-License-Identifier: GPL-2.0-only
#include "module.h"

#include "output.h"
#include "version.h"

#include <cerrno>

#include <fmt/format.h>
#include <linux/mptcpproxy.h>

namespace mcp {

namespace {

// Refusals that mean the same whatever was asked for.
Error explain(Error error)
{
    if (error.explained)
        return error;
    if (error.kernel_errno == EPERM)
        error.message = "not permitted: needs CAP_NET_ADMIN: run it as root";
    else if (error.kernel_errno == EOPNOTSUPP)
        error.message =
            "the module does not know this command: install module and tool of one release";
    return error;
}

} // namespace

Result<Module> Module::open()
{
    Result<Socket> socket = Socket::open();
    if (!socket)
        return socket.error();

    Result<Family> family = socket->resolve(MCP_GENL_NAME);
    if (!family) {
        if (family.error().kernel_errno == ENOENT)
            return failure("module not loaded: run 'modprobe mptcpproxy'");
        return family.error();
    }
    if (family->version != MCP_GENL_VERSION)
        return failure(
            fmt::format("the module speaks interface version {}, mptcpproxyctl {} speaks {}: "
                        "install both from one release and load the module anew",
                        family->version, version, MCP_GENL_VERSION));
    return Module(std::move(*socket), std::move(*family));
}

Message Module::message(uint8_t command) const
{
    return Message(family_.id, command, MCP_GENL_VERSION);
}

Status Module::request(Message& message, const Socket::Receiver& receive)
{
    const Socket::Receiver ignore = [](const nlmsghdr*) { return Status(); };

    Status status = socket_.request(message, receive ? receive : ignore);
    if (!status)
        return explain(std::move(status.error()));
    if (!socket_.warning().empty())
        complain(socket_.warning());
    return status;
}

Status Module::dump_once(uint8_t command, const Socket::Receiver& receive, bool& interrupted)
{
    Message message(family_.id, command, MCP_GENL_VERSION, NLM_F_DUMP);

    Status status = socket_.request(message, receive, &interrupted);
    if (!status)
        return explain(std::move(status.error()));
    return status;
}

void Module::warn_interrupted()
{
    complain("the list changed while it was read: entries may be missing or stand twice");
}

Status Module::join(const std::string& group)
{
    const auto found = family_.groups.find(group);

    if (found == family_.groups.end())
        return failure(fmt::format("the module has no multicast group '{}'", group));
    Status joined = socket_.join(found->second);
    return joined ? std::move(joined) : explain(std::move(joined.error()));
}

Status send_plain(const Words& words, uint8_t command)
{
    if (Status status = words.finish(); !status)
        return status;
    Result<Module> module = Module::open();
    if (!module)
        return module.error();

    Message message = module->message(command);
    return module->request(message);
}

Result<const nlattr*> find_nest(const nlmsghdr* header, int type, std::string_view what)
{
    const auto top = Attributes<MCP_A_MAX>::parse(header, {});

    if (!top)
        return top.error();
    if (!top->has(type))
        return failure(fmt::format("the kernel sent no {} where one was due", what));
    return (*top)[type];
}

} // namespace mcp
