"""Servers that see the client's own address, or that of whom it speaks for
(source preserve); and packets to that address that are none of the MCP's."""

import contextlib
import socket
import struct
import time

import pytest

import codec
import genl
from netns import wait_for
from scene import (MCP4, MCP6, PORT, RAW_SERVER4, RAW_SERVER6, UNUSED, all_quiet, client_socket,
                   ctl, is_reset_of, is_synack_of, raw_client, run, sessions, table, until)
from streams import MB, end_both, transfer
from test_dial import OPTIONS, Server, converse
from wire import (ACK, FIN, RST, SYN, Answering, Peer, Wire, icmp_packet, inside, ip_packet, octets,
                  parse, tcp_packet)

pytest_plugins = ["scene"]

RAW_SERVER = {4: RAW_SERVER4, 6: RAW_SERVER6}
MCP = {4: MCP4, 6: MCP6}
EXTERNAL = {4: "10.0.9.1", 6: "fd00:9::1"}          # the MCP's own, on the way to servers


@pytest.fixture(autouse=True, scope="module")
def segments_as_sent(machines):
    """The wire shows segments, not what an interface would still cut up."""
    run("m", "ethtool", "-K", "ms0", "tso", "off", "gso", "off")
    yield
    run("m", "ethtool", "-K", "ms0", "tso", "on", "gso", "on")


@pytest.fixture
def router(machines):
    """The MCP's host forwards packets as well."""
    names = "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"
    run("m", "sysctl", "-qw", *(f"{name}=1" for name in names))
    yield
    run("m", "sysctl", "-qw", *(f"{name}=0" for name in names))


@pytest.fixture
def watch(machines):
    """What comes to the clients' link, while others read it too."""
    wire = Wire("c", "c0", "m", "mc0")
    yield wire
    wire.close()


def connect(wire, server, family=4, early=b"", request=None, **kwargs):
    """A client whose connection to the server is up."""
    client = raw_client(wire, family, **kwargs)
    client.syn((request or codec.mp_convert(RAW_SERVER[family], 80)) + early)
    synack = client.answer()
    assert is_synack_of(synack, client), synack
    client.establish(synack)
    until(lambda: [key for key in server.received if key[2] == RAW_SERVER[family]])
    return client


def to_client(segment):
    """What a server says where that segment of its peer came from."""
    return segment.dst, segment.dport, segment.src, segment.sport


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("coding", [codec.mp_convert, codec.convert])
def test_source(mcp, client_wire, server_wire, watch, router, family, coding):
    """The server's peer is the client's address and port, to the end. Nothing
    that it says goes to the client directly; the pool is not touched."""
    counted = mcp("source preserve")
    ctl("pool add", "10.50.0.0/24" if family == 4 else "fd50::/120")
    client = raw_client(client_wire, family)
    with Server(server_wire, RAW_SERVER[family], OPTIONS["all"], b"banner") as server:
        client.syn(coding(RAW_SERVER[family], 80) + b"early")
        client.establish(client.answer())
        heard = client.stream(5, lambda heard: heard.endswith(b"bannerearly"))[0]
        assert coding is codec.convert or heard == b"bannerearly"
        syn = server.syns[0]
        assert (syn.src, syn.sport) == (client.address, client.port)
        assert sessions()[0]["external"] == {"address": client.address, "port": client.port}
        assert not any(row["used"] for row in table("pool show"))
        block = bytes(range(256)) * 4
        for _ in range(20):
            converse(client, server, block)
        client.send(FIN | ACK)
        client.seq += 1
        assert client.stream()[1] == FIN
        assert {(seen.src, seen.sport) for seen in server.seen} == {(client.address, client.port)}
    counted.wait(session_closed=1, source_not_preserved=0, external_unmatched=0)
    assert not list(watch.segments(0.3, lambda segment: segment.src == RAW_SERVER[family]))
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("late", [False, True])
def test_stacks(lab, family, late):
    """Client and server with stacks of their own: octets arrive whole, both
    ways, at once with a direct connection of the two."""
    lab.up("source preserve require-mptcp off")
    for name in "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding":
        lab.mcp.sysctl(name, 1)
    listener = lab.listen(family)
    size = 4 * MB
    direct = lab.client_socket(family, "tcp")
    direct.connect((listener.address, listener.port))
    direct_server = listener.accept()
    client = lab.connect(listener, b"" if late else b"early", family=family,
                         via="late" if late else "insert")
    server = listener.accept()
    assert late or server.read_exactly(5) == b"early"
    assert server.getpeername()[:2] == client.getsockname()[:2]
    assert direct_server.getpeername()[:2] == direct.getsockname()[:2]
    link = lab.capture(lab.client, "c0", f"tcp and host {listener.address}")
    transfer(client, server, size, seed=1)
    transfer(server, client, size, seed=2)
    assert not link.segments(lambda segment: segment.dport == server.getpeername()[1])
    transfer(direct, direct_server, size, seed=3)
    transfer(direct_server, direct, size, seed=4)
    end_both(client, server)
    lab.wait_idle()
    transfer(direct_server, direct, 1000, seed=5)
    end_both(direct, direct_server)
    lab.wait_stats(session_closed=1, source_not_preserved=0)
    assert lab.mcp.nstat()["TcpExtTCPAbortOnData"] == 0


ORIGIN = {4: "10.77.99.5", 6: "fd77:0:0:99::5"}


@pytest.mark.parametrize("near, far, port, granted", [
    (4, 4, 40000, "10.77.99.0/24"), (4, 4, None, "10.77.99.0/24"), (4, 4, 443, "10.77.99.5"),
    (6, 6, 40000, "fd77::/48"), (6, 4, 40000, "10.77.99.0/24"), (4, 6, None, "fd77::/48"),
    (4, 4, 40000, "0.0.0.0/0")])
@pytest.mark.parametrize("late", [False, True])
def test_origin(mcp, client_wire, server_wire, near, far, port, granted, late):
    """A client whose ACL entry says so speaks for another address, of either
    family, from a port of its choice or its own."""
    counted = mcp("source preserve", acl=(f"all dev mc0 origin {granted}",))
    request = codec.mp_convert(RAW_SERVER[far], 80, ORIGIN[far], port)
    with Server(server_wire, RAW_SERVER[far], OPTIONS["all"]) as server:
        client = raw_client(client_wire, near)
        client.syn(b"" if late else request)
        client.establish(client.answer())
        if late:
            client.data(request)
            counted.wait(request_late=1)
        converse(client, server, b"speaks for another")
        assert {(seen.src, seen.sport) for seen in server.seen} == \
            {(ORIGIN[far], port or client.port)}
        client.reset()
    counted.wait(source_not_preserved=0, refused_origin=0)
    all_quiet()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("origin, granted", [
    ("10.77.99.5", "10.77.98.0/24"), ("10.77.99.5", "fd77::/48"), (ORIGIN[6], "10.0.0.0/8"),
    ("10.0.1.1", "10.0.0.0/8"), ("10.0.9.1", "0.0.0.0/0"), ("fd00:9::1", "::/0"),
    ("10.50.0.7", "10.0.0.0/8"), ("10.0.9.255", "10.0.0.0/8")])
def test_origin_refused(mcp, client_wire, server_wire, origin, granted, late):
    """Nobody is served from an address that was not allowed, that is the host's
    or the pool's, or that is no host's."""
    counted = mcp("source preserve", acl=(f"all origin {granted}",))
    ctl("pool add 10.50.0.0/24")
    client = raw_client(client_wire)
    request = codec.mp_convert(RAW_SERVER4, 80, origin, 4000)
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        client.syn(b"" if late else request)
        answer = client.answer()
        if late:
            client.establish(answer)
            client.data(request)
            assert client.stream()[1] == RST
        else:
            assert is_reset_of(answer, client)
        counted.wait(refused_origin=1, dial=0)
        assert not server.syns
    all_quiet()


def test_origin_refused_in_silence(mcp, client_wire):
    """As all that policy refuses, if it is to be silent."""
    counted = mcp("source preserve refusal silent", acl=("all origin 10.77.98.0/24",))
    client = raw_client(client_wire)
    client.syn(codec.mp_convert(RAW_SERVER4, 80, ORIGIN[4], 4000))
    counted.wait(refused_origin=1)
    assert client.answer(0.3) is None
    # Addresses that nobody can have are no question of policy.
    client = raw_client(client_wire)
    client.syn(codec.mp_convert(RAW_SERVER4, 80, "127.0.0.1", 4000))
    counted.wait(refused_origin=1, refused_destination=1)
    all_quiet()


def test_origin_taken_back(mcp, client_wire, server_wire):
    """A late request is held against the ACL as it is when it comes."""
    counted = mcp("source preserve request-timeout 60s", acl=("all origin 10.77.99.0/24",))
    client = raw_client(client_wire)
    client.syn(b"")
    client.establish(client.answer())
    until(sessions)
    ctl("acl flush")
    client.data(codec.mp_convert(RAW_SERVER4, 80, ORIGIN[4], 4000))
    assert client.stream()[1] == RST
    counted.wait(refused_origin=1, dial=0)
    all_quiet()


@pytest.mark.parametrize("source, acl, seen", [
    ("preserve", "all", "own"), ("share", "all origin 10.77.99.0/24", "shared"),
    ("share", "all", "shared"), ("share", "all origin 10.77.98.0/24", "shared")])
def test_origin_for_information(mcp, client_wire, server_wire, source, acl, seen):
    """Without an entry that says so, and in mode share, an originator changes
    nothing."""
    counted = mcp(f"source {source}", acl=(acl,))
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        request = codec.mp_convert(RAW_SERVER4, 80, ORIGIN[4], 4000)
        client = connect(client_wire, server, request=request)
        source = server.syns[0].src, server.syns[0].sport
        if seen == "own":
            assert source == (client.address, client.port)
        else:
            assert source[0] == EXTERNAL[4] and source[1] >= 61001
        client.reset()
    counted.wait(source_not_preserved=0, refused_origin=0)
    all_quiet()


def test_origin_of_the_first_entry(mcp, client_wire, server_wire):
    """It is the entry that lets the client in that counts, not a later one."""
    mcp("source preserve", acl=("10.77.0.0/16 origin 10.77.98.0/24", "all origin 10.77.99.0/24"))
    client = raw_client(client_wire)
    client.syn(codec.mp_convert(RAW_SERVER4, 80, ORIGIN[4], 4000))
    assert is_reset_of(client.answer(), client)
    ctl("acl del 10.77.0.0/16")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client = connect(client_wire, server,
                         request=codec.mp_convert(RAW_SERVER4, 80, ORIGIN[4], 4000))
        assert (server.syns[0].src, server.syns[0].sport) == (ORIGIN[4], 4000)
        client.reset()
    all_quiet()


def test_origin_in_the_acl(mcp):
    """acl show has what acl add was told; an entry is known by the rest of it."""
    mcp(acl=())
    ctl("acl add 10.1.0.0/16 dev mc0 origin 192.0.2.0/24")
    ctl("acl add all origin 2001:db8::/32")
    rows = [{name: row[name] for name in row if name != "hits"} for row in table("acl show")]
    assert rows == [{"prefix": "10.1.0.0/16", "dev": "mc0", "origin": "192.0.2.0/24"},
                    {"prefix": "0.0.0.0/0", "origin": "2001:db8::/32"},
                    {"prefix": "::/0", "origin": "2001:db8::/32"}]
    again = ctl("acl add 10.1.0.0/16 dev mc0", check=False)
    assert again.returncode == 1 and "there already" in again.stderr
    ctl("acl del 10.1.0.0/16 dev mc0")
    ctl("acl del all")
    assert not table("acl show")


ACL_ORIGIN = 7


def origin_nest(family, address, prefixlen):
    return genl.nest(ACL_ORIGIN, genl.acl(family, address, prefixlen)[4:])


def test_origin_nonsense(mcp):
    """An originator's prefix is whole and makes sense, or the entry is refused."""
    mcp(acl=())
    nonsense = [genl.nest(ACL_ORIGIN), genl.attribute(ACL_ORIGIN, b"\1\2\3\4"),
                origin_nest(2, b"\x0a\0\0\1", 8), origin_nest(2, bytes(16), 0),
                origin_nest(10, bytes(4), 0), origin_nest(2, bytes(4), 33),
                origin_nest(10, bytes(16), 129), origin_nest(1, bytes(4), 0),
                genl.nest(ACL_ORIGIN, genl.acl()[4:], genl.attribute(9, bytes(4)))]
    control = genl.Genl()
    with contextlib.closing(control):
        for origin in nonsense:
            assert control.request(genl.ACL_ADD, genl.acl(2, b"\x0a\0\0\0", 8, origin))[0], origin
        assert not table("acl show")
        good = origin_nest(10, bytes(16), 0)
        assert control.request(genl.ACL_ADD, genl.acl(2, b"\x0a\0\0\0", 8, good))[0] == 0
        assert control.request(genl.ACL_DEL, genl.acl(2, b"\x0a\0\0\0", 8, good))[0]
        assert control.request(genl.ACL_DEL, genl.acl(2, b"\x0a\0\0\0", 8))[0] == 0


@pytest.mark.parametrize("near, far, pool", [(4, 6, None), (6, 4, None), (4, 6, "fd50::/120")])
def test_other_family(mcp, client_wire, server_wire, near, far, pool):
    """A server of the other family cannot see the client's address: it sees one
    that is shared."""
    counted = mcp("source preserve")
    if pool:
        ctl("pool add", pool)
    with Server(server_wire, RAW_SERVER[far], OPTIONS["all"]) as server:
        client = raw_client(client_wire, near)
        client.syn(codec.mp_convert(RAW_SERVER[far], 80))
        client.establish(client.answer())
        converse(client, server, b"all the same")
        source = server.syns[0].src
        assert source.startswith("fd50::") if pool else source == EXTERNAL[far]
        client.reset()
    counted.wait(source_not_preserved=1)
    all_quiet()


def test_server_is_the_client(mcp, client_wire):
    """Nobody answers a SYN from his own address."""
    counted = mcp("source preserve")
    client = raw_client(client_wire)
    client.syn(codec.mp_convert(client.address, 80))
    syn = client_wire.first(5, lambda segment: segment.flags == SYN)
    assert (syn.src, syn.dst, syn.dport) == (MCP4, client.address, 80) and syn.sport >= 61001
    client_wire.send(tcp_packet(*to_client(syn), RST | ACK, 0, syn.end))
    assert is_reset_of(client.answer(), client)
    counted.wait(source_not_preserved=1)
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
def test_server_on_the_host(mcp, client_wire, family):
    """What a program of the host answers to a client's address would go there
    directly: it sees the host's address."""
    counted = mcp("source preserve require-mptcp off")
    with inside("m"):
        listener = socket.create_server((EXTERNAL[family], 8080),
                                        family=socket.AF_INET if family == 4 else socket.AF_INET6)
    with listener:
        listener.settimeout(20)
        client = raw_client(client_wire, family)
        client.syn(codec.mp_convert(EXTERNAL[family], 8080))
        client.establish(client.answer())
        connection, peer = listener.accept()
        with connection:
            assert peer[0] == EXTERNAL[family]
            connection.sendall(b"hello")
            assert client.stream(5, lambda heard: len(heard) == 5)[0] == b"hello"
        client.reset()
    counted.wait(source_not_preserved=1)
    all_quiet()


def test_refused(mcp, client_wire, server_wire):
    """A RST of the server is one for the client."""
    counted = mcp("source preserve")
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: "rst", [RAW_SERVER4]) as server:
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_reset_of(client.answer(), client)
        assert server.syns[0].src == client.address
    counted.wait(dial_refused=1, external_unmatched=0)
    all_quiet()


@pytest.mark.parametrize("family, kind, code", [(4, 3, 1), (4, 3, 3), (6, 1, 4)])
def test_unreachable(mcp, client_wire, server_wire, router, watch, family, kind, code):
    """An ICMP error about a dial is told in the client's terms: a hard one ends
    it. The client does not get it itself."""
    counted = mcp("source preserve hold-timeout 20s")
    soft = family == 4 and code == 1
    client = raw_client(client_wire, family)
    said = []

    def on_syn(syn, before):
        if before:
            return 0
        said.append(icmp_packet("10.99.0.254" if family == 4 else "fd99::254", kind, code, syn.raw))
        return said[0]
    with Server(server_wire, RAW_SERVER[family]) as server:
        server.on_syn = on_syn
        client.syn(codec.convert(RAW_SERVER[family], 80))
        if soft:
            counted.wait(dial_soft_error=1)
            client.syn(codec.convert(RAW_SERVER[family], 80))
        client.establish(client.answer())
        if soft:
            counted.wait(session_bound=1)
            client.reset()
        else:
            answer = client.stream()[0]
            assert codec.read_error(answer)[0] == codec.UNREACHABLE
            assert codec.read_error(answer)[1][:1] == bytes([code])
            counted.wait(dial_unreachable=1)
        assert server.syns[0].src == client.address
    assert not [raw for raw in everything(watch) if raw[-40:] == said[0][-40:]]
    all_quiet()


def everything(wire, seconds=0.3):
    """All packets that came so far, and for a while longer."""
    deadline = time.monotonic() + seconds
    packets = []
    while (raw := wire.receive(deadline)) is not None:
        packets.append(raw)
    return packets


@pytest.mark.parametrize("family", [4, 6])
def test_path_mtu(mcp, client_wire, server_wire, router, family):
    """A connection whose packets are too large for the path sends smaller
    ones."""
    counted = mcp("source preserve")
    # What the host has learnt of that path from others.
    run("m", "ip", f"-{family}", "route", "flush", "cache")
    with Server(server_wire, RAW_SERVER[family], OPTIONS["all"]) as server:
        client = connect(client_wire, server, family)
        taken, server.data = server.data, lambda key, segment: None
        client.data(bytes(1380))
        big = until(lambda: [seen for seen in server.seen if len(seen.payload) > 1300])[0]
        about = big.raw[:28] if family == 4 else big.raw[:1200]
        server.wire.send(icmp_packet("10.99.0.254", 3, 4, about, mtu=700) if family == 4 else
                         icmp_packet("fd99::254", 2, 0, about, mtu=1280))
        most = 700 if family == 4 else 1280
        until(lambda: [seen for seen in server.seen if seen.payload and len(seen.raw) <= most])
        server.data = taken
        until(lambda: sum(map(len, server.received.values())) >= 1380, 20)
        counted.wait(session_server_reset=0)
        client.reset()
    all_quiet()
    run("m", "ip", "route", "flush", "cache")


class Direct:
    """A connection of the client straight to the server, through the router."""

    def __init__(self, wire, server, family, address, port):
        self.server = server
        self.peer = Peer(wire, address, port, RAW_SERVER[family], 80)
        self.peer.syn(options=b"\2\4\5\xb4")
        synack = self.peer.answer()
        assert is_synack_of(synack, self.peer)
        self.peer.establish(synack)

    def converse(self, octets_):
        self.peer.data(octets_)
        heard, _ = self.peer.stream(5, lambda heard: len(heard) >= len(octets_))
        assert heard == octets_


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("adopted", [False, True])
def test_direct_traffic(mcp, client_wire, server_wire, watch, router, family, adopted):
    """While there is a session, all else that passes between client and server
    passes as if there were no MCP: connections of the client's, connections to
    it, strays, datagrams, ICMP errors about what is the client's own."""
    counted = mcp("source preserve hold-timeout 20s")
    with Server(server_wire, RAW_SERVER[family], OPTIONS["mss-536"]) as server:
        address = UNUSED.address(family)
        before = Direct(client_wire, server, family, address, 30001)
        if adopted:
            client = connect(client_wire, server, family, address=address)
        else:
            on_syn, server.on_syn = server.on_syn, lambda syn, before: None
            client = raw_client(client_wire, family, address)
            client.syn(codec.mp_convert(RAW_SERVER[family], 80))
            until(lambda: [syn for syn in server.syns if syn.sport == client.port])
            server.on_syn = on_syn
        before.converse(b"a connection from before")
        during = Direct(client_wire, server, family, address, 30002)
        during.converse(b"a connection from meanwhile")

        watch.drain()
        name, port = RAW_SERVER[family], client.port
        about = tcp_packet(address, 30002, name, 80, ACK, during.peer.seq, during.peer.ack)
        packets = [
            tcp_packet(name, 81, address, port, SYN, 5, options=b"\2\4\5\xb4"),
            tcp_packet(name, 80, address, 30003, SYN, 5, options=b"\2\4\5\xb4"),
            tcp_packet(name, 80, address, 30003, ACK, 5, 5),
            tcp_packet(name, 81, address, port, SYN | ACK, 5, 5),
            tcp_packet(name, 81, address, port, RST, 5),
            ip_packet(octets(name), octets(address), 17,
                      struct.pack("!HHHH", 80, port, 8, 0) if family == 4 else
                      struct.pack("!HHHH", 80, port, 8, 1)),
            icmp_packet("10.99.0.254", 3, 1, about) if family == 4 else
            icmp_packet("fd99::254", 1, 0, about),
        ]
        for packet in packets:
            server.wire.send(packet)
        # But for the router's mark on it.
        passed = [mark_of_router(packet) for packet in everything(watch, 1)]
        for packet in packets:
            assert mark_of_router(packet) in passed, parse(packet) or packet
        assert not [segment for segment in map(parse, passed)
                    if segment and (segment.sport, segment.dport) == (80, port)]
        if adopted:
            client.data(b"and ours")
            assert client.stream(5, lambda heard: len(heard) == 8)[0] == b"and ours"
        else:
            ctl("session flush")
        before.converse(b"still there")
        during.converse(b"still there")
        counted.wait(external_unmatched=0, unsolicited=0)
        client.reset()
    all_quiet()


def mark_of_router(packet):
    """A packet without what a router changes in it."""
    if packet[0] >> 4 == 4:
        size = struct.unpack("!H", packet[2:4])[0]
        return packet[:8] + b"\0" + packet[9:10] + b"\0\0" + packet[12:size]
    size = 40 + struct.unpack("!H", packet[4:6])[0]
    return packet[:7] + b"\0" + packet[8:size]


def test_same_tuple(mcp, client_wire, server_wire, watch, router):
    """A dial with the very addresses and ports of a connection that the client
    has with the server: that one is none the worse, and gets what the server
    says about it; no RST of ours goes there."""
    mcp("source preserve hold-timeout 20s")
    with Server(server_wire, RAW_SERVER4, OPTIONS["mss-536"]) as server:
        client = raw_client(client_wire)
        direct = Direct(client_wire, server, 4, client.address, client.port)
        server.on_syn = lambda syn, before: tcp_packet(*to_client(syn), ACK, direct.peer.ack,
                                                       direct.peer.seq)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        challenge = until(lambda: watch.first(1, lambda segment: segment.flags == ACK and
                                              segment.src == RAW_SERVER4))
        assert (challenge.ack, challenge.dport) == (direct.peer.seq, client.port)
        direct.converse(b"unharmed")
        about = tcp_packet(client.address, client.port, RAW_SERVER4, 80, ACK, direct.peer.seq, 5)
        watch.drain()
        server.wire.send(icmp_packet("10.99.0.254", 3, 1, about))
        assert [raw for raw in everything(watch) if raw[9] == 1]
        watch.drain()
        server.wire.send(tcp_packet(RAW_SERVER4, 80, client.address, client.port, RST,
                                    direct.peer.ack))
        assert watch.first(5, lambda segment: segment.flags == RST and segment.src == RAW_SERVER4)
        assert not server.resets
        ctl("session flush")
    all_quiet()


def test_reply_before_the_answer(mcp, client_wire, server_wire, watch, router):
    """What acknowledges our SYN is ours, even if it comes before the SYN/ACK:
    the client would reset it."""
    mcp("source preserve hold-timeout 20s")
    with Server(server_wire, RAW_SERVER4, OPTIONS["none"]) as server:
        server.on_syn = lambda syn, before: None
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        syn = until(lambda: server.syns)[0]
        server.wire.send(tcp_packet(*to_client(syn), ACK, 1001, syn.end, b"too early"))
        assert not list(watch.segments(0.3, lambda segment: segment.src == RAW_SERVER4))
        server.wire.send(server.answer(syn, 0))
        client.establish(client.answer())
        converse(client, server, b"in time")
        client.reset()
    all_quiet()


def test_taken(mcp, client_wire, server_wire):
    """Two sessions of one address and port with one server: the second one has
    another port, and both work."""
    counted = mcp("source preserve")
    first = raw_client(client_wire)
    second = raw_client(client_wire, address=first.address, port=first.port)
    second.other = "10.0.2.1"
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        for peer in first, second:
            peer.syn(codec.mp_convert(RAW_SERVER4, 80))
            peer.establish(peer.answer())
        counted.wait(session_bound=2)
        assert {syn.src for syn in server.syns} == {first.address}
        assert server.syns[0].sport == first.port
        assert server.syns[1].sport != first.port and server.syns[1].sport >= 1024
        converse(first, server, b"one")
        converse(second, server, b"two")
        first.reset()
        second.reset()
    all_quiet()


def test_taken_while_half_open(mcp, client_wire, server_wire):
    """The same, while the first one waits for the server."""
    mcp("source preserve hold-timeout 20s")
    first = raw_client(client_wire)
    second = raw_client(client_wire, address=first.address, port=first.port)
    second.other = "10.0.2.1"
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        server.on_syn = lambda syn, before: None
        first.syn(codec.mp_convert(RAW_SERVER4, 80))
        second.syn(codec.mp_convert(RAW_SERVER4, 80))
        until(lambda: len(server.syns) == 2)
        assert len({syn.sport for syn in server.syns}) == 2
        assert {syn.src for syn in server.syns} == {first.address}
        ctl("session flush")
    all_quiet()


def test_ports_of_a_client(mcp, client_wire, server_wire):
    """max-ports-client holds here as well, and what is given back counts."""
    counted = mcp("source preserve max-ports-client 2")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]):
        peers = [raw_client(client_wire, address="10.77.0.9") for _ in range(4)]
        for number, peer in enumerate(peers[:3]):
            peer.syn(codec.mp_convert(RAW_SERVER4, 80))
            assert (is_synack_of if number < 2 else is_reset_of)(peer.answer(), peer)
        counted.wait(refused_ports_client=1, dial_no_resources=1)
        ctl("session flush")
        all_quiet()
        peers[3].syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_synack_of(peers[3].answer(), peers[3])
        ctl("session flush")
    all_quiet()


def test_last_acknowledgment(mcp, client_wire, server_wire, watch, router):
    """Our side closes first: a FIN that the server repeats when the session is
    over is acknowledged, and not passed on to the client, which would reset."""
    counted = mcp("source preserve")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client = connect(client_wire, server)
        converse(client, server, b"all there is")
        client.send(FIN | ACK)
        client.seq += 1
        assert client.stream()[1] == FIN
        counted.wait(session_closed=1)
        all_quiet()
        last = until(lambda: [seen for seen in server.seen if seen.flags == ACK and
                              not seen.payload])[-1]
        number = len(server.seen)
        watch.drain()
        server.wire.send(server.reply(last, FIN | ACK, last.ack - 1))
        again = until(lambda: server.seen[number:])[0]
        assert again.flags == ACK and again.src == client.address and again.ack == last.ack
        assert not list(watch.segments(0.3, lambda segment: segment.src == RAW_SERVER4))


def test_listener_of_the_host(mcp, client_wire, server_wire):
    """A client's port keeps no program of the host from listening there."""
    mcp("source preserve")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client = connect(client_wire, server)
        with inside("m"):
            listener = socket.create_server(("", client.port))
        with listener:
            converse(client, server, b"undisturbed")
        client.reset()
    all_quiet()


def test_client_on_the_host(mcp, server_wire):
    """A client on the MCP's own host keeps its address too, which is the host's;
    and it may be taken from the host at any time."""
    counted = mcp("source preserve require-mptcp off echo off")
    run("m", "ip", "addr", "add", "10.0.9.77/24", "dev", "ms0")
    try:
        with Server(server_wire, RAW_SERVER4, OPTIONS["all"], b"hello") as server:
            sock = client_socket(protocol=0, netns="m")
            with sock:
                sock.bind(("10.0.9.77", 0))
                sock.connect((MCP4, PORT))
                sock.sendall(codec.mp_convert(RAW_SERVER4, 80) + b"early")
                until(lambda: b"early" in server.received.values())
                assert sock.recv(5) == b"hello"
                assert (server.syns[0].src, server.syns[0].sport) == sock.getsockname()
                run("m", "ip", "addr", "del", "10.0.9.77/24", "dev", "ms0")
                ctl("session flush")
        counted.wait(session_flushed=1)
    finally:
        run("m", "ip", "addr", "del", "10.0.9.77/24", "dev", "ms0", check=False)
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
def test_down(mcp, client_wire, server_wire, family):
    """No MCP any more: the server hears a RST from the client's address, a
    dial is forgotten, and the next MCP knows nothing of it."""
    mcp("source preserve hold-timeout 20s")
    with Server(server_wire, RAW_SERVER[family], OPTIONS["all"]) as server:
        client = connect(client_wire, server, family)
        server.on_syn = lambda syn, before: None
        waiting = raw_client(client_wire, family)
        waiting.syn(codec.mp_convert(RAW_SERVER[family], 80))
        until(lambda: len(server.syns) == 2)
        ctl("mcp down")
        until(lambda: [reset for reset in server.resets
                       if (reset.src, reset.sport) == (client.address, client.port)])
    counted = mcp("source share", acl=())
    with Server(server_wire, RAW_SERVER[family], OPTIONS["all"]) as server:
        client = connect(client_wire, server, family)
        assert server.syns[0].src == EXTERNAL[family]
        client.reset()
    counted.wait(source_not_preserved=0)
    all_quiet()


def test_changed_meanwhile(mcp, client_wire, server_wire):
    """A session keeps what it was dialled with when the setting changes."""
    counted = mcp("source preserve")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client = connect(client_wire, server)
        ctl("mcp set source share")
        other = connect(client_wire, server)
        counted.wait(session_bound=2)
        assert [syn.src for syn in server.syns] == [client.address, EXTERNAL[4]]
        converse(client, server, b"as before")
        converse(other, server, b"shared")
        client.reset()
        other.reset()
    all_quiet()


FIREWALL = """table ip gateway {
	chain in {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		tcp dport 5124 accept
		counter
	}
	chain pass {
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "mc0" accept
		counter
	}
	chain out {
		type filter hook output priority 0; policy drop;
		ct state new,established,related accept
	}
	chain pre {
		type filter hook prerouting priority -150;
		ct state invalid counter drop
	}
}"""


def test_firewall(mcp, client_wire, server_wire, router):
    """A gateway that tracks connections, drops what it does not know, and checks
    reverse paths: a dial is a connection of the host, though not from its
    address; the client's own connections are the client's."""
    counted = mcp("source preserve")
    run("m", "nft", FIREWALL)
    run("m", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    try:
        with Server(server_wire, RAW_SERVER4, OPTIONS["mss-536"], b"banner") as server:
            address = UNUSED.address(4)
            server.greeting = b""
            direct = Direct(client_wire, server, 4, address, 30001)
            direct.converse(b"passes")
            server.greeting = b"banner"
            client = raw_client(client_wire, address=address)
            client.syn(codec.mp_convert(RAW_SERVER4, 80) + b"early")
            client.establish(client.answer())
            assert client.stream(5, lambda heard: len(heard) == 11)[0] == b"bannerearly"
            converse(client, server, b"more")
            assert {syn.src for syn in server.syns} == {address}
            direct.converse(b"still passes")
            client.send(FIN | ACK)
            client.seq += 1
            assert client.stream()[1] == FIN
        counted.wait(session_closed=1)
        refused = raw_client(client_wire)
        with Answering(server_wire, lambda syn, before: "rst", [RAW_SERVER4]):
            refused.syn(codec.mp_convert(RAW_SERVER4, 80))
            assert is_reset_of(refused.answer(), refused)
        # Not let in by anybody: a stranger's SYN to the client.
        server_wire.send(tcp_packet(RAW_SERVER4, 81, address, 30009, SYN, 5))
        assert client_wire.first(0.3, lambda segment: segment.dport == 30009) is None
    finally:
        run("m", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        run("m", "nft", "delete table ip gateway")
    all_quiet()


@pytest.mark.leaves_sessions
def test_namespace_ends(make_lab):
    """The MCP's namespace goes away with sessions in every state."""
    lab = make_lab()
    lab.up("source preserve hold-timeout 20s require-mptcp off")
    listener = lab.listen()
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, 100_000)
    link = lab.capture(lab.mcp, "ms0", "tcp")
    lost = lab.client_socket(protocol="tcp")
    lost.setblocking(False)
    lab.mark(lost, ("10.0.1.1", PORT), codec.mp_convert("10.99.0.9", 80))
    with contextlib.suppress(BlockingIOError):
        lost.connect(("10.0.1.1", PORT))
    wait_for(lambda: [syn for syn in link.syns() if syn.dst == "10.99.0.9"])
    assert lab.count() == {"total": 2, "half_open": 1, "clients": 1}
    assert {syn.src for syn in link.syns()} == {"10.0.1.2"}
