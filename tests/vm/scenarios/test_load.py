"""Many connections, and the same port again and again."""

import hashlib
import os
import random
import threading

import pytest

from gateway import BLACKHOLE
from lab import DEBUG
from netns import wait_for
from streams import background, end_both, finish

if DEBUG:
    print("test_load: a fifth of the connections, the debug kernel is slow")
CONNECTIONS = {"mptcp": 2000, "tcp": 500}
AT_ONCE = 200
PROTOCOLS = ["mptcp", "tcp"]


def open_sockets(lab):
    """The MCP's connections in any state but listening and TIME_WAIT."""
    done = lab.mcp.run("ss", "-Htan", "state", "all", "exclude", "listening",
                       "exclude", "time-wait")
    return done.stdout.splitlines()


def sockets_in_use(lab):
    """What /proc/net/sockstat counts, in the MCP's namespace."""
    for line in lab.mcp.read("net/sockstat").splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[2])
    raise AssertionError("no TCP sockets are counted")


def answer_digest(connection):
    """A server that says the digest of what it heard."""
    _, sha = connection.receive_stream()
    connection.sendall(sha.encode())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_connections(lab, protocol):
    """Thousands of connections, hundreds at a time: each carries its own data,
    and none leaves anything behind."""
    connections = CONNECTIONS[protocol] // (5 if DEBUG else 1)
    lab.up("require-mptcp off session-rate 0")
    if os.path.exists(BLACKHOLE):
        lab.client.sysctl("net.mptcp.blackhole_timeout", 0)
    before = sockets_in_use(lab)
    listener = lab.listen()
    served = listener.serve(answer_digest, connections)
    numbers = iter(range(connections))
    lock = threading.Lock()
    most = 0

    def one(number):
        data = random.Random(number).randbytes(100 + 40 * (number % 500))
        with lab.connect(listener, protocol=protocol) as client:
            client.sendall(data)
            client.half_close()
            assert client.read_all() == hashlib.sha256(data).hexdigest().encode()

    def client():
        done = 0
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return done
            one(number)
            done += 1
    clients = [background(client) for _ in range(AT_ONCE)]
    while not all(future.done() for future in clients):
        most = max(most, lab.count()["total"])
    assert sum(finish(future) for future in clients) == connections
    assert len(finish(served)) == connections
    lab.wait_idle()
    lab.wait_stats(session_new=connections, session_bound=connections,
                   session_closed=connections, reply_reset=0)
    # Where a handshake of 200 at once takes 3 s, its client gives MPTCP up.
    spoken = lab.stats()["session-mptcp"]
    if protocol == "tcp":
        assert not spoken
    else:
        assert DEBUG or spoken > 0.9 * connections
    assert most > 1
    wait_for(lambda: not open_sockets(lab), what="sockets to go away")
    wait_for(lambda: sockets_in_use(lab) == before, what="sockets to be freed")


PORT = 40000


def once(lab, listener, protocol, end, coding="mp-convert"):
    """A connection from always the same port."""
    client = lab.connect(listener, b"early", protocol=protocol, port=PORT, codec=coding)
    server = listener.accept()
    assert server.read_exactly(5) == b"early"
    client.sendall(b"question")
    assert server.read_exactly(8) == b"question"
    server.sendall(b"answer")
    assert client.read_exactly(6) == b"answer"
    end(client, server)


def server_first(client, server):
    server.half_close()
    assert client.at_end()
    client.close()
    assert server.at_end()
    server.close()


def client_first(client, server):
    client.half_close()
    assert server.at_end()
    server.close()
    assert client.at_end()
    client.close()


def client_resets(client, server):
    client.reset()
    assert server.error()
    server.close()


def server_resets(client, server):
    server.reset()
    assert client.error()
    client.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("end", [server_first, client_resets, server_resets])
def test_same_port_again(lab, end, protocol):
    """A client may use its port again at once, whatever the MCP still remembers
    of the last connection."""
    lab.up("require-mptcp off")
    listener = lab.listen()
    for _ in range(10):
        retry_bind(lambda: once(lab, listener, protocol, end))
    lab.wait_idle()
    stats = lab.stats()
    assert stats["session-bound"] == 10
    assert stats["session-mptcp"] == (10 if protocol == "mptcp" else 0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_port_in_time_wait(lab, protocol):
    """A client whose own side is in TIME_WAIT gets a new connection from there."""
    lab.client.sysctl("net.ipv4.tcp_tw_reuse", 1)
    lab.up("require-mptcp off")
    listener = lab.listen()
    for _ in range(3):
        retry_bind(lambda: once(lab, listener, protocol, client_first))
    lab.wait_stats(session_closed=3)


def retry_bind(function):
    """Again while the client's own kernel has not let go of the port."""
    def attempt():
        try:
            function()
        except OSError as error:
            if error.errno not in (98, 99):
                raise
            return False
        return True
    wait_for(attempt, what="the port")


def test_idle_connections(lab):
    """A hundred connections that say nothing disturb no other one."""
    lab.up()
    listener = lab.listen()
    pairs = []
    for _ in range(100):
        client = lab.connect(listener)
        pairs.append((client, listener.accept()))
    wait_for(lambda: lab.count() == {"total": 100, "half_open": 0, "clients": 1},
             what="100 sessions")
    for number, (client, server) in enumerate(pairs):
        client.sendall(b"%d" % number)
        assert server.recv(10) == b"%d" % number
    for client, server in pairs[::-1]:
        end_both(client, server)
    lab.wait_stats(session_closed=100)
