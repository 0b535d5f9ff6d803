"""What goes through a conversion arrives, whole and once."""

import socket

import pytest

import codec
from capture import MP_CAPABLE, has_mptcp, mptcp_subtypes
from lab import DEBUG, MPTCP_FASTOPEN
from netns import wait_for
from streams import MB, background, end_both, finish, transfer

CODECS = ["mp-convert", "convert"]
PROTOCOLS = ["mptcp", "tcp"]
EARLY = [b"", b"!", bytes(range(240)) * 5]

if DEBUG:
    print("test_data: 5 MB instead of 100, the debug kernel is slow")
BULK = (5 if DEBUG else 100) * MB


def extended_tcp_header(client):
    """The server's TCP options, as the MCP told a Convert client."""
    assert [kind for kind, _ in client.reply] == [codec.EXTENDED_TCP_HEADER]
    value = client.reply[0][1]
    assert value[:2] == b"\0\0"
    return value[2:]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("coding", CODECS)
def test_conversion(lab, coding, protocol):
    """A client of either protocol reaches servers of both families, and its early
    data gets there once, without the request."""
    lab.up("require-mptcp off")
    link = lab.capture(lab.server, "s0", "tcp[tcpflags] & tcp-syn != 0 or (ip6 and tcp)")
    listeners = {family: lab.listen(family) for family in (4, 6)}
    early_octets = up = down = 0

    def repeated():
        return sum(ns.nstat()["TcpExtTCPSynRetrans"] for ns in (lab.client, lab.mcp))
    before = repeated()
    for near, far in ((4, 4), (6, 6), (6, 4), (4, 6)):
        for early in EARLY:
            client = lab.connect(
                listeners[far], early, codec=coding, protocol=protocol, family=near)
            server = listeners[far].accept()
            assert server.read_exactly(len(early)) == early
            session = lab.session()
            assert session["codec"] == coding
            assert session["upstream"] == protocol
            assert session["server"]["address"] == listeners[far].address
            assert session["client"]["address"] == client.getsockname()[0]
            assert session["external"]["port"] == server.getpeername()[1]
            port = server.getpeername()[1]
            synack = [segment for segment in link.synacks() if segment.dport == port][-1]
            if coding == "convert":
                assert extended_tcp_header(client) == synack.options
            transfer(client, server, 50_000, seed=1)
            transfer(server, client, 60_000, seed=2)
            end_both(client, server)
            lab.wait_idle()
            early_octets += len(early)
            up += len(early) + 50_000
            down += 60_000
    assert all(not syn.payload for syn in link.syns())
    lab.wait_stats(
        early_data_octets=early_octets, octets_up=up, octets_down=down, session_closed=12,
        session_bound=12, session_mptcp=12 if protocol == "mptcp" else 0,
        request_convert=12 if coding == "convert" else 0, syn_answered=12, reply_reset=0)
    # A SYN and its answer come again where the machine was slow.
    most = 12 + repeated() - before
    seen, echoes = lab.echoes(), lab.stats()["echo-sent"]
    answered, other = ("unechoed", "echoed") if coding == "convert" else ("echoed", "unechoed")
    assert 12 <= seen["inserted"] <= most and 12 <= seen[answered] <= most
    assert seen[other] == seen["foreign"] == seen["failed"] == 0
    assert echoes == 0 if coding == "convert" else 12 <= echoes <= most


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("coding", CODECS)
def test_fast_open(lab, coding, protocol):
    """A program that puts the request into its SYN by Fast Open needs no help."""
    if protocol == "mptcp" and not MPTCP_FASTOPEN:
        pytest.skip("MPTCP sockets of this kernel have no Fast Open")
    lab.up("echo off require-mptcp off")
    listener = lab.listen()
    for family in (4, 6):
        for early in EARLY:
            client = lab.connect(
                listener, early, codec=coding, protocol=protocol, family=family, via="tfo")
            server = listener.accept()
            assert server.read_exactly(len(early)) == early
            assert lab.session()["upstream"] == protocol
            transfer(client, server, 50_000, seed=1)
            transfer(server, client, 60_000, seed=2)
            end_both(client, server)
            lab.wait_idle()
    stats = lab.wait_stats(session_closed=6, syn_answered=6, request_late=0)
    assert stats["early-data-octets"] == 2 * sum(map(len, EARLY))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("coding", CODECS)
def test_late_request(lab, coding, protocol):
    """A client whose SYN lost its payload sends the request in the stream."""
    lab.up("require-mptcp off")
    listener = lab.listen()
    for family in (4, 6):
        for early in EARLY:
            client = lab.connect(
                listener, early, codec=coding, protocol=protocol, family=family, via="late")
            server = listener.accept()
            assert server.read_exactly(len(early)) == early
            transfer(client, server, 50_000, seed=1)
            transfer(server, client, 60_000, seed=2)
            end_both(client, server)
            lab.wait_idle()
    lab.wait_stats(session_closed=6, request_late=6, syn_answered=0)


def test_stays_mptcp(lab):
    """The echo in the SYN/ACK costs the client nothing of its MPTCP."""
    lab.up()
    link = lab.capture(lab.client, "c0", "tcp port 5124")
    listener = lab.listen()
    client = lab.connect(listener, b"early")
    server = listener.accept()
    assert server.read_exactly(5) == b"early"
    transfer(client, server, MB)
    transfer(server, client, MB)
    request = codec.mp_convert(listener.address, listener.port)
    (synack,) = link.synacks()
    assert synack.payload == request
    assert MP_CAPABLE in mptcp_subtypes(synack)
    (syn,) = link.syns()
    assert syn.payload == request + b"early"
    assert synack.ack == syn.end
    session = lab.session()
    assert (session["upstream"], session["subflows"]) == ("mptcp", 1)
    assert (session["bytes_up"], session["bytes_down"]) == (MB + 5, MB)
    end_both(client, server)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bulk_up(lab, protocol):
    """An upload of 100 MB, with not an octet in the other direction, is intact."""
    lab.up("require-mptcp off")
    listener = lab.listen()
    client = lab.connect(listener, protocol=protocol)
    server = listener.accept()
    sending = background(client.send_stream, BULK)
    server.receive_known(BULK)
    finish(sending)
    client.half_close()
    assert server.at_end()
    server.close()
    assert client.at_end()
    client.close()
    lab.wait_stats(octets_up=BULK, octets_down=0, session_closed=1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bulk_down(lab, protocol):
    """A download of 100 MB, for which the client never says a word, is intact."""
    lab.up()
    listener = lab.listen(6)
    client = lab.connect(listener, protocol=protocol, codec="convert", family=6)
    server = listener.accept()
    sending = background(server.send_stream, BULK, 2)
    client.receive_known(BULK, 2)
    finish(sending)
    server.half_close()
    assert client.at_end()
    client.close()
    assert server.at_end()
    server.close()
    lab.wait_stats(octets_up=0, octets_down=BULK, session_closed=1)


def test_both_directions_at_once(lab):
    """Upload and download at the same time do not disturb each other."""
    lab.up()
    size = BULK // 2
    listener = lab.listen()
    client = lab.connect(listener)
    server = listener.accept()
    up = background(transfer, client, server, size, 1)
    down = background(transfer, server, client, size, 2)
    finish(up)
    finish(down)
    end_both(client, server)
    lab.wait_stats(octets_up=size, octets_down=size, session_closed=1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_server_speaks_first(lab, protocol):
    """A server's banner arrives although the client has said nothing yet."""
    lab.up("require-mptcp off")
    listener = lab.listen()
    client = lab.connect(listener, protocol=protocol)
    server = listener.accept()
    server.sendall(b"220 ready\r\n")
    assert client.read_exactly(11) == b"220 ready\r\n"
    client.sendall(b"EHLO\r\n")
    assert server.read_exactly(6) == b"EHLO\r\n"
    end_both(client, server)
    lab.wait_stats(octets_up=6, octets_down=11, session_closed=1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_small_writes(lab, protocol):
    """Thousands of small writes arrive in order, in both directions."""
    lab.up("require-mptcp off")
    listener = lab.listen()
    client = lab.connect(listener, protocol=protocol)
    server = listener.accept()
    text = b"".join(b"%d\n" % number for number in range(4000))

    def write(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(4000):
            sock.sendall(b"%d\n" % number)
    up = background(write, client)
    down = background(write, server)
    assert server.read_exactly(len(text)) == text
    assert client.read_exactly(len(text)) == text
    finish(up)
    finish(down)
    end_both(client, server)
    lab.wait_stats(octets_up=len(text), octets_down=len(text))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_urgent(lab, protocol):
    """An octet that is marked urgent arrives in its place: MPTCP has no such mark."""
    lab.up("require-mptcp off")
    listener = lab.listen()
    client = lab.connect(listener, protocol=protocol)
    server = listener.accept()
    for _ in range(20):
        server.sendall(bytes(5000))
        server.send(b"!", socket.MSG_OOB)
        server.sendall(b"behind")
        assert client.read_exactly(5007) == bytes(5000) + b"!behind"
    client.sendall(b"before")
    if protocol == "tcp":
        client.send(b"!", socket.MSG_OOB)
    text = b"before!" if protocol == "tcp" else b"before"
    assert server.read_exactly(len(text)) == text
    end_both(client, server)


def ping_pong(client, server):
    for number in range(50):
        client.sendall(b"ping %d" % number)
        assert server.recv(100) == b"ping %d" % number
        server.sendall(b"pong %d" % number)
        assert client.recv(100) == b"pong %d" % number


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dialogue(lab, protocol):
    """Question and answer go through as they are, none waits for another."""
    lab.up("require-mptcp off")
    listener = lab.listen()
    client = lab.connect(listener, protocol=protocol)
    server = listener.accept()
    ping_pong(client, server)
    end_both(client, server)


TOS = 0xb8      # DSCP EF, no ECN


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("via", ["insert", "late"])
def test_dscp(lab, protocol, family, via):
    """What client and server mark as urgent stays so on the other side."""
    lab.up("require-mptcp off")
    near = lab.capture(lab.client, "c0", "tcp or (ip6 and tcp)")
    far = lab.capture(lab.server, "s0", "tcp or (ip6 and tcp)")
    listener = lab.listen(family)
    mark_tos(listener.sock, family)
    # MPTCP sockets do not take IPV6_TCLASS: let the link mark those.
    prepare = None
    if protocol == "tcp" or family == 4:
        prepare = lambda sock: mark_tos(sock, family)
    else:
        lab.client.nft("table ip6 urgent { chain out { type route hook output priority 0; "
                       "tcp dport 5124 ip6 dscp set ef; }; }")
    client = lab.connect(listener, b"early", protocol=protocol, family=family, prepare=prepare,
                         via=via)
    server = listener.accept()
    assert server.read_exactly(5) == b"early"
    transfer(client, server, 1000)
    transfer(server, client, 1000)
    from_mcp = far.segments(lambda segment: segment.dport == 80)
    assert from_mcp and {segment.tos for segment in from_mcp} == {TOS}
    with_data = near.segments(
        lambda segment: segment.sport == 5124 and segment.payload and not segment.flags & 2)
    assert with_data and {segment.tos for segment in with_data} == {TOS}
    end_both(client, server)


def mark_tos(sock, family):
    if family == 4:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, TOS)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, TOS)


def test_no_dscp(lab):
    """Nothing is marked that neither side has marked."""
    lab.up()
    far = lab.capture(lab.server, "s0", "tcp port 80")
    listener = lab.listen()
    client = lab.connect(listener, b"early")
    server = listener.accept()
    assert server.read_exactly(5) == b"early"
    assert {segment.tos for segment in far.segments()} == {0}
    end_both(client, server)


FIREWALL = """
table inet firewall {
	chain input {
		type filter hook input priority 0; policy accept;
		ct state invalid counter drop
		ct state established,related counter accept
		tcp dport 5124 ct state new counter accept
		ip protocol tcp counter drop
		ip6 nexthdr tcp counter drop
	}
}
"""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_stateful_firewall(lab, protocol):
    """An MCP behind connection tracking that drops what is invalid converts."""
    lab.mcp.nft(FIREWALL)
    lab.up("require-mptcp off")
    if protocol == "mptcp":
        lab.second_path()
    for family in (4, 6):
        listener = lab.listen(family)
        for coding in CODECS:
            client = lab.connect(
                listener, b"early", codec=coding, protocol=protocol, family=family)
            server = listener.accept()
            assert server.read_exactly(5) == b"early"
            transfer(client, server, MB)
            if protocol == "mptcp" and family == 4:
                lab.wait_subflows(2)
            transfer(server, client, MB)
            end_both(client, server)
            lab.wait_idle()
    lab.wait_stats(session_closed=4)
    invalid = lab.mcp.run("nft", "list", "table", "inet", "firewall").stdout
    assert "ct state invalid counter packets 0 " in invalid, invalid


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_held_clients(lab, protocol):
    """Fifty clients of a slow server wait side by side, and all are served."""
    lab.up("require-mptcp off hold-timeout 60s")
    near = lab.capture(lab.client, "c0", "tcp port 5124")
    listener = lab.listen()
    # Nobody hears from the server until the qdisc is gone.
    lab.server.nft("table netdev hold { chain out { type filter hook egress device s0 "
                   "priority 0; tcp flags & syn == syn drop; }; }")
    futures = [background(lab.connect, listener, b"early", protocol=protocol)
               for _ in range(50)]
    wait_for(lambda: lab.count()["half_open"] == 50, what="50 held SYNs")
    assert not near.synacks()
    lab.server.nft("delete table netdev hold")
    clients = {}
    for future in futures:
        client = finish(future)
        clients[lab_port(client)] = client
    for _ in range(50):
        assert listener.accept().read_exactly(5) == b"early"
    stats = lab.wait_stats(dial_accepted=50, session_bound=50, syn_answered_early=0)
    # Where the machine is slow, some were held until their SYN came without MP_CAPABLE.
    late = {syn.sport for syn in near.syns() if not has_mptcp(MP_CAPABLE)(syn)}
    assert 50 - len(late) <= stats["session-mptcp"] <= (50 if protocol == "mptcp" else 0)


def lab_port(sock):
    return sock.getsockname()[1]
