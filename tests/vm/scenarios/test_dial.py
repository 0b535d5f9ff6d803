"""The SYN that the server gets, what the server may answer, and the socket that
comes of it."""

import struct
import time
from ipaddress import ip_address, ip_network

import pytest

import codec
from scene import (DEBUG, RAW_SERVER4, RAW_SERVER6, all_quiet, ctl, is_reset_of, is_synack_of,
                   raw_client, run, sessions, table, until)
from wire import (ACK, FIN, MP_CAPABLE, PLAIN_OPTIONS, RST, SYN, SYN_OPTIONS, Answering,
                  icmp_packet, ip_packet, tcp_packet)

pytest_plugins = ["scene"]

RAW_SERVER = {4: RAW_SERVER4, 6: RAW_SERVER6}

MSS, WSCALE, SACK, TIMESTAMP, MPTCP = 2, 3, 4, 8, 30


@pytest.fixture(autouse=True, scope="module")
def segments_as_sent(machines):
    """The wire shows segments, not what an interface would still cut up."""
    run("m", "ethtool", "-K", "ms0", "tso", "off", "gso", "off")
    yield
    run("m", "ethtool", "-K", "ms0", "tso", "on", "gso", "on")


def mss(octets):
    return struct.pack("!BBH", MSS, 4, octets)


def timestamp(value, echo):
    return struct.pack("!BBII", TIMESTAMP, 10, value, echo)


class Server(Answering):
    """A server whose SYN/ACK has these options, and whose segments have
    timestamps if it has offered them. `seen` has every segment it got."""

    TS = 7000000

    def __init__(self, wire, address, options=b"", greeting=b"", window=65535):
        super().__init__(wire, self.answer, [address], greeting)
        self.options = options
        self.window = window
        self.seen = []

    def answer(self, syn, _before):
        options = self.options.replace(b"TS", timestamp(self.TS, self.ts_of(syn)))
        return tcp_packet(syn.dst, syn.dport, syn.src, syn.sport, SYN | ACK, 1000, syn.end,
                          b"", options, window=self.window)

    @staticmethod
    def ts_of(segment):
        value = segment.option(TIMESTAMP)
        return struct.unpack("!I", value[:4])[0] if value else 0

    def reply(self, segment, flags, seq, payload=b"", options=b""):
        if b"TS" in self.options:
            options = b"\1\1" + timestamp(self.TS + 1, self.ts_of(segment))
        return tcp_packet(segment.dst, segment.dport, segment.src, segment.sport, flags, seq,
                          segment.end, payload, options, window=self.window)

    def take(self, segment):
        self.seen.append(segment)
        super().take(segment)


def converse(client, server, octets):
    """The client says something and hears it from the server."""
    client.data(octets)
    heard, _ = client.stream(5, lambda heard: len(heard) >= len(octets))
    assert heard == octets
    assert b"".join(server.received.values()).endswith(octets)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("early", [b"", b"early"])
def test_syn(mcp, client_wire, server_wire, family, early):
    """The server's SYN is the client's without its payload: sequence number,
    DSCP; MSS, window scale, SACK and timestamps are the MCP's own."""
    mcp("hold-timeout 20s")
    client = raw_client(client_wire, family)
    request = codec.mp_convert(RAW_SERVER[family], 80) + early
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER[family]]) as server:
        client.syn(request, tos=0x28 | 3)
        syn = until(lambda: server.syns and server.syns[0])
        assert syn.flags == SYN                         # and neither ECE nor CWR
        assert syn.seq == (client.isn + len(request)) % 2**32
        assert not syn.payload and syn.tos == 0x28
        assert struct.unpack("!H", syn.option(MSS))[0] == (1460 if family == 4 else 1440)
        assert syn.option(SACK) == b"" and syn.option(MPTCP) == MP_CAPABLE[2:]
        assert syn.option(TIMESTAMP)[4:] == bytes(4)
        assert 0 < syn.option(WSCALE)[0] <= 14
        assert 61001 <= syn.sport <= 65535
        assert client.answer(0.3) is None
        # One for each of the client's, all the same but for the time.
        for number in range(2, 5):
            client.send(SYN, b"", client.isn, options=b"\x02\x04\x05\xb4", tos=0x28)
            until(lambda number=number: len(server.syns) == number)
        assert client.answer(0.3) is None
        assert len(server.syns) == 4
        assert {(seen.seq, seen.sport, seen.flags) for seen in server.syns} == \
            {(syn.seq, syn.sport, SYN)}
        ctl("session flush")
    all_quiet()


@pytest.mark.parametrize("settings, options, seen", [
    ("", SYN_OPTIONS, b"\x01\x01"),
    ("", PLAIN_OPTIONS + b"\x1e\x04\x01\xa1", b"\x01\xa1"),  # A and C are the client's affair
    ("relay-mp-capable off", SYN_OPTIONS, None),
    ("require-mptcp off", PLAIN_OPTIONS, None)])
def test_mp_capable(mcp, client_wire, server_wire, settings, options, seen):
    """The server sees that the client speaks MPTCP, unless it does not or that is
    not to be told."""
    mcp(settings)
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        client.syn(codec.mp_convert(RAW_SERVER4, 80), options=options)
        assert until(lambda: server.syns and server.syns[0]).option(MPTCP) == seen
        ctl("session flush")
    all_quiet()


def test_mp_capable_in_the_way(mcp, client_wire, server_wire):
    """A server that answers no SYN with MP_CAPABLE gets the third one without,
    and from then on all, as far as that server's port is concerned."""
    counted = mcp("hold-timeout 20s")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        answer = server.on_syn
        server.on_syn = lambda syn, before: None if syn.option(MPTCP) else answer(syn, before)
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        for number in range(1, 3):
            until(lambda number=number: len(server.syns) == number)
            client.send(SYN, b"", client.isn, options=SYN_OPTIONS)
        client.establish(client.answer())
        assert [bool(syn.option(MPTCP)) for syn in server.syns] == [True, True, False]
        counted.wait(dial_plain_learnt=1, session_bound=1)
        again = raw_client(client_wire)
        again.syn(codec.mp_convert(RAW_SERVER4, 80))
        again.establish(again.answer())
        assert server.syns[-1].option(MPTCP) is None
        counted.wait(dial_plain_known=1, session_bound=2)
        other = raw_client(client_wire)
        other.syn(codec.mp_convert(RAW_SERVER4, 81))
        until(lambda: [syn for syn in server.syns if syn.dport == 81 and syn.option(MPTCP)])
        counted.wait(dial_plain_known=1)
        ctl("session flush")
    all_quiet()


@pytest.mark.parametrize("family, prefix, via, most", [
    (4, "10.99.0.0/16", "10.0.9.2", 1260), (6, "fd99::/48", "fd00:9::2", 1240)])
def test_mss_of_the_route(mcp, client_wire, server_wire, family, prefix, via, most):
    """The server is told what the route to it has room for, and gets no more."""
    mcp()
    run("m", "ip", "route", "replace", prefix, "via", via, "mtu", "1300")
    try:
        with Server(server_wire, RAW_SERVER[family], OPTIONS["mss-9000"]) as server:
            client = raw_client(client_wire, family)
            client.syn(codec.mp_convert(RAW_SERVER[family], 80))
            client.establish(client.answer())
            assert struct.unpack("!H", server.syns[0].option(MSS))[0] == most
            client.data(bytes(1400))
            until(lambda: sum(map(len, server.received.values())) == 1400)
            assert max(len(seen.raw) for seen in server.seen) <= 1300
            client.reset()
    finally:
        run("m", "ip", "route", "replace", prefix, "via", via)
    all_quiet()


def test_repeated_after_early_answer(mcp, client_wire, server_wire):
    """Once the client is answered the SYN is repeated by the MCP's own clock,
    less and less often."""
    mcp("handshake early syn-timeout 12s")
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        client.establish(client.answer())
        until(lambda: len(server.syns) == 4, 20)
        when = [syn.when for syn in server.syns]
        assert 0.5 < when[1] - when[0] < when[3] - when[2]
        assert len({(syn.seq, syn.sport) for syn in server.syns}) == 1
        assert client_wire.first(20, lambda seen: client.mine(seen) and seen.flags & RST)
        assert len(server.syns) == 4
    all_quiet()


OPTIONS = {
    "none": b"",
    "mss-536": mss(536),
    "mss-9000": mss(9000),
    "sack": mss(1460) + b"\1\1\4\2",
    "wscale": mss(1460) + b"\1\3\3\7",
    "wscale-0": mss(1460) + b"\1\3\3\0",
    "timestamps": mss(1460) + b"\1\1TS",
    "all": mss(1460) + b"\4\2TS\1\3\3\7",
    "mptcp": mss(1460) + b"\4\2TS\1\3\3\7" + b"\x1e\x0c\x01\x01serverkey"[:12],
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", OPTIONS)
def test_adopted(mcp, client_wire, server_wire, family, name):
    """Whatever a server agrees to, the connection keeps to that, from the ACK
    that completes the handshake on."""
    counted = mcp()
    client = raw_client(client_wire, family)
    options = OPTIONS[name]
    with Server(server_wire, RAW_SERVER[family], options, b"banner") as server:
        client.syn(codec.mp_convert(RAW_SERVER[family], 80) + b"early")
        synack = client.answer()
        assert is_synack_of(synack, client)
        client.establish(synack)
        assert client.stream(5, lambda heard: len(heard) == 11)[0] == b"bannerearly"
        syn, first = server.seen[:2]
        # The ACK: what it would be of a socket that sent its SYN itself.
        assert first.flags & ACK and not first.flags & (SYN | FIN | RST)
        assert (first.seq, first.ack) == (syn.end, 1001)
        assert first.option(MPTCP) is None
        if b"TS" in options:
            now, echo = struct.unpack("!II", first.option(TIMESTAMP))
            sent = struct.unpack("!I", syn.option(TIMESTAMP)[:4])[0]
            assert echo == Server.TS and 0 <= (now - sent) % 2**32 < 60000
        else:
            assert all(seen.option(TIMESTAMP) is None for seen in server.seen[1:])
        octets = bytes(range(256)) * 40
        for start in range(0, len(octets), 1000):
            converse(client, server, octets[start:start + 1000])
        most = 536 if name in ("none", "mss-536") else 1460
        if family == 6 and name == "none":
            most = 1220
        room = most - (12 if b"TS" in options else 0)
        assert max(len(seen.payload) for seen in server.seen) <= room
        counted.wait(session_bound=1, dial_accepted=1)
        client.send(FIN | ACK)
        client.seq += 1
        assert client.stream()[1] == FIN
    counted.wait(session_closed=1)
    all_quiet()


def window_of(segment, scale):
    """The window of a raw TCP segment."""
    off = 20 if segment.raw[0] >> 4 == 4 else 40
    return struct.unpack("!H", segment.raw[off + 14:off + 16])[0] << scale


@pytest.mark.parametrize("scaled", [True, False])
def test_window(mcp, client_wire, server_wire, scaled):
    """The window that the server sees does not shrink when the socket takes
    over, and its own is respected."""
    mcp()
    client = raw_client(client_wire)
    options = mss(1460) + (b"\1\3\3\2" if scaled else b"")
    with Server(server_wire, RAW_SERVER4, options, window=1000) as server:
        client.syn(codec.mp_convert(RAW_SERVER4, 80) + bytes(1200))
        client.establish(client.answer())
        until(lambda: sum(map(len, server.received.values())) == 1200)
        syn = server.seen[0]
        scale = syn.option(WSCALE)[0] if scaled else 0
        offered = window_of(syn, 0)
        first = server.seen[1]
        assert window_of(first, scale) + (1 << scale) > offered
        # The window of a SYN/ACK is not scaled, that of its next segment is.
        burst = [seen for seen in server.seen[1:] if seen.payload]
        assert len(burst[0].payload) <= 1000 << (2 if scaled else 0)
        client.reset()
    all_quiet()


@pytest.mark.parametrize("request_of", [codec.mp_convert, codec.convert])
def test_synack_repeated(mcp, client_wire, server_wire, request_of):
    """A SYN/ACK that comes again is acknowledged again, and nothing more."""
    counted = mcp()
    client = raw_client(client_wire)
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client.syn(request_of(RAW_SERVER4, 80))
        client.establish(client.answer())
        counted.wait(session_bound=1)
        syn, before = server.seen[0], len(server.seen)
        for _ in range(2):
            server.wire.send(server.answer(syn, 1))
        again = until(lambda: server.seen[before:])
        assert all(seen.flags == ACK and seen.ack == 1001 and not seen.payload for seen in again)
        if request_of is codec.convert:
            client.stream(1, lambda heard: len(heard) >= 4)
        converse(client, server, b"alive")
        client.reset()
    counted.wait(session_bound=1, dial=1, session_server_reset=0)
    all_quiet()


def test_simultaneous_open(mcp, client_wire, server_wire):
    """A server that dials the MCP's external endpoint in the same moment gets a
    connection (RFC 5382 REQ-2)."""
    counted = mcp("hold-timeout 20s")
    client = raw_client(client_wire)
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        server.on_syn = lambda syn, before: None if before else tcp_packet(
            syn.dst, syn.dport, syn.src, syn.sport, SYN, 1000, 0, b"",
            mss(1460) + b"\4\2" + timestamp(Server.TS, 0) + b"\1\3\3\7")
        client.syn(codec.mp_convert(RAW_SERVER4, 80) + b"early")
        synack = until(lambda: [seen for seen in server.seen if seen.flags == SYN | ACK])[0]
        assert (synack.seq, synack.ack) == (server.seen[0].seq, 1001)
        assert struct.unpack("!I", synack.option(TIMESTAMP)[4:])[0] == Server.TS
        assert client.answer(0.2) is None
        # The server's answer to our SYN, from its SYN-RECEIVED state.
        server.wire.send(server.reply(synack, SYN | ACK, 1000))
        client.establish(client.answer())
        assert client.stream(5, lambda heard: len(heard) == 5)[0] == b"early"
        converse(client, server, b"and more")
        client.reset()
    counted.wait(session_bound=1)
    all_quiet()


def test_not_our_answer(mcp, client_wire, server_wire):
    """What does not acknowledge our SYN ends nothing: a RST is passed over, an
    ACK of an older connection is answered with a RST (RFC 9293)."""
    counted = mcp("hold-timeout 20s")
    client = raw_client(client_wire)
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        server.on_syn = lambda syn, before: None
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        syn = until(lambda: server.syns and server.syns[0])

        def say(flags, seq, ack):
            server.wire.send(tcp_packet(syn.dst, syn.dport, syn.src, syn.sport, flags, seq, ack))
        say(RST, 0, 0)
        say(RST | ACK, 0, syn.end + 1)
        say(ACK, 5000, 77)
        reset = until(lambda: server.resets)[0]
        assert reset.seq == 77 and reset.flags == RST
        say(SYN | ACK, 1000, syn.seq)
        until(lambda: len(server.resets) == 2)
        assert client.answer(0.2) is None
        counted.wait(dial_refused=0, dial_accepted=0)
        server.wire.send(server.answer(syn, 1))
        client.establish(client.answer())
        converse(client, server, b"all the same")
        client.reset()
    all_quiet()


@pytest.mark.parametrize("refuse", [True, False])
def test_reset_right_after_synack(mcp, client_wire, server_wire, refuse):
    """A server that accepts and resets at once: the client hears of a reset. If
    the first one came just when the socket was made, it is the server's answer
    to our ACK that tells."""
    mcp()
    client = raw_client(client_wire)
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        server.data = lambda key, segment: server.wire.send(tcp_packet(
            segment.dst, segment.dport, segment.src, segment.sport, RST, segment.ack))
        def both(syn, before):
            server.wire.send(server.answer(syn, before))
            server.wire.send(tcp_packet(syn.dst, syn.dport, syn.src, syn.sport, RST, 1001, 0)
                             if refuse else
                             tcp_packet(syn.dst, syn.dport, syn.src, syn.sport, RST | ACK, 1001,
                                        syn.end))
        server.on_syn = both
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        answer = client.answer()
        if not answer.flags & RST:
            assert is_synack_of(answer, client)
            client.establish(answer)
            assert client.stream()[1] == RST
        else:
            assert is_reset_of(answer, client)
    all_quiet()


def test_endpoint_independent(mcp, client_wire, server_wire):
    """A client's address and port look the same to every server (RFC 5382
    REQ-1)."""
    counted = mcp()
    client = raw_client(client_wire)
    other = raw_client(client_wire, address=client.address, port=client.port)
    other.other = "10.0.2.1"
    others = [RAW_SERVER4, "10.99.0.2"]
    with Answering(server_wire, lambda syn, before: 0, others) as server:
        for peer, name in zip((client, other), others):
            peer.syn(codec.mp_convert(name, 80))
            peer.establish(peer.answer())
        counted.wait(session_bound=2)
        assert len({(syn.src, syn.sport) for syn in server.syns}) == 1
        assert len({syn.dst for syn in server.syns}) == 2
        # Another port of the same client has another one.
        third = raw_client(client_wire, address=client.address)
        third.syn(codec.mp_convert(RAW_SERVER4, 80))
        third.establish(third.answer())
        counted.wait(session_bound=3)
        assert len({(syn.src, syn.sport) for syn in server.syns}) == 2
        for peer in client, other, third:
            peer.reset()
    all_quiet()


def test_port_of_a_closing_session(mcp, client_wire, server_wire):
    """A client that begins anew from its port while the server has not let go
    of the old connection gets a new one."""
    counted = mcp()
    client = raw_client(client_wire)
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        client.establish(client.answer())
        converse(client, server, b"one")
        server.data = lambda key, segment: None         # falls silent
        client.send(FIN | ACK)
        client.seq += 1
        until(lambda: [seen for seen in server.seen if seen.flags & FIN])
        client.send(RST, seq=client.seq)
        again = raw_client(client_wire, address=client.address, port=client.port)
        again.syn(codec.mp_convert(RAW_SERVER4, 80))
        # What is said of the old one may still be under way.
        synack = client_wire.first(5, lambda seen: again.mine(seen) and seen.flags & SYN)
        assert is_synack_of(synack, again)
        again.establish(synack)
        counted.wait(session_bound=2)
        again.reset()
        ctl("session flush")
    all_quiet()


def sockets():
    """TCP sockets in use on the MCP's host, of both families."""
    lines = run("m", "cat", "/proc/net/sockstat", "/proc/net/sockstat6").splitlines()
    words = [line.split() for line in lines]
    return [row[row.index("inuse") + 1] for row in words if row[0] in ("TCP:", "TCP6:")]


def test_half_open_costs_no_socket(mcp, client_wire, server_wire):
    """A session whose server has not answered is 832 octets, and no socket."""
    counted = mcp("hold-timeout 20s")
    before = sockets()
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]):
        for _ in range(50):
            raw_client(client_wire).syn(codec.mp_convert(RAW_SERVER4, 80))
        counted.wait(dial=50)
        assert len(before) == 2 and sockets() == before
        ctl("session flush")
    if not DEBUG:               # which makes locks and timers larger
        with open("/sys/kernel/slab/mcp_session/object_size") as file:
            assert int(file.read()) <= 832
    all_quiet()


@pytest.fixture
def pool(mcp):
    """A function that adds ranges to the pool."""
    def add(*ranges):
        for each in ranges:
            ctl("pool add", each)
    yield add
    ctl("pool flush")


def used(prefix):
    """How many ports of a range are in use."""
    rows = {ip_network(row["prefix"]): row for row in table("pool show")}
    return rows[ip_network(prefix.split()[0])]["used"]


@pytest.mark.parametrize("family, prefix, client, external", [
    (4, "10.50.0.0/24", "10.77.0.9", "10.50.0.9"), (4, "10.50.0.7", "10.77.0.9", "10.50.0.7"),
    (6, "fd50::/120", None, None), (4, "10.0.9.1 ports 20000-20099", None, "10.0.9.1")])
def test_pool(mcp, pool, client_wire, server_wire, family, prefix, client, external):
    """Servers see an address and a port of the pool, which no interface needs
    to have; a pool as large as the clients' prefix translates one to one."""
    counted = mcp()
    pool(prefix)
    client = raw_client(client_wire, family, client)
    with Server(server_wire, RAW_SERVER[family], OPTIONS["all"], b"banner") as server:
        client.syn(codec.mp_convert(RAW_SERVER[family], 80) + b"early")
        client.establish(client.answer())
        assert client.stream(5, lambda heard: len(heard) == 11)[0] == b"bannerearly"
        syn = server.syns[0]
        if external:
            assert syn.src == external
        assert ip_address(syn.src) in ip_network(prefix.split()[0])
        assert syn.sport in (range(20000, 20100) if "ports" in prefix else range(1024, 65536))
        converse(client, server, bytes(20000)[:1400])
        assert used(prefix) == 1
        assert sessions()[0]["external"] == {"address": syn.src, "port": syn.sport}
        # What belongs to no connection does not reach the host.
        if "ports" not in prefix:
            source, external = ip_address(syn.dst).packed, ip_address(syn.src).packed
            server.wire.send(tcp_packet(syn.dst, 9, syn.src, syn.sport, ACK, 5, 5))
            server.wire.send(ip_packet(source, external, 17, bytes(8)))
            server.wire.send(ip_packet(source, external, 1 if family == 4 else 58,
                                       (b"\x08" if family == 4 else b"\x80") + bytes(7)))
            counted.wait(external_unmatched=3)
        client.send(FIN | ACK)
        client.seq += 1
        assert client.stream()[1] == FIN
    counted.wait(session_closed=1)
    all_quiet()
    assert used(prefix) == 0


@pytest.mark.parametrize("prefix", ["10.50.0.0/24", None, "fd50::/120"])
def test_unsolicited(mcp, pool, client_wire, server_wire, prefix):
    """A SYN from a server that nobody has dialled, to a port that a client has,
    hears nothing for six seconds and is then unreachable (RFC 5382 REQ-4). The
    connection that the port has is none the worse for it."""
    counted = mcp("filtering address-dependent")
    pool(*filter(None, [prefix]))
    family = 6 if prefix and ":" in prefix else 4
    stranger = "fd99::77" if family == 6 else "10.99.0.77"
    client = raw_client(client_wire, family)
    with Server(server_wire, RAW_SERVER[family], OPTIONS["all"]) as server:
        client.syn(codec.mp_convert(RAW_SERVER[family], 80))
        client.establish(client.answer())
        counted.wait(session_bound=1)
        syn = server.syns[0]
        heard = []
        server.addresses.add(stranger)
        server.on_raw = heard.append
        began = time.monotonic()
        for _ in range(2):
            server.wire.send(tcp_packet(stranger, 1234, syn.src, syn.sport, SYN, 77,
                                        options=mss(1460)))
        counted.wait(unsolicited=2)
        icmp = until(lambda: [packet for packet in heard if is_unreachable(packet, stranger)], 15)
        assert time.monotonic() - began >= 5.9
        time.sleep(0.5)             # and only one: nothing tells that no more come
        assert len([packet for packet in heard if is_unreachable(packet, stranger)]) == 1, icmp
        assert not [seen for seen in server.seen if seen.dst == stranger]
        counted.wait(unsolicited_refused=1)
        converse(client, server, b"alive")
        client.reset()
    all_quiet()


def is_unreachable(packet, address):
    """An ICMP port unreachable to that address."""
    if packet[0] >> 4 == 4:
        return packet[9] == 1 and packet[20:22] == b"\3\3" and \
            packet[16:20] == ip_address(address).packed
    return packet[6] == 58 and packet[40:42] == b"\1\4" and \
        packet[24:40] == ip_address(address).packed


@pytest.mark.parametrize("filtering, counter", [
    ("address-dependent", "unsolicited"), ("endpoint-independent", "session_inbound")])
def test_unsolicited_in_time(mcp, client_wire, server_wire, filtering, counter):
    """A server whose SYN comes before the client's own: once that is sent, the
    first one is forgotten, and the two connect."""
    counted = mcp(f"filtering {filtering}")
    first, other = "10.99.0.3", "10.99.0.4"
    client = raw_client(client_wire)
    again = raw_client(client_wire, address=client.address, port=client.port)
    again.other = "10.0.2.1"
    with Answering(server_wire, lambda syn, before: 0, [first, other]) as server:
        client.syn(codec.mp_convert(first, 80))
        client.establish(client.answer())
        counted.wait(session_bound=1)
        syn = server.syns[0]
        server.wire.send(tcp_packet(other, 80, syn.src, syn.sport, SYN, 77, options=mss(1460)))
        counted.wait(**{counter: 1})
        again.syn(codec.mp_convert(other, 80))
        again.establish(again.answer())
        counted.wait(session_bound=2)
        assert {(seen.src, seen.sport) for seen in server.syns} == {(syn.src, syn.sport)}
        time.sleep(6.5)             # the time after which it would have been refused
        counted.wait(unsolicited_refused=0)
        client.reset()
        again.reset()
    all_quiet()


def test_pool_taken_back(mcp, pool, client_wire, server_wire):
    """A session goes on when its address is taken from the pool; new ones come
    from elsewhere."""
    counted = mcp()
    pool("10.50.0.0/24")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        client.establish(client.answer())
        counted.wait(session_bound=1)
        ctl("pool flush")
        converse(client, server, b"still there")
        assert server.syns[0].src.startswith("10.50.0.")
        client.reset()
        counted.wait(session_client_reset=1)
        other = raw_client(client_wire)
        other.syn(codec.mp_convert(RAW_SERVER4, 80))
        other.establish(other.answer())
        assert server.syns[-1].src == "10.0.9.1"
        other.reset()
    all_quiet()


def test_pool_and_path_mtu(mcp, pool, client_wire, server_wire):
    """An ICMP error about a connection from the pool reaches its socket: the
    MCP sends smaller segments, and the connection goes on (RFC 5382 REQ-9 and
    REQ-10)."""
    counted = mcp()
    pool("10.50.0.0/24")
    client = raw_client(client_wire)
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        client.establish(client.answer())
        counted.wait(session_bound=1)
        taken, server.data = server.data, lambda key, segment: None
        client.data(bytes(1400))
        big = until(lambda: [seen for seen in server.seen if len(seen.payload) > 1000])[0]
        about = big.raw[:28]
        server.wire.send(icmp_packet("10.99.0.254", 3, 4, about, mtu=700))
        until(lambda: [seen for seen in server.seen if 0 < len(seen.payload) <= 700])
        # A host unreachable is no reason to end it.
        server.wire.send(icmp_packet("10.99.0.254", 3, 1, about))
        server.data = taken
        until(lambda: sum(map(len, server.received.values())) >= 1400, 20)
        counted.wait(session_server_reset=0)
        client.reset()
    all_quiet()


def test_ports_exhausted(mcp, pool, client_wire, server_wire):
    """When no port is left a client is refused, with a reason of its own, until
    one is given back."""
    counted = mcp()
    pool("10.50.0.1 ports 5000-5003")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]) as server:
        clients = [raw_client(client_wire) for _ in range(4)]
        for client in clients:
            client.syn(codec.mp_convert(RAW_SERVER4, 80))
            client.establish(client.answer())
        assert {syn.sport for syn in server.syns} == set(range(5000, 5004))
        late = raw_client(client_wire)
        late.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_reset_of(late.answer(), late)
        late = raw_client(client_wire)
        late.syn(codec.convert(RAW_SERVER4, 80))
        late.establish(late.answer())
        assert codec.read_error(late.stream()[0])[0] == codec.RESOURCE_EXCEEDED
        late.reset()
        counted.wait(refused_ports=2, dial_no_resources=2)
        clients[0].reset()
        counted.wait(session_client_reset=1)
        late = raw_client(client_wire)
        late.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_synack_of(late.answer(), late)
        ctl("session flush")
    all_quiet()


def test_ports_of_a_client(mcp, client_wire, server_wire):
    """No client takes the ports of all (RFC 6888 REQ-4)."""
    counted = mcp("max-ports-client 2")
    with Server(server_wire, RAW_SERVER4, OPTIONS["all"]):
        greedy = [raw_client(client_wire, address="10.77.0.9") for _ in range(3)]
        for number, client in enumerate(greedy):
            client.syn(codec.mp_convert(RAW_SERVER4, 80))
            answer = client.answer()
            assert (is_synack_of if number < 2 else is_reset_of)(answer, client)
        counted.wait(refused_ports_client=1)
        other = raw_client(client_wire)
        other.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_synack_of(other.answer(), other)
        ctl("session flush")
    all_quiet()


FIREWALL = """table ip gateway {
	chain in {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		tcp dport 5124 accept
		counter
	}
	chain post {
		type nat hook postrouting priority 100;
		oifname "ms0" masquerade
	}
	chain pre {
		type filter hook prerouting priority -150;
		ct state invalid counter drop
	}
}"""


@pytest.mark.parametrize("ranges", [(), ("10.50.0.0/24",)])
def test_firewall(mcp, pool, client_wire, server_wire, ranges):
    """A gateway that tracks connections, drops what it does not know, checks
    reverse paths and masquerades: a dial is a connection like any other."""
    counted = mcp()
    pool(*ranges)
    run("m", "nft", FIREWALL)
    run("m", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    try:
        with Server(server_wire, RAW_SERVER4, OPTIONS["all"], b"banner") as server:
            client = raw_client(client_wire)
            client.syn(codec.mp_convert(RAW_SERVER4, 80) + b"early")
            client.establish(client.answer())
            assert client.stream(5, lambda heard: len(heard) == 11)[0] == b"bannerearly"
            converse(client, server, b"more")
            assert {syn.src for syn in server.syns} == {"10.0.9.1"}
            client.send(FIN | ACK)
            client.seq += 1
            assert client.stream()[1] == FIN
        counted.wait(session_closed=1)
        refused = raw_client(client_wire)
        with Answering(server_wire, lambda syn, before: "rst", [RAW_SERVER4]):
            refused.syn(codec.mp_convert(RAW_SERVER4, 80))
            assert is_reset_of(refused.answer(), refused)
    finally:
        run("m", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        run("m", "nft", "delete table ip gateway")
    all_quiet()
