// SPDX-License-Identifier: GPL-2.0-only
#include "netlink.h"

#include <cerrno>
#include <cstring>

#include <catch2/catch.hpp>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

using namespace mcp;

namespace {

// An NLMSG_ERROR as the kernel lays it out: error, the request's header (and
// all of the request unless capped), then the attributes.
std::vector<uint8_t> error_message(int code, uint16_t flags, uint32_t echoed,
                                   const std::vector<uint8_t>& attributes)
{
    nlmsgerr report = {};
    report.error = code;
    report.msg.nlmsg_len = static_cast<uint32_t>(sizeof(nlmsghdr)) + echoed;
    nlmsghdr header = {};
    header.nlmsg_type = NLMSG_ERROR;
    header.nlmsg_flags = flags;

    std::vector<uint8_t> octets(sizeof(header) + sizeof(report));
    memcpy(octets.data() + sizeof(header), &report, sizeof(report));
    if (!(flags & NLM_F_CAPPED))
        octets.resize(octets.size() + NLMSG_ALIGN(echoed), 0xee);
    octets.insert(octets.end(), attributes.begin(), attributes.end());
    header.nlmsg_len = static_cast<uint32_t>(octets.size());
    memcpy(octets.data(), &header, sizeof(header));
    return octets;
}

Error parsed(const std::vector<uint8_t>& octets)
{
    return kernel_error(reinterpret_cast<const nlmsghdr*>(octets.data()));
}

const std::vector<uint8_t> hello = {10, 0, NLMSGERR_ATTR_MSG,  0, 'h', 'e', 'l', 'l', 'o', 0, 0, 0,
                                    8,  0, NLMSGERR_ATTR_OFFS, 0, 24,  0,   0,   0};

} // namespace

TEST_CASE("texts and offsets of extended acknowledgements")
{
    for (const uint16_t capped : {0, static_cast<int>(NLM_F_CAPPED)}) {
        for (const uint32_t echoed : {0U, 4U, 21U, 300U}) {
            const Error error = parsed(error_message(
                -EINVAL, static_cast<uint16_t>(capped | NLM_F_ACK_TLVS), echoed, hello));

            CHECK(error.kernel_errno == EINVAL);
            CHECK(error.explained);
            CHECK(error.message == "hello");
            CHECK(error.offset == 24);
        }
    }

    const Error bare = parsed(error_message(-EPERM, NLM_F_CAPPED, 4, {}));
    CHECK(bare.kernel_errno == EPERM);
    CHECK_FALSE(bare.explained);
    CHECK(bare.message == strerror(EPERM));

    const Error warning = parsed(error_message(0, NLM_F_CAPPED | NLM_F_ACK_TLVS, 4, hello));
    CHECK(warning.kernel_errno == 0);
    CHECK(warning.message == "hello");
}

TEST_CASE("broken acknowledgements are survived")
{
    std::vector<uint8_t> octets = error_message(-EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS, 4, hello);

    for (size_t length = octets.size(); length >= sizeof(nlmsghdr); length--) {
        std::vector<uint8_t> cut(octets.begin(), octets.begin() + static_cast<ptrdiff_t>(length));
        auto* header = reinterpret_cast<nlmsghdr*>(cut.data());
        header->nlmsg_len = static_cast<uint32_t>(length);
        (void)kernel_error(header);
    }
    // An echo that claims to be longer than the message.
    CHECK(parsed(error_message(-EINVAL, NLM_F_CAPPED | NLM_F_ACK_TLVS, 1 << 30, hello)).explained);
    auto* report = reinterpret_cast<nlmsgerr*>(octets.data() + sizeof(nlmsghdr));
    reinterpret_cast<nlmsghdr*>(octets.data())->nlmsg_flags = NLM_F_ACK_TLVS;
    report->msg.nlmsg_len = UINT32_MAX;
    CHECK(parsed(octets).kernel_errno == EINVAL);
}

TEST_CASE("the kernel's own generic netlink controller")
{
    Result<Socket> socket = Socket::open();
    if (!socket) {
        WARN("no generic netlink here: " << socket.error().message);
        return;
    }

    const auto controller = socket->resolve("nlctrl");
    REQUIRE(controller);
    CHECK(controller->id == GENL_ID_CTRL);
    CHECK(controller->version >= 1);
    CHECK(controller->groups.count("notify") == 1);

    const auto missing = socket->resolve("no-such-family");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().kernel_errno == ENOENT);
    CHECK(socket->resolve("nlctrl")); // the socket still works

    int families = 0;
    Message dump(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_DUMP);
    CHECK(socket->request(dump, [&](const nlmsghdr*) {
        families++;
        return Status();
    }));
    CHECK(families >= 1);

    // An attribute that is too short: the kernel says which, and why.
    Message bad(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
    bad.put_u8(CTRL_ATTR_FAMILY_ID, 1);
    const Status refused = socket->request(bad, [](const nlmsghdr*) { return Status(); });
    REQUIRE_FALSE(refused);
    CHECK(refused.error().explained);
    CHECK(bad.attributes_at(refused.error().offset) == std::vector<int>{CTRL_ATTR_FAMILY_ID});

    // What a receiver objects to or throws comes out, after the dump is read.
    Message again(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, NLM_F_DUMP);
    const Status thrown = socket->request(
        again, [](const nlmsghdr*) -> Status { throw std::runtime_error("thrown"); });
    REQUIRE_FALSE(thrown);
    CHECK(thrown.error().message == "thrown");
    CHECK(socket->resolve("nlctrl"));
}

TEST_CASE("events are taken whatever their sequence number")
{
    Result<Socket> socket = Socket::open();
    if (!socket) {
        WARN("no generic netlink here: " << socket.error().message);
        return;
    }
    const auto controller = socket->resolve("nlctrl");
    REQUIRE(controller);
    REQUIRE(socket->join(controller->groups.at("notify")));

    int events = 0;
    const auto count = [&](const nlmsghdr*) {
        events++;
        return Status();
    };
    const auto nothing = socket->receive(count);
    REQUIRE(nothing);
    CHECK(*nothing);
    CHECK(events == 0);

    // Another program may send to a socket of this protocol if it is privileged;
    // good enough for an event, whose sequence number is none of ours.
    sockaddr_nl ours = {};
    socklen_t length = sizeof(ours);
    REQUIRE(getsockname(socket->fd(), reinterpret_cast<sockaddr*>(&ours), &length) == 0);
    Result<Socket> other = Socket::open();
    REQUIRE(other);
    const auto send = [&]() {
        Message message(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY, 1);
        auto* header = const_cast<nlmsghdr*>(message.header());

        header->nlmsg_seq = 0;
        return sendto(other->fd(), header, header->nlmsg_len, MSG_DONTWAIT,
                      reinterpret_cast<sockaddr*>(&ours), sizeof(ours)) >= 0;
    };
    if (!send()) {
        WARN("not privileged: events not tested");
        return;
    }
    REQUIRE(send());
    while (events < 2) {
        const auto received = socket->receive(count);
        REQUIRE(received);
        CHECK(*received);
    }
    CHECK(events == 2);
}
