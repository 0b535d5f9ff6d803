"""The end of a gateway's MCP, and of a network's, with connections of every kind and in
every state: led away, terminated, implicit, mapped, and not yet answered."""

import errno
import socket
import subprocess

import pytest

from conftest import load_module
from gateway import address
from netns import wait_for
from streams import connection_is_over, end_both, transfer

pytestmark = pytest.mark.leaves_sessions

# What a rule of its own takes, by port: the peer it goes by.
PORTS = {80: "net", 81: "conv", 82: "path", 83: "mute", 84: "direct"}
SILENT = 8      # to a port of this last digit the server says nothing


class World:
    """The machines, with connections from the hosts and from the gateway itself."""

    def __init__(self, gw):
        self.gw = gw
        self.pairs = []     # who opened it, and the other end
        self.steered = []   # their MPTCP waits a minute for other paths before it gives up
        self.passed = []    # such as the gateway does not take
        self.pending = []

    def up(self):
        gw = self.gw
        gw.up("peer-timeout 60s syn-timeout 300s", network="implicit all syn-timeout 300s")
        gw.ctl("g", f"peer add conv {address('2.1', 1)} codec convert")
        gw.ctl("g", f"peer add path {address('2.1', 1)} codec implicit")
        gw.ctl("g", f"peer add mute {address('2.2', 1)}")
        gw.ctl("n", "intercept add dev nu0 via direct")
        for port, peer in PORTS.items():
            for what in "dev lan0", "local":
                gw.ctl("g", f"intercept add {what} dport {port} via {peer}")
                gw.ctl("g", f"intercept add {what} dport {port + 1000 + SILENT} via {peer}")
        gw.ctl("g", f"mapping add {address('2.1', 2)}:8080 to {address('1', 2)}:80")
        gw.drop("s", f"tcp dport {{ {', '.join(str(port + 1000 + SILENT) for port in PORTS)} }}")
        gw.drop("n", f"ip daddr {address('2.2', 1)} tcp dport 5124")

    def fill(self):
        """Opens connections: with data under way, half closed, and held."""
        gw = self.gw
        for port, peer in PORTS.items():
            listener = gw.listen(port=port)
            for who in "hg":
                for protocol in "tcp", "mptcp":
                    self._begin(who, protocol, port + 1000 + SILENT)
                    if peer == "mute":
                        self._begin(who, protocol, port)
                        continue
                    for half_closed in False, True:
                        client = gw.connect(listener, name=who, protocol=protocol)
                        self._pair(client, listener.accept(), half_closed)
                        if protocol == "mptcp":
                            pairs = self.steered if peer == "net" else self.passed
                            pairs.append(self.pairs.pop())
        inner = gw.listen(name="h", where="1")
        outside = gw.connect((address("2.1", 2), 8080), name="n")
        self._pair(outside, inner.accept(), False)

    def _begin(self, who, protocol, port):
        sock = self.gw.socket(who, protocol=protocol)
        sock.setblocking(False)
        assert sock.connect_ex((address("9.0", 2), port)) == errno.EINPROGRESS
        self.pending.append(sock)

    def _pair(self, client, server, half_closed):
        transfer(client, server, 10_000, 1)
        transfer(server, client, 10_000, 2)
        if half_closed:
            client.shutdown(socket.SHUT_WR)
        else:
            client.sendall(bytes(50_000))
        self.pairs.append((client, server))


@pytest.fixture
def world(gw):
    made = World(gw)
    made.up()
    yield made
    # What is left is told nothing: those who would have told it are gone.
    for sock in [end for pair in made.pairs + made.steered + made.passed
                 for end in pair] + made.pending:
        if sock.fileno() >= 0:
            sock.reset()


def works(gw):
    """A connection of a host is carried by both MCPs again."""
    listener = gw.listen(port=99)
    gw.take("dev lan0 dport 99")
    host = gw.connect(listener)
    server = listener.accept()
    assert server.getpeername()[0] == address("9.0", 1)
    transfer(host, server, 100_000)
    end_both(host, server)


def test_down(world):
    """mcp down on the gateway ends them all; a new start begins with nothing."""
    gw = world.gw
    world.fill()
    gw.ctl("g", "mcp down")
    assert gw.sessions("g") == []
    counted = gw.counted("g")
    assert counted["session-down"] == counted["session-new"] > len(world.pairs + world.steered)
    for client, server in world.pairs:
        for end in client, server:
            wait_for(lambda end=end: connection_is_over(end), what=end)
    gw.ctl("g", "mcp up")
    works(gw)


def test_namespace_deleted(world):
    """A gateway that goes away takes its sessions with it. Sockets of its programs would
    hold the namespace, MPTCP ones for a minute after they are closed."""
    gw = world.gw
    gw.ns["h"].ip(f"mptcp endpoint add {address('1', 3)} dev h0 subflow")
    gw.rule(f"from {address('1', 3)} table 2")
    world.fill()
    for sock in gw.ns["g"].sockets:
        sock.reset()
    gw.ns["g"].remove()
    try:
        wait_for(lambda: not gw.ns["h"].run("ip", "link", "show", "h0", check=False).stdout,
                 what="the end of the namespace")
    finally:
        gw.rebuild()
    gw.begin()
    gw.up()
    works(gw)


def test_module_removed(world):
    """The module can be removed at any time, and what it carried hears of it."""
    gw = world.gw
    world.fill()
    try:
        subprocess.run(["rmmod", "mptcpproxy"], check=True, timeout=60)
    finally:
        load_module()
    for client, server in world.pairs + world.passed:
        for end in client, server:
            wait_for(lambda end=end: connection_is_over(end), what=end)
    gw.begin()
    gw.up()
    works(gw)
