"""What the request, outcome and lifecycle scenarios share.

Beside the stacks of client c and server s there are machines that the test
plays by hand (wire.py): clients 10.77.0.0/16 and fd77::/48 behind c, servers
10.99.0.0/16 and fd99::/48 behind s.
"""

import json
import os
import socket
import subprocess
import threading
import time

import pytest

import codec
import control
import genl
from wire import ACK, FIN, RST, SYN, Peer, Wire, inside

TOP = os.path.dirname(os.path.abspath(__file__)) + "/../../.."
CTL = os.environ.get("MCP_CTL", TOP + "/build/mptcpproxyctl")
DEBUG = os.environ.get("MCP_KERNEL") == "debug"

PORT = 5124
MCP4, MCP6 = "10.0.1.1", "fd00:1::1"
CLIENT4, CLIENT6 = "10.0.1.2", "fd00:1::2"
SERVER4, SERVER6 = "10.0.9.2", "fd00:9::2"
RAW_CLIENT4, RAW_CLIENT6 = "10.77.0.1", "fd77::1"
RAW_SERVER4, RAW_SERVER6 = "10.99.0.1", "fd99::1"

LINKS = """
netns add {0}c
netns add {0}m
netns add {0}s
link add c0 netns {0}c type veth peer name mc0 netns {0}m
link add c1 netns {0}c type veth peer name mc1 netns {0}m
link add s0 netns {0}s type veth peer name ms0 netns {0}m
"""
INSIDE = {
    "c": """
link set lo up
addr add 10.0.1.2/24 dev c0
addr add 10.0.2.2/24 dev c1
addr add fd00:1::2/64 dev c0 nodad
addr add fd00:2::2/64 dev c1 nodad
link set c0 up
link set c1 up
route add default via 10.0.1.1
route add default via fd00:1::1
mptcp limits set subflow 4 add_addr_accepted 4
""",
    "m": """
link set lo up
addr add 10.0.1.1/24 dev mc0
addr add 10.0.2.1/24 dev mc1
addr add 10.0.9.1/24 dev ms0
addr add fd00:1::1/64 dev mc0 nodad
addr add fd00:2::1/64 dev mc1 nodad
addr add fd00:9::1/64 dev ms0 nodad
link set mc0 up
link set mc1 up
link set ms0 up
route add 10.77.0.0/16 via 10.0.1.2
route add fd77::/48 via fd00:1::2
route add 10.99.0.0/16 via 10.0.9.2
route add fd99::/48 via fd00:9::2
mptcp limits set subflow 4 add_addr_accepted 4
""",
    "s": """
link set lo up
addr add 10.0.9.2/24 dev s0
addr add fd00:9::2/64 dev s0 nodad
link set s0 up
route add default via 10.0.9.1
route add default via fd00:9::1
""",
}


def build(prefix=""):
    """The three namespaces, with this before their names."""
    batch(["ip"], LINKS.format(prefix))
    for name, lines in INSIDE.items():
        batch(["ip", "-n", prefix + name], lines)


def batch(command, lines):
    subprocess.run([*command, "-batch", "-"], input=lines, text=True, check=True)


def demolish(prefix=""):
    for name in "cms":
        if os.path.exists(f"/run/netns/{prefix}{name}"):
            subprocess.run(["ip", "netns", "del", prefix + name], check=True)


def run(netns, *argv, check=True):
    """Runs a program in a namespace; its output."""
    done = subprocess.run(["ip", "netns", "exec", netns, *map(str, argv)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False)
    assert not check or not done.returncode, done.stdout
    return done.stdout


def ctl(*words, netns="m", check=True):
    """mptcpproxyctl; its result, which a test may look at if check is off."""
    words = [str(word) for phrase in words for word in str(phrase).split()]
    done = subprocess.run([CTL, "-n", netns, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, check=False)
    assert not check or not done.returncode, done.stderr
    return done


def table(*words, netns="m"):
    """The rows that mptcpproxyctl -j prints."""
    return json.loads(ctl("-j", *words, netns=netns).stdout)


def stats(netns="m"):
    """All counters."""
    return control.stats(netns)


def sessions(netns="m"):
    return table("session show", netns=netns)


def count(netns="m"):
    """How many sessions there are: total, half_open and clients."""
    return control.count(netns)


def until(condition, seconds=30, what=""):
    """Waits for something to become true; returns what it was."""
    deadline = time.monotonic() + seconds * (3 if DEBUG else 1)
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


class Counted:
    """The counters since this was made."""

    def __init__(self, netns="m"):
        self.netns = netns
        self.before = stats(netns)

    def __getitem__(self, name):
        return self.all().get(name, 0)

    def all(self):
        now = stats(self.netns)
        return {name: now[name] - self.before.get(name, 0) for name in now
                if now[name] != self.before.get(name, 0)}

    def wait(self, seconds=30, **wanted):
        """Until the counters stand so; underscores stand for hyphens."""
        wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
        deadline = time.monotonic() + seconds * (3 if DEBUG else 1)
        while True:
            got = self.all()
            if all(got.get(name, 0) == value for name, value in wanted.items()):
                return got
            assert time.monotonic() < deadline, f"{wanted} expected, got {got}"
            time.sleep(0.02)


@pytest.fixture(scope="session")
def machines(module):
    """The namespaces. All tests share them: most take less time than it takes
    to make new ones."""
    build()
    yield
    demolish()


@pytest.fixture
def mcp(machines):
    """A function that brings the MCP up with these settings; it serves all
    clients unless told otherwise."""
    def up(settings="", acl=("all",)):
        if not control.up("m", settings, acl):
            ctl("mcp up", settings)
            for entry in acl:
                ctl("acl add", entry)
        return Counted()
    down()
    yield up
    down()


def down(netns="m"):
    """No MCP, no ACL and no pool."""
    with control.asking(netns) as socket_:
        socket_.request(genl.DOWN)
        socket_.request(genl.ACL_FLUSH)
        socket_.request(genl.POOL_FLUSH)


@pytest.fixture(scope="session")
def client_wire(machines):
    wire = Wire("c", "c0", "m", "mc0")
    yield wire
    wire.close()


@pytest.fixture(scope="session")
def server_wire(machines):
    wire = Wire("s", "s0", "m", "ms0")
    yield wire
    wire.close()


class Unused:
    """Addresses and ports of clients that were never used before, and so have
    nothing to remember."""

    def __init__(self):
        self.addresses = 0
        self.ports = 20000

    def address(self, family):
        self.addresses += 1
        if family == 4:
            return f"10.77.{100 + self.addresses // 250}.{1 + self.addresses % 250}"
        return f"fd77:0:0:{self.addresses:x}::1"

    def port(self):
        self.ports += 1
        return self.ports


UNUSED = Unused()


def raw_client(wire, family=4, address=None, port=None, mcp_port=PORT):
    """A client played by hand, at an address of its own unless there is one."""
    return Peer(wire, address or UNUSED.address(family), port or UNUSED.port(),
                MCP4 if family == 4 else MCP6, mcp_port)


class Server(threading.Thread):
    """A server in the namespace's own stack that repeats what it hears."""

    def __init__(self, netns="s", port=80, family=socket.AF_INET, protocol=0, greeting=b""):
        super().__init__(daemon=True)
        with inside(netns):
            self.listener = socket.socket(family, socket.SOCK_STREAM, protocol)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
        self.listener.listen(4096)
        self.greeting = greeting
        self.connections = []
        self.received = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()
        self.join()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.received.append(b"")
            threading.Thread(target=self.serve, args=(connection, len(self.received) - 1),
                             daemon=True).start()

    def serve(self, connection, index):
        try:
            connection.sendall(self.greeting)
            while octets := connection.recv(65536):
                self.received[index] += octets
                connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass


needs_fastopen = pytest.mark.skipif(
    tuple(map(int, os.uname().release.split(".")[:2])) < (6, 2),
    reason="MPTCP sockets put data into a SYN since Linux 6.2")

MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN_NO_COOKIE = 34
IPPROTO_MPTCP = 262


def client_socket(family=4, protocol=IPPROTO_MPTCP, netns="c", seconds=20):
    with inside(netns):
        sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6,
                             socket.SOCK_STREAM, protocol)
    sock.settimeout(seconds)
    return sock


def ask(request, family=4, protocol=IPPROTO_MPTCP, address=None, seconds=20, port=PORT):
    """A connection of the client's stack with a request in its SYN."""
    sock = client_socket(family, protocol, seconds=seconds)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
    try:
        sock.sendto(request, MSG_FASTOPEN, (address or (MCP4 if family == 4 else MCP6), port))
    except OSError:
        sock.close()
        raise
    return sock


def read_all(sock):
    """Up to the end of the stream."""
    got = b""
    while octets := sock.recv(65536):
        got += octets
    return got


def read_exactly(sock, length):
    got = b""
    while len(got) < length:
        octets = sock.recv(length - len(got))
        assert octets, f"the stream ended after {got!r}"
        got += octets
    return got


def play(wire, trials, quiet=0.6, batch=400, patience=10):
    """Sends many requests, each by a client of its own, and sees what becomes
    of them: for each (client, payload) "reset", "silence", "accepted" (and the
    payload of the SYN/ACK), or the octets of a stream that ended with FIN. Who
    has no answer yet gets one within so many seconds of patience."""
    results = []
    if DEBUG:                   # which takes long to accept them
        batch = min(batch, 32)
    for start in range(0, len(trials), batch):
        results += play_batch(wire, trials[start:start + batch], quiet, patience)
    return results


def connected(stream):
    """Does a Convert client know that no error will follow?"""
    return (len(stream) >= 4 and len(stream) >= stream[1] * 4 and
            codec.EXTENDED_TCP_HEADER in dict(codec.read_message(stream)[0]))


def play_batch(wire, trials, quiet, patience):
    clients = {(client.address, client.port): client for client, _ in trials}
    assert len(clients) == len(trials)
    heard, ends = {key: b"" for key in clients}, {key: "silence" for key in clients}
    convert = {(client.address, client.port) for client, payload in trials
               if payload[2:4] == b"\x22\x63"}
    waiting = set(clients)
    wire.drain()
    for client, payload in trials:
        client.syn(payload)
    while segment := wire.first((patience if waiting else quiet) * (4 if DEBUG else 1),
                                lambda segment: (segment.dst, segment.dport) in clients):
        key = segment.dst, segment.dport
        client = clients[key]
        if segment.flags & RST:
            if ends[key] == "silence":
                assert is_reset_of(segment, client), segment
                ends[key] = "reset"
        elif segment.flags & SYN and ends[key] == "silence":
            ends[key] = "accepted"
            client.synack = segment
            client.establish(segment)
        elif segment.seq == client.ack and segment.end != segment.seq:
            heard[key] += segment.payload
            client.ack = segment.end
            if segment.flags & FIN:
                ends[key] = heard[key]
                client.reset()
            else:
                client.send(ACK)
        if (segment.flags & RST or ends[key] not in ("silence", "accepted") or
                ends[key] == "accepted" and (key not in convert or connected(heard[key]))):
            waiting.discard(key)
    for key, client in clients.items():
        if ends[key] == "accepted":
            client.reset()
    return [ends[client.address, client.port] for client, _ in trials]


def is_reset_of(segment, peer):
    """A RST that a client which sent SYN and payload believes."""
    return bool(segment and segment.flags & RST and segment.flags & ACK and
                segment.ack == peer.seq)


def is_synack_of(segment, peer):
    return bool(segment and segment.flags == SYN | ACK and segment.ack == peer.seq)


def all_quiet():
    """No session is left."""
    until(lambda: count()["total"] == 0, 60, "no session left")
