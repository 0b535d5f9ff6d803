"""Generic netlink by hand, for messages that no library would send."""

import contextlib
import socket
import struct

from wire import inside

NETLINK_GENERIC = 16
GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS = 1, 2, 7
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
NLMSG_ERROR, NLMSG_DONE = 2, 3
MPTCP_PM_CMD_FLUSH_ADDRS = 4
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLM_F_DUMP_INTR = 0x10
NESTED = 0x8000

(UP, SET, SHOW, DOWN, ACL_ADD, ACL_DEL, ACL_FLUSH, ACL_GET, SESSION_GET, SESSION_COUNT,
 SESSION_FLUSH, STATS_GET, SESSION_EVENT, POOL_ADD, POOL_DEL, POOL_FLUSH,
 POOL_GET, MAPPING_EVENT, PEER_ADD, PEER_DEL, PEER_FLUSH, PEER_GET, INTERCEPT_ADD,
 INTERCEPT_DEL, INTERCEPT_FLUSH, INTERCEPT_GET, FORWARD_ADD, FORWARD_DEL, FORWARD_FLUSH,
 FORWARD_GET) = range(1, 31)
(A_VERSION, A_UP, A_SETTINGS, A_ACL, A_SESSION, A_SESSION_ID, A_COUNT, A_STAT,
 A_EVENT, A_PAD, A_POOL, A_MAPPING, A_TIME, A_PEER, A_INTERCEPT, A_FORWARD) = range(1, 17)
ACL_FAMILY, ACL_ADDR, ACL_PREFIXLEN, ACL_IFNAME = range(1, 5)


def attribute(kind, value, length=None):
    """One attribute, padded; `length` lies about its length."""
    size = 4 + len(value) if length is None else length
    return struct.pack("HH", size, kind) + value + bytes(-len(value) % 4)


def nest(kind, *inner):
    return attribute(kind | NESTED, b"".join(inner))


def acl(family=socket.AF_INET, address=b"\x0a\0\0\0", prefixlen=8, *more):
    return nest(A_ACL, attribute(ACL_FAMILY, struct.pack("H", family)),
                attribute(ACL_ADDR, address), attribute(ACL_PREFIXLEN, bytes([prefixlen])), *more)


def pool(family=socket.AF_INET, address=b"\xc6\x33\x64\0", prefixlen=24, *more):
    """As acl(), of which it has the first attributes."""
    return nest(A_POOL, acl(family, address, prefixlen, *more)[4:])


class Genl:
    """A generic netlink socket in a namespace; None is the thread's own."""

    def __init__(self, netns="m", family=b"mptcpproxy"):
        with inside(netns) if netns else contextlib.nullcontext():
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.settimeout(10)
        self.sequence = 0
        self.family = GENL_ID_CTRL
        name = attribute(CTRL_ATTR_FAMILY_NAME, family + b"\0")
        error, replies = self.request(CTRL_CMD_GETFAMILY, name)
        assert not error, f"there is no {family.decode()}"
        family = attributes(replies[0][4:])
        self.family = struct.unpack("H", family[CTRL_ATTR_FAMILY_ID])[0]
        groups = map(attributes, attributes(family[CTRL_ATTR_MCAST_GROUPS]).values())
        self.groups = {group[1][:-1].decode(): struct.unpack("I", group[2])[0]
                       for group in groups}

    def join(self, group):
        """Listens to a multicast group of the family."""
        self.socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, self.groups[group])

    def send(self, command, payload=b"", flags=NLM_F_REQUEST | NLM_F_ACK, length=None, version=1,
             genl_header=True):
        """Sends one message; `length` lies about its length."""
        self.sequence += 1
        body = struct.pack("BBH", command, version, 0) + payload if genl_header else payload
        size = 16 + len(body) if length is None else length
        self.socket.send(struct.pack("IHHII", size, self.family, flags, self.sequence, 0) + body)

    def receive(self):
        """The error (0 for success) that ends the answer, and the messages
        before it, from the generic netlink header on."""
        replies = []
        while True:
            octets = self.socket.recv(1 << 20)
            at = 0
            while at < len(octets):
                size, kind, flags, sequence, _ = struct.unpack("IHHII", octets[at:at + 16])
                body = octets[at + 16:at + size]
                at += size + -size % 4
                if sequence != self.sequence:
                    continue
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return -struct.unpack("i", body[:4])[0], replies
                replies.append(body)

    def request(self, *args, **kwargs):
        self.send(*args, **kwargs)
        return self.receive()

    def dump(self, command):
        return self.request(command, flags=NLM_F_REQUEST | NLM_F_DUMP)

    def close(self):
        self.socket.close()


def attributes(octets):
    """Attributes by kind; of a kind that comes twice the last."""
    found, at = {}, 0
    while at + 4 <= len(octets):
        size, kind = struct.unpack("HH", octets[at:at + 4])
        found[kind & 0x3fff] = octets[at + 4:at + size]
        at += size + -size % 4
    return found
