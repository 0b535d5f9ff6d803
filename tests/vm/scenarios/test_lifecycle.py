"""Sessions in every state, and what ends them all: the operator, the clock,
the namespace, the module, and want of memory."""

import errno
import os
import subprocess
import threading
import time

import pytest

import codec
from scene import (MCP4, RAW_SERVER4, SERVER4, TOP, Server, all_quiet, build, client_socket, count,
                   ctl, demolish, down, is_synack_of, play, raw_client, read_exactly, sessions,
                   stats, until)
from wire import ACK, FIN, RST, Answering, Wire

pytest_plugins = ["scene"]


class Servers(Answering):
    """By port: 80 repeats, 81 refuses, 82 is silent, 83 accepts and says no
    more, 84 ends its stream as soon as it hears something."""

    def __init__(self, wire):
        super().__init__(wire, lambda syn, before: {80: 0, 81: "rst", 83: 0, 84: 0}.get(syn.dport),
                         [RAW_SERVER4])

    def data(self, key, segment):
        if segment.dport == 80:
            super().data(key, segment)
        elif segment.end != segment.seq:
            fin = FIN if segment.dport == 84 and segment.payload else 0
            self.wire.send(self.reply(segment, ACK | fin, segment.ack))


class Everything:
    """An MCP in a namespace of its own, with sessions in every state."""

    STATES = ("early", "held", "answered", "established", "client-fin", "server-fin", "last-ack",
              "late", "told", "blocked", "mptcp")

    def __init__(self, prefix="", each=3):
        self.prefix, self.each = prefix, each
        self.clients = {state: [] for state in self.STATES}
        self.sockets = []
        self.wire = Wire(prefix + "c", "c0", prefix + "m", "mc0")
        self.server_wire = Wire(prefix + "s", "s0", prefix + "m", "ms0")
        self.servers = Servers(self.server_wire)
        self.stack = Server(prefix + "s", 80)
        self.deaf = Server(prefix + "s", 85)
        self.deaf.serve = lambda connection, index: None

    def __enter__(self):
        self.servers.start()
        self.stack.start()
        self.deaf.start()
        return self

    def __exit__(self, *exc):
        for sock in self.sockets:
            sock.close()
        self.servers.__exit__()
        self.stack.__exit__()
        self.deaf.__exit__()
        self.wire.close()
        self.server_wire.close()

    def ctl(self, *words):
        return ctl(*words, netns=self.prefix + "m")

    def up(self, port=5124, settings=""):
        self.ctl("mcp up port", port, "hold-timeout 100ms request-timeout 60s max-half-open-client "
                 "16384", settings)
        self.ctl("acl add all")

    def fill(self, port=5124):
        """Opens sessions in every state; how many there are then."""
        self.begin("early", 82, port)
        until(lambda: self.count()["total"] == self.each)
        self.ctl("mcp set hold-timeout 60s")
        self.begin("held", 82, port)
        self.begin("answered", 80, port)
        for client in self.begin("established", 80, port):
            client.establish(client.answer())
        for client in self.begin("client-fin", 83, port):
            client.establish(client.answer())
            client.send(FIN | ACK)
        for client in self.begin("server-fin", 84, port):
            client.establish(client.answer())
        for client in self.begin("last-ack", 80, port):
            client.establish(client.answer())
            client.send(FIN | ACK)          # and never acknowledges the other one
        for client in self.begin("late", None, port):
            client.establish(client.answer())
        for client in self.begin("told", 0, port):
            client.establish(client.answer())
        # With data under way both ways, which nobody takes.
        for _ in range(self.each):
            sock = client_socket(protocol=0, netns=self.prefix + "c")
            self.connect(sock, codec.convert(SERVER4, 85), port)
            self.clients["blocked"].append(sock)
        for _ in range(self.each):
            sock = client_socket(netns=self.prefix + "c")
            self.connect(sock, codec.mp_convert(SERVER4, 80), port)
            self.clients["mptcp"].append(sock)
        expected = len(self.STATES) * self.each
        until(lambda: self.count()["total"] == expected, 10, f"{expected} sessions")
        return expected

    def begin(self, state, server_port, port):
        clients = [raw_client(self.wire, mcp_port=port) for _ in range(self.each)]
        for client in clients:
            if server_port is None:
                client.syn(b"")
            elif server_port == 0:
                client.syn(codec.message(codec.tlv(99)))
            else:
                client.syn(codec.mp_convert(RAW_SERVER4, server_port) + b"early")
        self.clients[state] = clients
        return clients

    def connect(self, sock, request, port):
        self.sockets.append(sock)
        sock.connect((MCP4, port))
        sock.sendall(request)
        sock.setblocking(False)
        try:
            while True:
                sock.send(bytes(65536))
        except BlockingIOError:
            pass

    def count(self):
        return count(self.prefix + "m")

    def stats(self):
        return stats(self.prefix + "m")


@pytest.fixture
def everything(machines):
    """A function that sets up another three machines."""
    made = []

    def make(prefix, each=3):
        build(prefix)
        made.append(Everything(prefix, each))
        return made[-1].__enter__()
    yield make
    for each in made:
        each.__exit__()
        demolish(each.prefix)


def link_is_gone(netns, device):
    done = subprocess.run(["ip", "-n", netns, "link", "show", device], capture_output=True,
                          check=False)
    return done.returncode != 0


def knock(wire, stop):
    """Requests without end, of all kinds."""
    number = 0
    while not stop.is_set():
        number += 1
        client = raw_client(wire)
        try:
            client.syn((codec.mp_convert(RAW_SERVER4, 80 + number % 3) + b"x", b"",
                        codec.convert(RAW_SERVER4, 80 + number % 3))[number // 3 % 3])
        except OSError as error:
            if error.errno != errno.ENOBUFS:    # more than the device takes
                raise
        if number % 20 == 0:
            time.sleep(0.01)


class Knocking:
    """Requests without end while something else happens."""

    def __init__(self, wire):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=knock, args=(wire, self.stop), daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join()


def test_namespace_deleted(everything):
    """A namespace that goes away takes its sessions with it, in whatever state
    they are."""
    world = everything("x")
    world.up()
    world.fill()
    assert not link_is_gone("xc", "c0")
    subprocess.run(["ip", "netns", "del", "xm"], check=True)
    until(lambda: link_is_gone("xc", "c0"), 60, "the end of the namespace")


def test_namespace_deleted_under_load(everything):
    """So does one that is being asked for more all the time."""
    world = everything("x", 1)
    world.up()
    world.fill()
    with Knocking(world.wire):
        until(lambda: world.stats()["session-new"] > 50)
        subprocess.run(["ip", "netns", "del", "xm"], check=True)
        until(lambda: link_is_gone("xc", "c0"), 60)


def reload_module():
    subprocess.run([TOP + "/tests/vm/insmod"], check=True)


def test_module_removed(mcp, everything):
    """The module can be removed at any time; connections are reset."""
    mcp()
    world = everything("x")
    world.up()
    world.fill()
    world.wire.drain()
    try:
        subprocess.run(["rmmod", "mptcpproxy"], check=True, timeout=60)
        reset = {(segment.dst, segment.dport) for segment in world.wire.segments(0.5)
                 if segment.flags & RST}
        for client in world.clients["established"] + world.clients["client-fin"]:
            assert (client.address, client.port) in reset
        for client in world.clients["held"]:
            assert (client.address, client.port) not in reset
    finally:
        reload_module()
    world.up()
    assert play(world.wire, [(raw_client(world.wire), codec.mp_convert(RAW_SERVER4, 80))]) == \
        ["accepted"]


def test_module_removed_under_load(mcp, everything):
    """Also while requests come in."""
    mcp()
    world = everything("x", 1)
    world.up()
    world.fill()
    try:
        with Knocking(world.wire):
            until(lambda: world.stats()["session-new"] > 50)
            subprocess.run(["rmmod", "mptcpproxy"], check=True, timeout=60)
    finally:
        reload_module()
    assert "mcp down" in ctl("mcp show").stdout


def test_down(everything):
    """mcp down ends every session: connections are reset, held SYNs are not
    answered; a new start begins with nothing."""
    world = everything("x")
    world.up()
    number = world.fill()
    world.wire.drain()
    world.ctl("mcp down")
    assert world.count()["total"] == 0
    assert world.stats()["session-down"] == number
    heard = {}
    for segment in world.wire.segments(0.5):
        heard.setdefault((segment.dst, segment.dport), []).append(segment.flags)
    for client in world.clients["established"] + world.clients["client-fin"]:
        assert any(flags & RST for flags in heard[client.address, client.port])
    for client in world.clients["held"]:
        assert (client.address, client.port) not in heard
    # Nobody takes requests now.
    client = raw_client(world.wire)
    client.syn(codec.mp_convert(RAW_SERVER4, 80))
    assert client.answer().flags & RST
    world.ctl("mcp up")
    assert play(world.wire, [(raw_client(world.wire), codec.mp_convert(RAW_SERVER4, 80))]) == \
        ["accepted"]


def test_down_and_up_under_load(everything):
    """Down and up again and again, while requests come in."""
    world = everything("x", 1)
    world.up()
    with Knocking(world.wire):
        for _ in range(8):
            before = world.stats()["session-new"]
            until(lambda: world.stats()["session-new"] > before + 10)
            world.ctl("mcp down")
            assert world.count()["total"] == 0
            world.ctl("mcp up hold-timeout 200ms syn-timeout 1s request-timeout 1s")
    until(lambda: world.count()["half_open"] == 0, 20)


def test_flush(everything):
    """session flush ends what there is, and nothing else."""
    world = everything("x")
    world.up()
    number = world.fill()
    world.wire.drain()
    world.ctl("session flush")
    until(lambda: world.count()["total"] == 0)
    assert world.count()["half_open"] == 0
    assert world.stats()["session-flushed"] == number
    reset = {(segment.dst, segment.dport) for segment in world.wire.segments(0.5)
             if segment.flags & RST}
    for client in world.clients["established"]:
        assert (client.address, client.port) in reset
    assert play(world.wire, [(raw_client(world.wire), codec.mp_convert(RAW_SERVER4, 80))]) == \
        ["accepted"]


def test_flush_one(mcp, client_wire, server_wire):
    """session flush id ends that session, both ways; others go on."""
    counted = mcp()
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as servers:
        clients = [raw_client(client_wire) for _ in range(3)]
        for client in clients:
            client.syn(codec.mp_convert(RAW_SERVER4, 80))
            client.establish(client.answer())
        counted.wait(session_bound=3)
        row = [row for row in sessions() if row["client"]["port"] == clients[1].port][0]
        ctl("session flush id", row["id"])
        assert clients[1].stream() == (b"", RST)
        until(lambda: [seen for seen in servers.resets
                       if seen.sport == row["external"]["port"]])
        counted.wait(session_flushed=1)
        assert ctl("session flush id", row["id"], check=False).returncode == 1
        for client in clients[0], clients[2]:
            client.data(b"alive")
            assert client.stream(5, lambda octets: octets == b"alive")[0] == b"alive"
            client.reset()
    all_quiet()


def test_flush_while_held(mcp, client_wire, server_wire):
    """A flushed session that was held is over; the client may come again."""
    counted = mcp("hold-timeout 20s")
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as servers:
        client = raw_client(client_wire)
        request = codec.mp_convert(RAW_SERVER4, 80)
        client.syn(request)
        until(lambda: servers.syns)
        ctl("session flush")
        counted.wait(session_flushed=1)
        all_quiet()
        servers.accept(servers.syns[0])
        until(lambda: servers.resets)
        client.syn(request)
        counted.wait(session_new=2)
    ctl("session flush")
    all_quiet()


def test_two_namespaces(mcp, client_wire, server_wire, everything):
    """Two namespaces have an MCP each, which know nothing of each other."""
    counted = mcp("echo off")
    world = everything("x", 1)
    world.up(7777)
    assert "port 7777" in " ".join(world.ctl("mcp show").stdout.split())
    assert "port 5124" in " ".join(ctl("mcp show").stdout.split())
    number = world.fill(7777)
    assert count()["total"] == 0 and not counted.all()
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]):
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        synack = client.answer()
        assert is_synack_of(synack, client) and not synack.payload
        other = raw_client(world.wire, mcp_port=7777)
        other.syn(codec.mp_convert(RAW_SERVER4, 80))
        synack = other.answer()
        assert is_synack_of(synack, other) and len(synack.payload) == 16
        # Neither takes the other's port.
        stray = raw_client(client_wire, mcp_port=7777)
        stray.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert stray.answer().flags & RST
        assert world.count()["total"] == number + 1
        ctl("mcp down")
        assert world.count()["total"] == number + 1
        world.ctl("session flush")
        until(lambda: world.count()["total"] == 0)


FAST = "established-idle 4s transitory-idle 2s i-know"


def test_idle_but_alive(mcp):
    """A session that is idle is probed, and goes on as long as its server
    answers."""
    counted = mcp(f"{FAST} require-mptcp off")
    with Server():
        sock = client_socket(protocol=0)
        sock.connect((MCP4, 5124))
        sock.sendall(codec.mp_convert(SERVER4, 80) + b"one")
        assert read_exactly(sock, 3) == b"one"
        until(lambda: counted["session-probed"] >= 2, 40)
        counted.wait(session_idle=0)
        assert count()["total"] == 1
        sock.sendall(b"two")
        assert read_exactly(sock, 3) == b"two"
        sock.close()
        counted.wait(session_closed=1)
    all_quiet()


def test_idle_and_dead(mcp, client_wire, server_wire):
    """One whose server has gone ends, and the client hears of it."""
    counted = mcp(FAST)
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]):
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80) + b"one")
        began = time.monotonic()        # the session is not idle before
        client.establish(client.answer())
        assert client.stream(5, lambda octets: octets == b"one")[0] == b"one"
    assert client.stream(20) == (b"", RST)
    assert time.monotonic() - began > 5
    counted.wait(session_idle=1, session_probed=1)
    all_quiet()


def test_no_probes_once_alive(mcp, client_wire, server_wire):
    """Once a probed session has shown that it lives, it is left alone for as
    long as any other: no probe before it is idle again."""
    counted = mcp("established-idle 6s transitory-idle 6s i-know")
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80) + b"one")
        client.establish(client.answer())
        assert client.stream(5, lambda octets: octets == b"one")[0] == b"one"
        counted.wait(session_probed=1)
        client.data(b"two")
        assert client.stream(5, lambda octets: octets == b"two")[0] == b"two"
        assert b"onetwo" in server.received.values()
    # Both are silent now, and so is the MCP.
    assert client_wire.first(2.5, client.mine) is None
    counted.wait(session_probed=1)
    ctl("session flush")
    all_quiet()


@pytest.mark.parametrize("request_of", [codec.mp_convert, codec.convert])
def test_opening_takes_too_long(mcp, client_wire, request_of):
    """A dial that outlasts the transitory time has timed out: a Convert client
    is told so, another one hears nothing."""
    counted = mcp("transitory-idle 1s i-know hold-timeout 20s syn-timeout 30s")
    client = raw_client(client_wire)
    client.syn(request_of(RAW_SERVER4, 82))
    counted.wait(session_syn_timeout=0 if request_of is codec.convert else 1, dial_timeout=1)
    if request_of is codec.convert:
        client.establish(client.answer())
        assert codec.read_error(client.stream()[0])[0] == codec.NETWORK_FAILURE
        client.reset()
        counted.wait(session_syn_timeout=1, reply_error=1)
    else:
        assert client.answer(0.2) is None
    all_quiet()


def test_half_open_ends(mcp, client_wire):
    """An opening session ends after the transitory time, whatever syn-timeout
    says."""
    counted = mcp(f"{FAST} hold-timeout 20s syn-timeout 30s")
    client = raw_client(client_wire)
    client.syn(codec.mp_convert(RAW_SERVER4, 82))
    counted.wait(session_new=1)
    assert count()["half_open"] == 1
    all_quiet()
    counted.wait(session_syn_timeout=1, session_bound=0)
    assert count()["half_open"] == 0


@pytest.mark.parametrize("first", ["client", "server", "both"])
def test_half_closed_ends(mcp, client_wire, server_wire, first):
    """A session that nobody finishes closing ends after its time."""
    counted = mcp(FAST)

    class Closing(Answering):
        def data(self, key, segment):
            if segment.payload == b"close":
                self.wire.send(self.reply(segment, ACK | FIN, segment.ack))

    with Closing(server_wire, lambda syn, before: 0, [RAW_SERVER4]):
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80) +
                   (b"" if first == "client" else b"close"))
        client.establish(client.answer())
        counted.wait(session_bound=1)
        if first == "client":
            client.send(FIN | ACK)
        else:
            assert client.stream()[1] == FIN
            if first == "both":
                client.send(FIN | ACK)      # and the server does not answer
        states = {"client": "internal-fin", "server": "external-fin", "both": "both-fin"}
        until(lambda: not (rows := sessions()) or rows[0]["state"] == states[first])
    all_quiet()
    counted.wait(session_idle=1)


def test_default_idle_times(mcp):
    """Out of the box the times are those of RFC 5382."""
    mcp()
    shown = " ".join(ctl("mcp show").stdout.split())
    assert "established-idle 124m" in shown or "established-idle 2h4m" in shown, shown
    assert "transitory-idle 4m" in shown


def inject(**values):
    for name, value in values.items():
        with open("/sys/kernel/debug/failslab/" + name.replace("_", "-"), "w") as file:
            file.write(str(value))


@pytest.fixture
def failslab():
    """Every fifth allocation of the module fails."""
    if not os.path.exists("/sys/kernel/debug/failslab"):
        pytest.skip("only the debug kernel can make allocations fail")
    with open("/sys/module/mptcpproxy/sections/.text") as file:
        start = int(file.read(), 16)
    with open("/proc/modules") as file:
        size = [int(line.split()[1]) for line in file if line.startswith("mptcpproxy ")][0]
    inject(stacktrace_depth=32, require_start=hex(start), require_end=hex(start + size),
           ignore_gfp_wait="N", task_filter="N", interval=1, times=-1, verbose=0)

    def fail(percent):
        inject(probability=percent)
    yield fail
    fail(0)
    inject(require_start=0, require_end=hex((1 << 64) - 1))


@pytest.mark.parametrize("percent", [5, 20, 60])
def test_want_of_memory(mcp, client_wire, server_wire, failslab, percent):
    """Sessions that begin while memory is short fail or work; later ones work
    and nothing is left."""
    counted = mcp("hold-timeout 300ms syn-timeout 1s request-timeout 1s error-rate 1000000")
    requests = [codec.mp_convert(RAW_SERVER4, 80) + b"early", codec.convert(RAW_SERVER4, 80),
                codec.mp_convert(RAW_SERVER4, 81), codec.convert(RAW_SERVER4, 82),
                codec.message(codec.tlv(99)), codec.message(codec.info()), b""]
    with Servers(server_wire):
        failslab(percent)
        play(client_wire, [(raw_client(client_wire, 4 + 2 * (n % 2)), requests[n % len(requests)])
                           for n in range(210)], patience=0.6)
        for _ in range(30):
            ctl("acl add 192.0.2.0/24", check=False)
            ctl("acl del 192.0.2.0/24", check=False)
            ctl("session show", check=False)
        failslab(0)
        assert percent < 20 or counted["refused-no-memory"] or counted["session-no-resources"]
        ctl("session flush")
        all_quiet()
        assert play(client_wire, [(raw_client(client_wire), requests[0])]) == ["accepted"]
    all_quiet()


def test_up_in_want_of_memory(mcp, failslab):
    """mcp up and the module's loading fail cleanly or not at all."""
    down()
    failslab(10)
    for _ in range(40):
        if ctl("mcp up", check=False).returncode == 0:
            ctl("mcp down", check=False)
    for number in range(10):
        subprocess.run(["ip", "netns", "add", f"short{number}"], check=False)
    failslab(0)
    for number in range(10):
        subprocess.run(["ip", "netns", "del", f"short{number}"], check=False)
    down()
    ctl("mcp up")
