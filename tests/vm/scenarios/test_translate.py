"""mptcp withdraw, packet by packet: what a translated connection's ends see."""

import hashlib
import struct
import time
from ipaddress import ip_address

import pytest

import codec
from scene import (RAW_SERVER4, RAW_SERVER6, all_quiet, ctl, raw_client, run, sessions,
                   until)
from wire import (ACK, FIN, MP_CAPABLE, RST, SYN, Answering, checksum, icmp_packet,
                  parse, pseudo_header, tcp_packet)

pytest_plugins = ["scene"]

RAW_SERVER = {4: RAW_SERVER4, 6: RAW_SERVER6}
KEY = b"serverke"
TOKEN = hashlib.sha256(KEY).digest()[:4]
MSS, WSCALE, TIMESTAMP, MPTCP = 2, 3, 8, 30

CLIENT_OPTIONS = b"\x02\x04\x05\x78\1\3\3\x09\1\1\x08\x0a\0\0\x30\x39\0\0\0\0" + MP_CAPABLE
SERVER_OPTIONS = (b"\x02\x04\x05\xb4\1\3\3\7\1\1\x08\x0a\0\0\x10\x00\0\0\x30\x39"
                  b"\x1e\x0c\x01\x01" + KEY)
# The MCP's name for what the server says is KEY; the client hears it as it is.
SHORT = "mptcp withdraw transitory-idle 4s i-know"
LONG = "mptcp withdraw"


class Both:
    """A client and a server played by hand, and the withdrawn session between."""

    def __init__(self, client, server, family=4):
        self.client, self.server, self.family = client, server, family
        self.request = codec.mp_convert(RAW_SERVER[family], 80)
        self.seen = []
        server.data = lambda key, segment: self.seen.append(segment)

    def open(self, options=CLIENT_OPTIONS, **kwargs):
        """Up to the ACK that completes the handshake."""
        self.client.syn(self.request, options=options, **kwargs)
        self.synack = self.client.answer()
        assert self.synack and self.synack.flags == SYN | ACK
        self.client.ack = self.synack.end
        self.client.seq = self.synack.ack
        self.syn = self.server.syns[-1]
        return self

    def confirm(self):
        self.client.send(ACK)
        until(lambda: self.seen)
        return self

    def up(self, flags, payload=b"", **kwargs):
        """A segment of the client, as the server sees it."""
        before = len(self.seen) + len(self.server.resets)
        self.client.send(flags, payload, **kwargs)
        self.client.seq = (self.client.seq + len(payload) + bool(flags & FIN)) % 2**32
        until(lambda: len(self.seen) + len(self.server.resets) > before)
        return self.server.resets[-1] if flags & RST else self.seen[-1]

    def down(self, flags, payload=b"", seq=None, **kwargs):
        """A segment of the server, as the client sees it."""
        self.say(flags, payload, seq, **kwargs)
        segment = self.client.answer()
        self.client.ack = segment.end
        return segment

    def say(self, flags, payload=b"", seq=None, **kwargs):
        self.server.wire.send(tcp_packet(
            self.syn.dst, self.syn.dport, self.syn.src, self.syn.sport, flags,
            self.client.ack if seq is None else seq, self.client.seq, payload, **kwargs))

    def state(self):
        return sessions()[0]["state"]

    def wait_state(self, state):
        until(lambda: self.state() == state, what=state)


@pytest.fixture
def both(mcp, client_wire, server_wire):
    """A function that makes a withdrawn session: both(settings, family=4)."""
    running = []

    def make(settings=SHORT, family=4, isn=None):
        counted = mcp(settings)
        # What the host has learnt of the path from others has a say in the MSS.
        run("m", "ip", "route", "flush", "cache")
        server = Answering(server_wire, None, [RAW_SERVER[family], "10.99.0.254"])
        server.on_syn = lambda syn, before: tcp_packet(
            syn.dst, syn.dport, syn.src, syn.sport, SYN | ACK, 1000, syn.end, b"",
            SERVER_OPTIONS, window=4321)
        server.__enter__()
        running.append(server)
        client = raw_client(client_wire, family)
        if isn is not None:
            client.isn = isn
        client_wire.drain()
        pair = Both(client, server, family)
        pair.counted = counted
        return pair
    yield make
    for server in running:
        server.__exit__()
    ctl("session flush")
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("isn", [None, 2**32 - 5])
def test_handshake(both, family, isn):
    """Field by field: the SYN is the client's but for its payload and the room
    there is; the SYN/ACK the server's but for the echo."""
    pair = both(family=family, isn=isn).open(tos=0x28)
    syn, synack, client = pair.syn, pair.synack, pair.client
    shift = len(pair.request)
    assert (syn.flags, syn.seq) == (SYN, (client.isn + shift) % 2**32)
    assert not syn.payload and syn.tos == 0x28
    window = struct.unpack_from("!H", syn.raw, len(syn.raw) - len(syn.options) - 6)[0]
    assert window == 65535
    for kind in MSS, WSCALE, TIMESTAMP, MPTCP:
        mine = parse(client.packet(SYN, options=CLIENT_OPTIONS)).option(kind)
        assert syn.option(kind) == mine, kind
    assert syn.option(4) is None                # SACK, which the client has not offered
    assert (synack.seq, synack.ack) == ((1000 - shift) % 2**32, client.isn + 1 + shift & 2**32 - 1)
    assert synack.payload == pair.request       # the echo
    most = struct.pack("!H", 1460 if family == 4 else 1440)
    for kind in WSCALE, TIMESTAMP, MPTCP:
        assert synack.option(kind) == parse(tcp_packet("10.0.0.1", 1, "10.0.0.2", 2, SYN, 0,
                                                       options=SERVER_OPTIONS)).option(kind)
    assert synack.option(MSS) == min(most, b"\x05\xb4")
    pair.confirm()
    # From here on, only addresses and ports.
    stamp = b"\1\1\x08\x0a\0\0\x30\x40\0\0\x10\x01"
    segment = pair.up(ACK, b"hello", options=stamp, tos=0x2a, window=77)
    assert (segment.seq, segment.ack, segment.payload) == (syn.end, 1001, b"hello")
    assert segment.options == stamp and segment.tos == 0x2a
    segment = pair.down(ACK, b"world", options=stamp, tos=0x11)
    assert (segment.seq, segment.ack, segment.payload) == (1001, client.seq, b"world")
    assert segment.options == stamp and segment.tos == 0x11
    assert valid(segment.raw)
    pair.counted.wait(session_withdrawn=1, session_bound=1, echo_sent=1, syn_answered=1)


def valid(raw):
    """Whether the checksums of a TCP packet are right."""
    off = 20 if raw[0] >> 4 == 4 else 40
    if off == 20 and checksum(raw[:20]):
        return False
    src, dst = (raw[12:16], raw[16:20]) if off == 20 else (raw[8:24], raw[24:40])
    return checksum(pseudo_header(src, dst, len(raw) - off, 6) + raw[off:]) == 0


def test_mss_of_both_routes(both):
    """Neither side is promised more than the way to the other has room for."""
    run("m", "ip", "route", "replace", "10.99.0.0/16", "via", "10.0.9.2", "mtu", "1300")
    run("m", "ip", "route", "replace", "10.77.0.0/16", "via", "10.0.1.2", "mtu", "1200")
    try:
        pair = both().open()
        assert pair.syn.option(MSS) == struct.pack("!H", 1260)
        assert pair.synack.option(MSS) == struct.pack("!H", 1160)
        assert valid(pair.synack.raw)
        # The same in what is translated.
        pair.say(SYN | ACK, options=SERVER_OPTIONS, seq=1000)
        again = pair.client.answer()
        assert again.option(MSS) == struct.pack("!H", 1160) and valid(again.raw)
        assert (again.seq, again.payload) == (pair.synack.seq, pair.request)
        pair.client.send(SYN, pair.request, pair.client.isn, options=CLIENT_OPTIONS)
        until(lambda: len(pair.server.syns) == 2)
        assert pair.server.syns[1].option(MSS) == struct.pack("!H", 1260)
    finally:
        run("m", "ip", "route", "replace", "10.99.0.0/16", "via", "10.0.9.2")
        run("m", "ip", "route", "replace", "10.77.0.0/16", "via", "10.0.1.2")


@pytest.mark.parametrize("payload", [True, False])
def test_syn_again(both, payload):
    """The client's SYN comes again, after the answer, with its payload or without:
    for the server it is the SYN that it knows."""
    pair = both().open()
    pair.client.send(SYN, pair.request if payload else b"", pair.client.isn,
                     options=CLIENT_OPTIONS)
    until(lambda: len(pair.server.syns) == 2)
    again = pair.server.syns[1]
    assert (again.seq, again.payload) == (pair.syn.seq, b"")
    assert all(again.option(kind) == pair.syn.option(kind)
               for kind in (MSS, WSCALE, TIMESTAMP, MPTCP))
    assert (again.src, again.sport) == (pair.syn.src, pair.syn.sport) and valid(again.raw)
    synack = pair.client.answer()
    assert (synack.seq, synack.ack, synack.payload) == \
        (pair.synack.seq, pair.synack.ack, pair.request) and valid(synack.raw)
    pair.counted.wait(session_new=1, echo_sent=2)


def test_syn_before_the_answer(mcp, client_wire, server_wire):
    """While the client waits, each SYN of ours has the clock of the SYN that it
    follows."""
    mcp("mptcp withdraw hold-timeout 20s")
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        client.syn(codec.mp_convert(RAW_SERVER4, 80), options=CLIENT_OPTIONS)
        until(lambda: len(server.syns) == 1)
        assert server.syns[0].option(TIMESTAMP)[:4] == b"\0\0\x30\x39"
        later = CLIENT_OPTIONS.replace(b"\0\0\x30\x39", b"\0\x10\0\0")
        client.send(SYN, b"", client.isn, options=later)
        until(lambda: len(server.syns) == 2)
        assert server.syns[1].option(TIMESTAMP)[:4] == b"\0\x10\0\0"
        ctl("session flush")
    all_quiet()


E_SYN, E_FIN, E_RST, E_OTHER = SYN, FIN | ACK, RST | ACK, ACK
# RFC 6146 section 3.5.2.2: what each side says, and the state after that.
COURSES = {
    "client closes first": [("up", FIN | ACK, "internal-fin"), ("down", ACK, "internal-fin"),
                            ("down", FIN | ACK, "both-fin"), ("up", ACK, "both-fin")],
    "server closes first": [("down", FIN | ACK, "external-fin"), ("up", ACK, "external-fin"),
                            ("up", FIN | ACK, "both-fin"), ("down", ACK, "both-fin")],
    "client resets": [("up", RST | ACK, "trans"), ("up", ACK, "established"),
                      ("up", RST, "trans"), ("down", ACK, "established")],
    "server resets": [("down", RST | ACK, "trans"), ("down", RST, "trans"),
                      ("down", ACK, "established")],
    "half-closed, reset": [("up", FIN | ACK, "internal-fin"), ("down", RST | ACK, "trans"),
                           ("down", ACK, "established")],
    "closed, and more": [("up", FIN | ACK, "internal-fin"), ("down", FIN | ACK, "both-fin"),
                         ("up", RST, "both-fin"), ("down", ACK, "both-fin")],
}


@pytest.mark.parametrize("course", COURSES)
def test_states(both, course):
    """The state machine, driven by packets."""
    pair = both(LONG).open()
    assert pair.state() == "established"
    pair.confirm()
    for way, flags, state in COURSES[course]:
        segment = (pair.up if way == "up" else pair.down)(flags)
        assert segment.flags == flags and valid(segment.raw)
        pair.wait_state(state)


def test_checksum(both):
    """A FIN, a RST and a SYN that were spoilt on their way change nothing and go no
    further; spoilt data does, and is as spoilt as before."""
    pair = both(LONG).open().confirm()
    for flags in FIN | ACK, RST | ACK, SYN:
        pair.client.send(flags, spoil=True)
    segment = pair.up(ACK, b"data", spoil=True)
    assert segment.payload == b"data" and not valid(segment.raw)
    assert len(pair.seen) == 2 and not pair.server.resets and len(pair.server.syns) == 1
    assert pair.state() == "established"


def test_never_completed(both):
    """A client that does not complete its handshake is given up with the syn-timeout,
    and the server is told; meanwhile the session is half-open."""
    pair = both("mptcp withdraw syn-timeout 1s").open()
    until(lambda: pair.server.resets)
    reset = pair.server.resets[0]
    assert (reset.seq, reset.sport) == (pair.syn.end, pair.syn.sport)
    pair.counted.wait(session_client_gone=1, session_bound=0)


def test_reset_of_a_handshake(both):
    """A client that resets instead of completing takes all back at once."""
    pair = both(LONG).open()
    pair.client.send(RST, seq=pair.client.seq)
    until(lambda: pair.server.resets)
    pair.counted.wait(session_client_reset=1)


@pytest.mark.parametrize("setting, probed", [("any", False), ("outbound", True)])
def test_refresh(both, setting, probed):
    """What the server says keeps a session alive, unless only the client's packets
    are to count (RFC 7857 section 7)."""
    pair = both("mptcp withdraw established-idle 5s transitory-idle 240s i-know "
                f"refresh {setting}").open().confirm()
    for _ in range(8):
        pair.down(ACK, b"x")
        time.sleep(0.8)
    assert bool(pair.counted["session-probed"]) == probed


@pytest.mark.parametrize("family", [4, 6])
def test_probe(both, family):
    """The probe: an empty segment just below the window, with timestamps where the
    connection has them, to either end."""
    pair = both("mptcp withdraw established-idle 5s transitory-idle 15s i-know", family).open()
    stamp = b"\1\1\x08\x0a\0\0\x30\x41\0\0\x10\x02"
    pair.client.send(ACK, options=stamp)
    until(lambda: pair.seen)
    pair.up(ACK, b"abc", options=stamp)
    pair.down(ACK, b"12345", options=b"\1\1\x08\x0a\0\0\x10\x03\0\0\x30\x41")
    pair.up(ACK, options=stamp)
    to_client = pair.client.answer(20)
    to_server = until(lambda: [seen for seen in pair.seen if seen.flags == ACK and
                               seen.seq == (pair.client.seq - 1) % 2**32])[0]
    assert (to_client.seq, to_client.ack, to_client.payload) == \
        (pair.client.ack - 1, pair.client.seq, b"")
    assert to_server.ack == pair.client.ack
    assert to_client.option(TIMESTAMP) == b"\0\0\x10\x03\0\0\x30\x41"
    assert to_server.option(TIMESTAMP) == b"\0\0\x30\x41\0\0\x10\x03"
    assert valid(to_client.raw) and valid(to_server.raw)
    pair.counted.wait(session_probed=1)
    pair.wait_state("trans")
    pair.up(ACK)
    pair.wait_state("established")


def test_hop_limit(both):
    """A packet that may go no further is answered as a router would; others have
    one hop less."""
    pair = both(LONG).open().confirm()
    packet = bytearray(pair.client.packet(ACK, b"far"))
    packet[8] = 1
    packet[10:12] = bytes(2)
    packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
    heard = []
    pair.client.wire.send(bytes(packet))
    deadline = time.monotonic() + 5
    while raw := pair.client.wire.receive(deadline):
        if raw[9] == 1:
            heard.append(raw)
            break
    assert heard[0][20:22] == b"\x0b\0" and heard[0][28 + 12:28 + 16] == packet[12:16]
    assert pair.up(ACK, b"near").raw[8] == 63


KINDS = {4: [(3, 0), (3, 1), (3, 3), (3, 13), (11, 0), (12, 0), (3, 4)],
         6: [(1, 0), (1, 1), (1, 3), (1, 4), (3, 0), (4, 0), (2, 0)]}


def icmp_about(raw):
    """Of an ICMP error: type, code, MTU, source, and the packet it is about."""
    off = 20 if raw[0] >> 4 == 4 else 40
    kind, code, _, mtu = struct.unpack_from("!BBHI", raw, off)
    src = raw[12:16] if off == 20 else raw[8:24]
    dst = raw[16:20] if off == 20 else raw[24:40]
    body = raw[off:]
    total = checksum(body) if off == 20 else checksum(pseudo_header(src, dst, len(body), 58) + body)
    assert total == 0, "the checksum of the ICMP error"
    return kind, code, mtu, str(ip_address(src)), raw[off + 8:]


def next_icmp(wire, seconds=5):
    deadline = time.monotonic() + seconds
    while raw := wire.receive(deadline):
        if (raw[0] >> 4 == 4 and raw[9] == 1) or (raw[0] >> 4 == 6 and raw[6] == 58 and
                                                  raw[40] < 128):
            return raw
    return None


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("short", [True, False])
def test_icmp(both, family, short):
    """ICMP errors of routers on either side reach the end whose packet they are
    about, as if about the packet that it has sent; and end nothing (RFC 5382 REQ-9
    and REQ-10, RFC 5508). Some have little of the packet."""
    pair = both(LONG, family).open().confirm()
    sent = pair.client.packet(ACK, bytes(100))
    arrived = pair.up(ACK, bytes(100)).raw
    cut = (28 if family == 4 else 48) if short else len(arrived)
    router = "10.99.0.254" if family == 4 else "fd99::fe"
    for kind, code in KINDS[family]:
        pair.server.wire.send(icmp_packet(router, kind, code, arrived[:cut], mtu=1300))
        got = icmp_about(next_icmp(pair.client.wire))
        assert got[:4] == (kind, code, 1300, router)
        about = got[4]
        assert about[20 if family == 4 else 40:][:8] == sent[20 if family == 4 else 40:][:8]
        start, end = (12, 20) if family == 4 else (8, 40)
        assert about[start:end] == sent[start:end]
        if not short:
            assert valid(about)
    pair.counted.wait(translated_icmp=len(KINDS[family]))
    # From the clients' side: the server hears of the external address alone.
    heard = []
    pair.server.on_raw = heard.append
    packet = tcp_packet(pair.syn.dst, 80, pair.syn.src, pair.syn.sport, ACK, 1001,
                        pair.client.seq, b"down")
    pair.server.wire.send(packet)
    arrived = pair.client.answer().raw
    near = "10.77.250.1" if family == 4 else "fd77:ffff::1"
    kind, code = KINDS[family][0]
    pair.client.wire.send(icmp_packet(near, kind, code, arrived[:cut]))
    got = icmp_about(until(lambda: [raw for raw in heard if raw[9] == 1 or raw[6] == 58])[0])
    assert got[:2] == (kind, code) and got[3] == pair.syn.src
    assert got[4][20 if family == 4 else 40:][:8] == packet[20 if family == 4 else 40:][:8]
    assert pair.state() == "established"
    pair.up(ACK, b"alive")


def test_icmp_forged(both):
    """An ICMP error with a wrong checksum, and one about a packet that nobody has
    sent, reach nobody."""
    pair = both(LONG).open().confirm()
    arrived = pair.up(ACK, bytes(100)).raw
    error = bytearray(icmp_packet("10.99.0.254", 3, 1, arrived))
    error[23] ^= 1
    pair.server.wire.send(bytes(error))
    other = tcp_packet(pair.syn.src, pair.syn.sport, "10.99.0.1", 81, ACK, 1)
    pair.server.wire.send(icmp_packet("10.99.0.254", 3, 1, other))
    pair.server.wire.send(icmp_packet("10.99.0.254", 3, 1, arrived))
    assert icmp_about(next_icmp(pair.client.wire))[:2] == (3, 1)
    assert next_icmp(pair.client.wire, 0.3) is None
    pair.counted.wait(translated_icmp=1)


def join_options(token):
    return b"\x02\x04\x05\xb4\x1e\x0c\x10\x01" + token + b"nonc"


def test_join(both, client_wire):
    """A further subflow is known by the server's token alone, from whatever address
    it comes. Each has a state of its own, and the session goes on with what is left."""
    pair = both(f"{SHORT} max-subflows 3").open().confirm()
    other = raw_client(client_wire)
    other.send(SYN, b"", other.isn, options=join_options(TOKEN))
    until(lambda: len(pair.server.syns) == 2)
    syn = pair.server.syns[1]
    assert (syn.src, syn.dst, syn.dport) == (pair.syn.src, RAW_SERVER4, 80)
    assert syn.sport != pair.syn.sport and syn.seq == other.isn
    assert syn.option(MPTCP) == join_options(TOKEN)[6:]
    other.seq = other.isn + 1 & 2**32 - 1
    synack = other.answer()
    assert (synack.seq, synack.ack, synack.payload) == (1000, other.seq, b"")
    other.establish(synack)
    until(lambda: sessions()[0]["subflows"] == 2)
    # A token that nobody knows, and one of the right session from the wrong family.
    stranger = raw_client(client_wire)
    stranger.send(SYN, b"", stranger.isn, options=join_options(b"\0\0\0\1"))
    assert stranger.answer().flags & RST
    six = raw_client(client_wire, 6)
    six.send(SYN, b"", six.isn, options=join_options(TOKEN))
    pair.counted.wait(join_translated=1, join_refused=1)
    # The first subflow ends; the session does not.
    pair.up(RST | ACK)
    until(lambda: sessions()[0]["subflows"] == 1, 10)
    other.data(b"still there")
    assert until(lambda: [seen for seen in pair.seen if seen.payload == b"still there"])
    other.send(RST, seq=other.seq)
    pair.counted.wait(session_client_reset=1)


def test_fragments(both):
    """What comes in fragments is put together, translated, and goes on as it came."""
    pair = both(LONG).open().confirm()
    heard = []
    pair.server.on_raw = lambda raw: heard.append(raw) if raw[6] & 0x20 or raw[7] else None
    whole = pair.client.packet(ACK, bytes(range(200)))
    head, body = whole[:20], whole[20:]
    for start, end in (0, 104), (104, len(body)):
        more = 0x2000 if end < len(body) else 0
        piece = bytearray(head[:2] + struct.pack("!HHH", 20 + end - start, 77, more | start // 8) +
                          head[8:10] + bytes(2) + head[12:20])
        piece[10:12] = struct.pack("!H", checksum(bytes(piece)))
        pair.client.wire.send(bytes(piece) + body[start:end])
    pieces = until(lambda: len(heard) == 2 and heard)
    first = bytearray(pieces[0])
    first[2:8] = struct.pack("!HHH", 20 + len(body), 77, 0)
    first[10:12] = bytes(2)
    first[10:12] = struct.pack("!H", checksum(bytes(first[:20])))
    segment = parse(bytes(first) + pieces[1][20:])
    assert segment.payload == bytes(range(200)) and valid(segment.raw)
    assert (segment.src, segment.sport) == (pair.syn.src, pair.syn.sport)


def test_another_syn(both):
    """A SYN with another number to a connection that lives is for the server to
    challenge. When it is closing, the SYN begins something new."""
    pair = both(LONG).open().confirm()
    isn = pair.client.isn + 77777 & 2**32 - 1
    pair.server.on_syn = lambda syn, before: tcp_packet(
        syn.dst, syn.dport, syn.src, syn.sport, ACK, 1001, pair.syn.end)
    pair.client.send(SYN, pair.request, isn, options=CLIENT_OPTIONS)
    challenge = pair.client.answer()
    assert (challenge.flags, challenge.seq, challenge.ack) == (ACK, 1001, pair.client.seq)
    assert not pair.server.syns[-1].payload
    pair.up(RST, seq=pair.client.seq)
    pair.wait_state("trans")
    pair.server.on_syn = lambda syn, before: tcp_packet(
        syn.dst, syn.dport, syn.src, syn.sport, SYN | ACK, 9000, syn.end, b"", SERVER_OPTIONS)
    pair.client.isn = isn
    pair.open().confirm()
    assert pair.synack.payload == pair.request
    pair.counted.wait(session_withdrawn=2, session_client_reset=1)
    assert len(sessions()) == 1
    assert pair.up(ACK, b"new").payload == b"new"



def test_ports_of_what_is_over(both, client_wire):
    """A connection that is over keeps its port for four minutes, unless others need
    it: then the oldest of them makes room. One that is alive never does."""
    pair = both(LONG)
    ctl("pool add 10.50.0.1 ports 5000-5031")
    pair.open().confirm()
    alive = pair.client, pair.syn
    for _ in range(50):
        pair.client = raw_client(client_wire)
        pair.seen.clear()
        pair.open().confirm()
        pair.up(FIN | ACK)
        pair.down(FIN | ACK)
    pair.counted.wait(session_withdrawn=51, refused_ports=0)
    assert pair.counted["session-closed"] >= 18
    assert len(sessions()) <= 33
    pair.client, pair.syn = alive
    assert pair.up(ACK, b"alive").payload == b"alive"
    ctl("pool flush")
