"""SYNs that are lost, repeated, replaced, taken back, broken or cut to pieces."""

import struct

import pytest

import codec
from scene import (MCP4, RAW_SERVER4, RAW_SERVER6, SERVER4, SERVER6, Server, all_quiet,
                   client_socket, count, ctl, is_synack_of, needs_fastopen, raw_client,
                   read_exactly, run, until)
from wire import ACK, FIN, PLAIN_OPTIONS, RST, SYN, Answering, checksum

pytest_plugins = ["scene"]

SERVER = {4: SERVER4, 6: SERVER6}
RAW_SERVER = {4: RAW_SERVER4, 6: RAW_SERVER6}


def waiting(server_wire, address):
    """A server that answers when the test says so."""
    return Answering(server_wire, lambda syn, before: None, [address], b"hello")


def first_syn(server):
    return until(lambda: server.syns and server.syns[0], what="the server's SYN")


def hear(client, wanted, seconds=5):
    """Takes data until that much came."""
    heard = b""
    for segment in client.wire.segments(seconds, client.mine):
        if segment.seq == client.ack and segment.payload:
            heard += segment.payload
            client.ack = segment.end
            client.send(ACK)
        if len(heard) >= len(wanted):
            break
    assert heard == wanted


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("request_of", [codec.mp_convert, codec.convert])
def test_retransmitted(mcp, client_wire, server_wire, family, request_of):
    """However often a client repeats its SYN, with payload or without, it has
    one session and gets the same answer."""
    counted = mcp("hold-timeout 20s")
    client = raw_client(client_wire, family)
    request = request_of(RAW_SERVER[family], 80) + b"early"
    with waiting(server_wire, RAW_SERVER[family]) as server:
        client.syn(request)
        syn = first_syn(server)
        for payload in request, b"", b"", request:
            client.send(SYN, payload, client.isn, options=PLAIN_OPTIONS)
        counted.wait(syn_retransmitted=4, dial=1, session_new=1)
        assert count()["total"] == 1
        assert client.answer(0.2) is None
        server.accept(syn)
        first = client.answer()
        assert is_synack_of(first, client)
        for payload in request, b"":
            client.send(SYN, payload, client.isn)
            again = client.answer()
            assert is_synack_of(again, client)
            assert (again.seq, again.payload) == (first.seq, first.payload)
        counted.wait(dial=1, session_new=1)
        client.establish(first)
        until(lambda: counted["session-bound"])
        # And one that was late on its way: a challenge, which changes nothing.
        client.send(SYN, request, client.isn)
        challenge = until(lambda: client.wire.first(
            1, lambda segment: client.mine(segment) and segment.flags == ACK))
        assert challenge.ack == client.seq
        counted.wait(session_new=1, session_client_reset=0)
        assert count()["total"] == 1
        until(lambda: b"early" in server.received.values())
    assert len({seen.sport for seen in server.syns}) == 1
    client.reset()
    all_quiet()


def test_downstream_follows_client(mcp, client_wire, server_wire):
    """While the client is not answered, the server gets one SYN for each that
    the client sends, and no more: nobody can be made to send more than he
    was sent (RFC 8803 section 9.2)."""
    counted = mcp("hold-timeout 20s")
    client = raw_client(client_wire)
    request = codec.mp_convert(RAW_SERVER4, 80)
    with waiting(server_wire, RAW_SERVER4) as server:
        client.syn(request)
        first_syn(server)
        assert client.answer(3.5) is None
        assert len(server.syns) == 1
        client.send(SYN, request, client.isn)
        # With the socket's own next repetition, after 4 s or (6.1) 7 s.
        until(lambda: len(server.syns) == 2, 15)
        assert len({syn.seq for syn in server.syns}) == 1
    counted.wait(dial=1)
    ctl("session flush")
    all_quiet()


# The first SYN of each port and no other, however long this program takes.
LOSE = """table inet lose {
	set seen {
		type inet_service; flags dynamic; size 100;
	}
	chain in {
		type filter hook prerouting priority -300;
		tcp dport 5124 tcp flags & (syn|ack) == syn tcp sport != @seen \
			add @seen { tcp sport } counter drop
	}
}"""


def lost(netns="m"):
    return "packets 0 " not in run(netns, "nft", "list", "table", "inet", "lose")


@needs_fastopen
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("request_of", [codec.mp_convert, codec.convert])
def test_first_syn_lost(mcp, family, request_of):
    """A program whose first SYN is lost repeats it without payload, and gets
    through all the same."""
    counted = mcp("echo off")
    run("m", "nft", LOSE)
    sock = client_socket(family)
    try:
        with Server(family=sock.family):
            sock.setsockopt(6, 34, 1)
            sock.sendto(request_of(SERVER[family], 80) + b"hello", 0x20000000,
                        (MCP4 if family == 4 else "fd00:1::1", 5124))
            until(lost)
            if request_of is codec.convert:
                assert read_exactly(sock, 4)[:1] == b"\1"
            else:
                assert read_exactly(sock, 5) == b"hello"
            sock.close()
    finally:
        run("m", "nft", "delete table inet lose", check=False)
    counted.wait(request_late=1, session_bound=1)
    all_quiet()


def test_payload_stripped(mcp, client_wire):
    """A client whose SYN lost its payload on the way hears so in the SYN/ACK,
    sends it again, and is served."""
    counted = mcp("require-mptcp off")
    request = codec.mp_convert(SERVER4, 80) + b"hello"
    with Server():
        client = raw_client(client_wire)
        client.syn(b"")
        synack = client.answer()
        assert is_synack_of(synack, client) and synack.ack == (client.isn + 1) % 2**32
        assert not synack.payload
        client.establish(synack)
        client.data(request)
        hear(client, b"hello")
    counted.wait(request_late=1, session_bound=1)
    client.reset()
    all_quiet()


def test_join(mcp, client_wire):
    """An MP_JOIN SYN is the MPTCP stack's business, whoever it comes from."""
    counted = mcp(acl=())
    client = raw_client(client_wire)
    client.syn(b"", options=PLAIN_OPTIONS + b"\x1e\x0c\x10\x01" + b"token777")
    assert client.answer().flags & RST           # the stack knows no such token
    counted.wait(syn_join=1, refused_acl=0, syn_without_request=0)


def test_replaced_while_held(mcp, client_wire, server_wire):
    """A client that begins anew from the same port gets the new connection;
    the old one is given up, at the server too."""
    counted = mcp("hold-timeout 20s")
    old = raw_client(client_wire)
    new = raw_client(client_wire, address=old.address, port=old.port)
    with waiting(server_wire, RAW_SERVER4) as server:
        old.syn(codec.mp_convert(RAW_SERVER4, 80))
        syn = first_syn(server)
        new.syn(codec.mp_convert(RAW_SERVER4, 81))
        until(lambda: [seen for seen in server.syns if seen.dport == 81])
        counted.wait(syn_replaced=1, session_new=2, session_client_reset=1, dial=2)
        assert count()["total"] == 1
        server.accept(syn)
        until(lambda: server.resets, what="a RST for the server's SYN/ACK")
        assert client_wire.first(0.2, old.mine) is None
        server.accept([seen for seen in server.syns if seen.dport == 81][0])
        synack = new.answer()
        assert is_synack_of(synack, new)
        new.establish(synack)
        hear(new, b"hello")
    new.reset()
    all_quiet()


def test_new_syn_while_established(mcp, client_wire):
    """A forged SYN from the port of a connection is challenged, and ends
    nothing; a client that really began anew resets the old one and gets the
    new one."""
    counted = mcp("require-mptcp off")
    with Server():
        old = raw_client(client_wire)
        old.syn(codec.mp_convert(SERVER4, 80) + b"one")
        old.establish(old.answer())
        hear(old, b"one")
        new = raw_client(client_wire, address=old.address, port=old.port)
        new.syn(codec.mp_convert(SERVER4, 80) + b"new")
        challenge = client_wire.first(5, lambda seen: new.mine(seen) and seen.flags == ACK)
        assert (challenge.seq, challenge.ack) == (old.ack, old.seq)
        counted.wait(syn_of_established=1, session_new=1)
        old.data(b"two")
        hear(old, b"two")
        # RFC 9293 section 3.10.7.4: the answer of one who has forgotten.
        new.send(RST, seq=old.seq)
        counted.wait(session_client_reset=1)
        new.send(SYN, codec.mp_convert(SERVER4, 80) + b"new", new.isn)
        synack = client_wire.first(5, lambda seen: new.mine(seen) and seen.flags & SYN)
        assert is_synack_of(synack, new)
        new.establish(synack)
        hear(new, b"new")
        new.reset()
    all_quiet()


@pytest.mark.parametrize("mode", ["early", "held", "bare"])
def test_second_syn_after_the_answer(mcp, client_wire, server_wire, mode):
    """A SYN that comes when its client has been answered, forged perhaps, is
    challenged: the connection that comes of the answer goes where the first
    request said, and nowhere else."""
    counted = mcp("require-mptcp off" + (" handshake early" if mode == "early" else ""))
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        client = raw_client(client_wire)
        request = codec.mp_convert(RAW_SERVER4, 80)
        client.syn(b"" if mode == "bare" else request)
        synack = client.answer()
        assert is_synack_of(synack, client)
        forged = raw_client(client_wire, address=client.address, port=client.port)
        forged.syn(codec.mp_convert(RAW_SERVER4, 81) + b"forged")
        challenge = client.answer()
        assert not challenge.flags & (SYN | RST), challenge
        counted.wait(syn_of_established=1, syn_replaced=0)
        client.establish(synack)
        client.data((request if mode == "bare" else b"") + b"secret")
        hear(client, b"secret")
        assert {key[3]: octets for key, octets in server.received.items()} == {80: b"secret"}
        assert {syn.dport for syn in server.syns} == {80}
        client.reset()
    counted.wait(session_bound=1, session_new=1)
    all_quiet()


def test_reset_right_behind_the_data(mcp, client_wire, server_wire):
    """What a client was acknowledged reaches its server, even if all it sends
    after its handshake comes in one go, the reset included."""
    counted = mcp()
    number = 20
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        for _ in range(number):
            client = raw_client(client_wire)
            client.syn(codec.mp_convert(RAW_SERVER4, 80) + b"early")
            synack = client.answer()
            client.establish(synack)
            client.data(b"data")
            client.reset()
        counted.wait(session_client_reset=number)
        # Two of them may have had the same external port, one after the other.
        until(lambda: b"".join(server.received.values()) == b"earlydata" * number,
              what="all connections")
    all_quiet()


@pytest.mark.parametrize("family, everybody", [
    (4, "10.0.1.255"), (4, "255.255.255.255"), (4, "224.0.0.1"), (6, "ff02::1")])
def test_syn_to_many(mcp, client_wire, family, everybody):
    """A SYN to a broadcast or multicast address is nobody's (RFC 1122 section
    4.2.3.10): no session, no dial, no answer."""
    counted = mcp()
    client = raw_client(client_wire, family)
    client.other = everybody
    client.syn(codec.mp_convert(SERVER[family], 80))
    assert client_wire.first(0.3, lambda segment: segment.dport == client.port) is None
    counted.wait(session_new=0, dial=0)


def silent(client, *packets):
    """Nothing is said to these packets, and no session comes of them."""
    for packet in packets:
        client.wire.send(packet)
    assert client.answer(0.3) is None
    assert count()["total"] == 0


@pytest.mark.parametrize("family", [4, 6])
def test_bad_checksum(mcp, client_wire, family):
    """A SYN that was damaged on its way is as good as lost."""
    counted = mcp()
    client = raw_client(client_wire, family)
    for payload in codec.mp_convert(SERVER[family], 80), b"", b"garbage":
        silent(client, client.packet(SYN, payload, options=PLAIN_OPTIONS, spoil=True))
    counted.wait(refused_checksum=3, session_new=0, syn_without_request=0)


@pytest.mark.parametrize("family", [4, 6])
def test_syn_fin(mcp, client_wire, family):
    """A SYN with FIN gets neither session nor answer."""
    counted = mcp()
    client = raw_client(client_wire, family)
    for payload in codec.mp_convert(SERVER[family], 80), b"":
        silent(client, client.packet(SYN | FIN, payload, options=PLAIN_OPTIONS))
    counted.wait(session_new=0, syn_without_request=0)


def fragments6(packet, first):
    """An IPv6 packet in two fragments, the first with so many octets."""
    head, body = packet[:40], packet[40:]
    pieces = []
    for offset, piece, more in ((0, body[:first], 1), (first, body[first:], 0)):
        extension = struct.pack("!BBHI", 6, 0, offset | more, 77)
        pieces.append(head[:4] + struct.pack("!HB", 8 + len(piece), 44) + head[7:] +
                      extension + piece)
    return pieces


def fragments4(packet, first):
    head, body = packet[:20], packet[20:]
    pieces = []
    for offset, piece, more in ((0, body[:first], 0x2000), (first // 8, body[first:], 0)):
        words = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(piece), 77, offset | more, 64, 6, 0)
        words += head[12:20]
        pieces.append(words[:10] + struct.pack("!H", checksum(words)) + words[12:] + piece)
    return pieces


@pytest.mark.parametrize("first", [8, 24, 40])
def test_fragmented6(mcp, client_wire, first):
    """A SYN cannot get past the MCP's rules in fragments of IPv6."""
    counted = mcp()
    client = raw_client(client_wire, 6)
    for payload in codec.mp_convert(SERVER6, 80), b"":
        silent(client, *fragments6(client.packet(SYN, payload.ljust(40, b"x"),
                                                 options=PLAIN_OPTIONS), first))
    counted.wait(session_new=0, syn_without_request=0)
    # Whatever is no TCP for the MCP's port is none of its business.
    other = raw_client(client_wire, 6, mcp_port=5125)
    for piece in fragments6(other.packet(SYN, bytes(40)), 40):
        client_wire.send(piece)
    assert other.answer().flags & RST


def test_fragmented4(mcp, client_wire):
    """IPv4 fragments are put together before the MCP looks."""
    counted = mcp()
    client = raw_client(client_wire)
    for piece in fragments4(client.packet(SYN, codec.mp_convert(SERVER4, 81)), 24):
        client_wire.send(piece)
    client.seq = client.isn + 17
    answer = client.answer()
    assert answer.flags & RST
    counted.wait(refused_not_mptcp=1)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("with_payload", [True, False])
def test_cancelled(mcp, client_wire, server_wire, family, with_payload):
    """A client that resets while its SYN is held takes its request back: the
    server sees no connection."""
    counted = mcp("hold-timeout 20s")
    client = raw_client(client_wire, family)
    with waiting(server_wire, RAW_SERVER[family]) as server:
        client.syn(codec.mp_convert(RAW_SERVER[family], 80))
        syn = first_syn(server)
        # Any other RST is a forged one.
        for wrong in client.isn - 1, client.isn, client.isn + 2, client.seq + 1:
            client.send(RST, seq=wrong)
        client.send(RST, seq=client.seq, spoil=True)
        assert client.answer(0.2) is None
        assert count()["total"] == 1
        client.send(RST, seq=client.seq if with_payload else client.isn + 1)
        counted.wait(session_client_reset=1, session_bound=0)
        all_quiet()
        server.accept(syn)
        until(lambda: server.resets, what="a RST for the server's SYN/ACK")
        assert not server.received
    assert client.answer(0.1) is None


def test_client_resets_answer(mcp, client_wire, server_wire):
    """A client that resets instead of completing its handshake leaves nothing,
    here and at the server."""
    counted = mcp()
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_synack_of(client.answer(), client)
        client.send(RST, seq=client.seq)
        counted.wait(session_client_reset=1, session_bound=0)
        until(lambda: server.resets)
    all_quiet()


def test_client_gone(mcp, client_wire):
    """A client that is answered and never completes is given up."""
    counted = mcp("syn-timeout 1s")
    with Server():
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(SERVER4, 80))
        assert is_synack_of(client.answer(), client)
        counted.wait(session_client_gone=1, session_bound=0)
    all_quiet()


def test_other_ports(mcp, client_wire):
    """What is not for the MCP's port is none of its business."""
    counted = mcp()
    client = raw_client(client_wire, mcp_port=5125)
    client.syn(codec.mp_convert(SERVER4, 80))
    assert client.answer().flags & RST
    assert not counted.all()
