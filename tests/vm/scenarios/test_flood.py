"""Half-open sessions in the name of clients that know nothing of it: they take the
place of each other, and of nobody else."""

import struct
import time

import pytest

import codec
from scene import (DEBUG, MCP4, PORT, RAW_SERVER4, SERVER4, Server, all_quiet, count, ctl,
                   is_reset_of, is_synack_of, raw_client, run, sessions, table, until)
from test_policy import slab_objects
from wire import ACK, PSH, RST, SYN, SYN_OPTIONS, Answering, tcp_packet

pytest_plugins = ["scene"]

SILENT = codec.mp_convert("10.99.7.7", 80)          # an address that nobody has
ECHO = codec.mp_convert(SERVER4, 80)

# The debug kernel is slow; what is left is still more than each limit there.
FORGED = 6000 if DEBUG else 30000
LIMIT = 2048 if DEBUG else 16384
# The host's own address has the ports from 61001 on.
PORTS = 4535
STEPS = 10 if DEBUG else 20
# Octets of a half-open session: itself, SYN, payload, mapping and client; of one
# with as much payload as there can be; and what else the machine does meanwhile.
COST = 3072
LARGEST = 16 << 10
MARGIN = 48 << 20
PROMPT = 3 if DEBUG else 1


def reserve(limit):
    """What there may be beyond it until the oldest have ended."""
    return limit // 16 + 16


class Forger:
    """SYNs with a request, each from another address of 10.77.128.0/17: one packet
    in which address, IP ID and sequence number change so that no checksum does."""

    FIRST = 0x8001

    def __init__(self, wire, request):
        packet = tcp_packet(f"10.77.{self.FIRST >> 8}.{self.FIRST & 255}", 4000, MCP4, PORT, SYN,
                            7 << 16, payload=request, options=SYN_OPTIONS)
        self.frame = bytearray(wire.peer_mac + wire.mac + b"\x08\x00" + packet)
        self.wire = wire
        self.sent = 0

    def send(self, number):
        frame, send = self.frame, self.wire.socket.send
        for index in range(self.sent, self.sent + number):
            less = (-index) % 0xffff
            struct.pack_into("!H", frame, 14 + 4, less)
            struct.pack_into("!H", frame, 14 + 14, self.FIRST + index)
            struct.pack_into("!H", frame, 14 + 20 + 6, less)
            send(frame)
        self.sent += number


def memory():
    """Octets that are free, or would be if somebody asked."""
    with open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) << 10
    raise AssertionError("no memory")


def served(wire):
    """A client whose server answers: seconds until it is connected. It repeats its
    SYN, as any does."""
    client = raw_client(wire)
    wire.drain()
    began = time.monotonic()
    answer = None
    while not answer and time.monotonic() < began + 20:
        client.syn(ECHO)
        answer = client.answer(PROMPT / 3)
    took = time.monotonic() - began
    assert is_synack_of(answer, client), answer
    client.establish(answer)
    return client, took


def echoes(client, octets):
    """Is this what comes back? It is repeated if it is lost."""
    seq, heard = client.seq, b""
    client.data(octets)
    for _ in range(10):
        heard += client.stream(PROMPT, lambda more: len(heard + more) >= len(octets))[0]
        if len(heard) >= len(octets):
            break
        client.send(ACK | PSH, octets, seq)
    return heard == octets


# For the whole test, so that what is counted is the flood alone.
HOLD = "hold-timeout 60s syn-timeout 300s"


@pytest.mark.parametrize("settings, pool, most", [
    (HOLD, None, PORTS - PORTS // 16),
    (HOLD if LIMIT == 16384 else f"{HOLD} max-half-open {LIMIT}", "10.50.0.0/28", LIMIT)],
    ids=["ports", "max-half-open"])
def test_forged_clients(mcp, client_wire, settings, pool, most):
    """A flood from addresses that may use the MCP, to servers that say nothing,
    costs so many sessions and so much memory and no more; clients whose servers
    answer are served at once meanwhile, and those of before go on. Nobody is sent
    anything but the one SYN for each."""
    counted = mcp(settings)
    if pool:
        ctl("pool add", pool)
    free = memory()
    with Server():
        first, _ = served(client_wire)
        forger = Forger(client_wire, SILENT)
        seen, took = [], []
        for _ in range(STEPS):
            forger.send(FORGED // STEPS)
            # Ports are given out by the workers, for which some sessions wait.
            seen.append(count() if pool else until(
                lambda: (now := count())["half_open"] <= most + reserve(most) and now))
            client, seconds = served(client_wire)
            took.append(seconds)
            assert echoes(client, b"meanwhile")
            client.reset()
        used = free - memory()
        assert echoes(first, b"from before")
        client, seconds = served(client_wire)
        took.append(seconds)
        assert echoes(client, b"from after it")
        print(f"took {max(took):.3f}, most {max(now['half_open'] for now in seen)}, "
              f"used {used >> 10} kB, {counted.all()}")
        # The machine itself may halt for a second or two, but not often.
        assert sorted(took)[-3] < PROMPT and max(took) < 10 * PROMPT
        assert most * 15 // 16 < max(now["half_open"] for now in seen) <= most + reserve(most)
        assert DEBUG or used < MARGIN + most * COST
        got = counted.all()
        assert got["session-new"] == got["dial"] == FORGED + STEPS + 2
        assert got["session-bound"] == STEPS + 2
        left = got["session-new"] - got["session-evicted"] - STEPS
        assert most * 15 // 16 < left <= most + 2
        assert not [name for name in got if name.startswith(("refused-", "reply-"))]
        assert got["syn-answered"] == STEPS + 2 and "syn-answered-early" not in got
        ctl("session flush")
        all_quiet()
        until(lambda: (slab_objects() or 0) < 1000 or DEBUG, 30, "sessions freed")
    if pool:
        assert table("pool show")[0]["used"] == 0


def connections():
    """Sockets of the MCP beside its listeners, but for those in TIME_WAIT."""
    return len(run("m", "ss", "-Htan", "state", "connected", "exclude",
                   "time-wait").splitlines())


def test_forged_clients_of_a_server(mcp, client_wire):
    """The same with a server that answers: of those whose clients do not, the
    oldest make room."""
    counted = mcp("max-half-open 300")
    with Server(port=81), Server() as server:
        first, _ = served(client_wire)
        forger = Forger(client_wire, codec.mp_convert(SERVER4, 81))
        took = []
        for _ in range(5):
            forger.send(100 if DEBUG else 200)
            assert count()["half_open"] <= 300 + reserve(300)
            client, seconds = served(client_wire)
            assert echoes(client, b"meanwhile")
            took.append(seconds)
        assert sorted(took)[-2] < PROMPT and max(took) < 10 * PROMPT
        # Connections end more slowly than SYNs come: some are dropped.
        until(lambda: counted["session-new"] + counted["refused-half-open"] >= forger.sent + 6)
        until(lambda: count()["half_open"] <= 300)
        got = counted.wait(session_bound=6)
        assert got["session-evicted"] > 100
        assert got["session-new"] - got["session-evicted"] - 6 in (299, 300)
        assert "reply-reset" not in got and "reply-suppressed" not in got
        until(lambda: connections() <= 2 * (300 + 6))
        assert echoes(first, b"from before")
        assert len(server.connections) == 6
        ctl("session flush")
        all_quiet()
    until(lambda: connections() == 0)


def held(wire, request, number):
    """So many clients whose servers say nothing, in their order."""
    clients = []
    for _ in range(number):
        clients.append(raw_client(wire))
        clients[-1].syn(request)
    return clients


def who():
    """The clients of half-open sessions."""
    return {row["client"]["address"] for row in sessions() if row["state"] == "internal-init"}


def addresses(clients):
    return {client.address for client in clients}


@pytest.mark.parametrize("codec_", [codec.mp_convert, codec.convert])
def test_oldest_makes_room(mcp, client_wire, server_wire, codec_):
    """Of three half-open sessions the oldest makes room for a fourth, in silence;
    the client that lost it gets one again when it repeats its SYN."""
    counted = mcp(f"{HOLD} max-half-open 3")
    with Server(), Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        bound, _ = served(client_wire)
        request = codec_(RAW_SERVER4, 80)
        clients = held(client_wire, request, 3)
        counted.wait(dial=4)
        assert who() == addresses(clients) and counted["session-evicted"] == 0
        clients += held(client_wire, request, 1)
        counted.wait(dial=5, session_evicted=1)
        until(lambda: who() == addresses(clients[1:]))
        assert clients[0].answer(0.3) is None
        clients[0].syn(request)
        counted.wait(dial=6, session_evicted=2, syn_retransmitted=0)
        until(lambda: who() == addresses([clients[0], *clients[2:]]))
        until(lambda: len(server.syns) == 5)
        server.accept(server.syns[-1])
        answer = clients[0].answer()
        assert is_synack_of(answer, clients[0])
        clients[0].establish(answer)
        counted.wait(session_bound=2)
        # There is room for one now, and who is bound is not asked.
        clients += held(client_wire, request, 4)
        counted.wait(session_new=10, session_evicted=5)
        until(lambda: who() == addresses(clients[-3:]))
        assert count()["half_open"] == 3
        assert echoes(bound, b"still there")
        counted.wait(reply_reset=0, reply_error=0, reply_suppressed=0)
    ctl("session flush")
    all_quiet()


def test_greedy_client(mcp, client_wire):
    """One client's limits refuse it: it cannot push others out."""
    counted = mcp("hold-timeout 20s max-half-open 4 max-half-open-client 2")
    others = held(client_wire, SILENT, 2)
    greedy = [raw_client(client_wire, address="10.77.0.9") for _ in range(8)]
    for client in greedy:
        client.syn(SILENT)
        if client in greedy[2:]:
            assert is_reset_of(client.answer(), client)
    counted.wait(refused_half_open_client=6, session_evicted=0, session_new=4)
    assert who() == addresses(others + greedy[:1])
    ctl("session flush")
    all_quiet()


@pytest.mark.parametrize("settings", ["handshake early", "late-request on"])
def test_evicted_behind_the_handshake(mcp, client_wire, settings):
    """A client that is connected already is reset."""
    counted = mcp(f"{settings} max-half-open 1")
    client = raw_client(client_wire)
    client.syn(SILENT if "early" in settings else b"")
    client.establish(client.answer())
    if "late" in settings:
        client.data(SILENT)
    counted.wait(dial=1)
    until(lambda: sessions()[0]["upstream"] != "pending")
    client_wire.drain()
    held(client_wire, SILENT, 1)
    answer = client_wire.first(5, lambda segment: client.mine(segment) and segment.flags & RST)
    assert answer and answer.seq == client.ack
    counted.wait(session_evicted=1, session_new=2)
    ctl("session flush")
    all_quiet()


def test_ports_that_are_left(mcp, client_wire):
    """Half-open sessions leave a sixteenth of the ports that established ones leave;
    they are not ended for what those have."""
    counted = mcp(HOLD)
    ctl("pool add 10.50.0.1 ports 5000-5031")
    with Server():
        for number in range(1, 41):
            held(client_wire, SILENT, 1)
            counted.wait(dial=number, session_evicted=max(0, number - 29))
        until(lambda: table("pool show")[0]["used"] == 29)
        ctl("session flush")
        all_quiet()
        for number in range(1, 29):
            served(client_wire)
            counted.wait(session_bound=number)
        clients = held(client_wire, SILENT, 3)
        counted.wait(dial=71, session_bound=28, session_evicted=11)
        assert who() == addresses(clients)
        clients += held(client_wire, SILENT, 1)
        counted.wait(dial=72, session_evicted=12)
        until(lambda: who() == addresses(clients[1:]))
        served(client_wire)
        counted.wait(session_bound=29, refused_ports=0)
    ctl("session flush")
    all_quiet()
    ctl("pool flush")


def test_last_port(mcp, client_wire):
    """Who finds no port waits for the oldest half-open session to end; but not
    for established ones."""
    counted = mcp(HOLD)
    ctl("pool add 10.50.0.1 ports 5000-5003")
    with Server():
        clients = held(client_wire, SILENT, 4)
        counted.wait(dial=4, session_evicted=1)
        for number in range(1, 5):
            served(client_wire)
            counted.wait(session_bound=number, session_evicted=min(number + 1, 4))
        counted.wait(refused_ports=0)
        late = raw_client(client_wire)
        client_wire.drain()
        late.syn(ECHO)
        assert is_reset_of(late.answer(), late)
        counted.wait(refused_ports=1, session_evicted=4, session_bound=4)
        assert not [client for client in clients if client.answer(0.1)]
    ctl("session flush")
    all_quiet()
    ctl("pool flush")


def test_last_port_at_once(mcp, client_wire):
    """Many at once, of whom the last four get the ports, one for one."""
    counted = mcp(HOLD)
    ctl("pool add 10.50.0.1 ports 5000-5003")
    held(client_wire, SILENT, 40)
    counted.wait(session_new=40)
    until(lambda: table("pool show")[0]["used"] == count()["half_open"] in (3, 4))
    counted.wait(refused_ports=0, session_evicted=40 - count()["half_open"])
    ctl("session flush")
    all_quiet()
    ctl("pool flush")


@pytest.fixture
def wide_link(machines):
    """A link on which a SYN can be as large as a packet can."""
    for netns, device in ("c", "c0"), ("m", "mc0"):
        run(netns, "ip", "link", "set", device, "mtu", 65535)
    yield
    for netns, device in ("c", "c0"), ("m", "mc0"):
        run(netns, "ip", "link", "set", device, "mtu", 1500)


def test_large_syns(mcp, client_wire, server_wire, wide_link):
    """Of a SYN with 60000 octets of payload no more is kept than is acknowledged."""
    counted = mcp(HOLD)
    number = 500
    free = memory()
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        clients = held(client_wire, codec.mp_convert(RAW_SERVER4, 80) + bytes(60000), number)
        counted.wait(dial=number)
        used = free - memory()
        print(f"{used >> 10} kB")
        assert DEBUG or used < MARGIN + number * LARGEST
        client_wire.drain()
        until(lambda: len(server.syns) == number)
        server.accept(server.syns[-1])
        answer = clients[-1].answer()
        assert answer.flags == SYN | ACK and answer.ack == (clients[-1].isn + 1 + 4096) % 2**32
        client_wire.drain()
        syn = server.syns[0]
        server_wire.send(server.reply(syn, RST | ACK, 0))
        answer = clients[0].answer()
        assert answer.flags == RST | ACK and answer.ack == (clients[0].isn + 1 + 4096) % 2**32
    ctl("session flush")
    all_quiet()
