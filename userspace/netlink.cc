// SPDX-License-Identifier: GPL-2.0-only
#include "netlink.h"

#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/genl/genl.h>
#include <netlink/handlers.h>
#include <netlink/socket.h>
#include <sys/socket.h>

namespace mcp {

namespace {

// Enough for the events of some thousand sessions that start at once.
constexpr int monitor_buffer = 4 << 20;

// The callbacks of libnl are C functions: nothing may be thrown through them, so
// what goes wrong is kept here.
struct Exchange {
    const Socket::Receiver& receive;
    bool done = false;
    std::optional<Error> error = {};
    std::string warning = {};
};

int on_message(nl_msg* message, void* argument)
{
    auto* exchange = static_cast<Exchange*>(argument);

    if (exchange->error)
        return NL_OK; // read the rest of a dump, so that the socket stays usable
    try {
        Status status = exchange->receive(nlmsg_hdr(message));

        if (!status)
            exchange->error = std::move(status.error());
    } catch (const std::exception& problem) {
        exchange->error = failure(problem.what());
    }
    return NL_OK;
}

void finish(Exchange& exchange, const nlmsghdr* header)
{
    Error error = kernel_error(header);

    exchange.done = true;
    if (error.kernel_errno == 0)
        exchange.warning = std::move(error.message);
    else if (!exchange.error)
        exchange.error = std::move(error);
}

int on_end(nl_msg* message, void* argument)
{
    finish(*static_cast<Exchange*>(argument), nlmsg_hdr(message));
    return NL_STOP;
}

int on_error(sockaddr_nl*, nlmsgerr* error, void* argument)
{
    const auto* header =
        reinterpret_cast<const nlmsghdr*>(reinterpret_cast<const char*>(error) - NLMSG_HDRLEN);

    finish(*static_cast<Exchange*>(argument), header);
    return NL_STOP;
}

struct FreeCallbacks {
    void operator()(nl_cb* callbacks) const { nl_cb_put(callbacks); }
};
using Callbacks = std::unique_ptr<nl_cb, FreeCallbacks>;

Callbacks make_callbacks(Exchange& exchange)
{
    Callbacks callbacks(nl_cb_alloc(NL_CB_DEFAULT));

    if (!callbacks)
        throw std::bad_alloc();
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_message, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, on_end, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_end, &exchange);
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &exchange);
    return callbacks;
}

int accept_any_sequence(nl_msg*, void*)
{
    return NL_OK;
}

Error socket_error(const char* what, int error)
{
    Error failed = failure(fmt::format("netlink: {}: {}", what, nl_geterror(error)));

    if (error == -NLE_PERM)
        failed.kernel_errno = EPERM;
    return failed;
}

} // namespace

Error kernel_error(const nlmsghdr* header)
{
    const auto* payload = static_cast<const uint8_t*>(nlmsg_data(header));
    const auto length = static_cast<size_t>(nlmsg_datalen(header));
    int code = 0;
    size_t skip = sizeof(code);

    if (length < sizeof(code))
        return {}; // NLMSG_DONE of old may have no payload
    memcpy(&code, payload, sizeof(code));
    if (header->nlmsg_type == NLMSG_ERROR) {
        nlmsgerr report;

        if (length < sizeof(report))
            return failure("the kernel sent an error that is cut short");
        memcpy(&report, payload, sizeof(report));
        skip = sizeof(report);
        if (!(header->nlmsg_flags & NLM_F_CAPPED) && report.msg.nlmsg_len > sizeof(nlmsghdr))
            skip += NLMSG_ALIGN(report.msg.nlmsg_len - sizeof(nlmsghdr));
    }

    Error error;
    error.kernel_errno = code < 0 ? -code : 0;
    if ((header->nlmsg_flags & NLM_F_ACK_TLVS) && skip < length) {
        Attributes<NLMSGERR_ATTR_OFFS>::Kinds kinds = {};
        kinds[NLMSGERR_ATTR_MSG] = Kind::string;
        kinds[NLMSGERR_ATTR_OFFS] = Kind::u32;
        const auto attributes =
            Attributes<NLMSGERR_ATTR_OFFS>::parse(reinterpret_cast<const nlattr*>(payload + skip),
                                                  static_cast<int>(length - skip), kinds);

        if (attributes) {
            error.message = attributes->string(NLMSGERR_ATTR_MSG).value_or("");
            error.offset = attributes->u32(NLMSGERR_ATTR_OFFS).value_or(0);
        }
    }
    error.explained = !error.message.empty();
    if (error.kernel_errno != 0 && !error.explained)
        error.message = strerror(error.kernel_errno);
    return error;
}

Result<Socket> Socket::open()
{
    nl_sock* raw = nl_socket_alloc();
    if (!raw)
        throw std::bad_alloc();

    Socket socket(raw);
    if (const int error = genl_connect(raw); error < 0)
        return socket_error("cannot open a socket", error);

    // Without these the kernel sends errno alone, or the whole request back.
    // Both are wishes: an old kernel without them still works.
    const int on = 1;
    setsockopt(socket.fd(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    setsockopt(socket.fd(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    return socket;
}

Status Socket::request(Message& message, const Receiver& receive, bool* interrupted)
{
    Exchange exchange{.receive = receive};
    const Callbacks callbacks = make_callbacks(exchange);

    warning_.clear();
    if (const int error = nl_send_auto(socket_.get(), message.raw()); error < 0)
        return socket_error("cannot send", error);

    while (!exchange.done) {
        const int error = nl_recvmsgs(socket_.get(), callbacks.get());

        if (error == -NLE_DUMP_INTR) {
            if (interrupted)
                *interrupted = true;
        } else if (error < 0 && !exchange.done) {
            return socket_error("cannot receive", error);
        }
    }
    warning_ = std::move(exchange.warning);
    if (exchange.error)
        return std::move(*exchange.error);
    return {};
}

Result<Family> Socket::resolve(const std::string& name)
{
    Message message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
    Family family;

    message.put_string(CTRL_ATTR_FAMILY_NAME, name);
    const Status status = request(message, [&family](const nlmsghdr* header) -> Status {
        Attributes<CTRL_ATTR_MCAST_GROUPS>::Kinds kinds = {};
        kinds[CTRL_ATTR_FAMILY_ID] = Kind::u16;
        kinds[CTRL_ATTR_VERSION] = Kind::u32;
        const auto attributes = Attributes<CTRL_ATTR_MCAST_GROUPS>::parse(header, kinds);

        if (!attributes)
            return attributes.error();
        family.id = attributes->u16(CTRL_ATTR_FAMILY_ID).value_or(0);
        family.version = attributes->u32(CTRL_ATTR_VERSION).value_or(0);

        const auto groups = attributes->bytes(CTRL_ATTR_MCAST_GROUPS);
        if (!groups)
            return {};
        int rest = static_cast<int>(groups->size());
        for (const auto* entry = reinterpret_cast<const nlattr*>(groups->data());
             nla_ok(entry, rest); entry = nla_next(entry, &rest)) {
            Attributes<CTRL_ATTR_MCAST_GRP_ID>::Kinds group_kinds = {};
            group_kinds[CTRL_ATTR_MCAST_GRP_NAME] = Kind::string;
            group_kinds[CTRL_ATTR_MCAST_GRP_ID] = Kind::u32;
            const auto group = Attributes<CTRL_ATTR_MCAST_GRP_ID>::parse(entry, group_kinds);

            if (!group)
                return group.error();
            const auto group_name = group->string(CTRL_ATTR_MCAST_GRP_NAME);
            const auto id = group->u32(CTRL_ATTR_MCAST_GRP_ID);
            if (group_name && id)
                family.groups[*group_name] = *id;
        }
        return {};
    });

    if (!status)
        return status.error();
    return family;
}

Status Socket::join(uint32_t group)
{
    if (const int error = nl_socket_add_membership(socket_.get(), static_cast<int>(group));
        error < 0)
        return socket_error("cannot join the multicast group", error);

    // FORCE needs CAP_NET_ADMIN and goes beyond net.core.rmem_max; else take
    // what that limit allows.
    if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &monitor_buffer, sizeof(monitor_buffer)) < 0)
        setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &monitor_buffer, sizeof(monitor_buffer));

    if (const int error = nl_socket_set_nonblocking(socket_.get()); error < 0)
        return socket_error("cannot set the socket non-blocking", error);
    return {};
}

Result<bool> Socket::receive(const Receiver& receive)
{
    Exchange exchange{.receive = receive};
    const Callbacks callbacks = make_callbacks(exchange);

    // Events come unasked for: their sequence numbers are not those of a request.
    nl_cb_set(callbacks.get(), NL_CB_SEQ_CHECK, NL_CB_CUSTOM, accept_any_sequence, nullptr);

    const int error = nl_recvmsgs(socket_.get(), callbacks.get());
    if (exchange.error)
        return std::move(*exchange.error);
    if (error == -NLE_NOMEM) // libnl's name for ENOBUFS
        return false;
    if (error < 0 && error != -NLE_AGAIN && error != -NLE_INTR)
        return socket_error("cannot receive", error);
    return true;
}

} // namespace mcp
