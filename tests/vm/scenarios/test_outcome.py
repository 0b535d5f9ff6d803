"""What becomes of a request when the server refuses, is gone, slow or silent."""

import errno
import time

import pytest

import codec
from scene import (RAW_SERVER4, RAW_SERVER6, SERVER4, SERVER6, Server, all_quiet, ask, ctl,
                   is_reset_of, is_synack_of, needs_fastopen, raw_client, read_exactly, run)
from wire import ACK, FIN, RST, SYN, Answering, icmp_packet

pytest_plugins = ["scene"]

FAMILIES = [4, 6]
SERVER = {4: SERVER4, 6: SERVER6}
RAW_SERVER = {4: RAW_SERVER4, 6: RAW_SERVER6}


def convert_answer(client):
    """What a Convert client hears: the Error TLV and how the stream ended."""
    synack = client.answer()
    assert is_synack_of(synack, client), synack
    assert not synack.payload
    client.establish(synack)
    stream, end = client.stream()
    client.reset()
    return codec.read_error(stream), end


@pytest.mark.parametrize("family", FAMILIES)
def test_refused_mp_convert(mcp, client_wire, family):
    """A client whose server refuses gets a RST for its SYN and its payload."""
    counted = mcp()
    client = raw_client(client_wire, family)
    client.syn(codec.mp_convert(SERVER[family], 81) + b"early")
    assert is_reset_of(client.answer(), client)
    counted.wait(dial_refused=1, session_refused=1, reply_reset=1, syn_answered=0)
    all_quiet()


@pytest.mark.parametrize("family", FAMILIES)
def test_refused_convert(mcp, client_wire, family):
    """A Convert client whose server refuses is told Connection Reset."""
    counted = mcp()
    client = raw_client(client_wire, family)
    client.syn(codec.convert(SERVER[family], 81))
    assert convert_answer(client) == ((codec.CONNECTION_RESET, b"\0"), FIN)
    counted.wait(dial_refused=1, session_refused=1, reply_error=1, reply_reset=0)
    all_quiet()


@needs_fastopen
def test_refused_socket(mcp):
    """A program's connect fails with ECONNREFUSED when the server refuses."""
    mcp("echo off")
    try:
        sock = ask(codec.mp_convert(SERVER4, 81))
        sock.recv(1)
        failed = 0
    except OSError as error:
        failed = error.errno
    assert failed == errno.ECONNREFUSED
    all_quiet()


def begin_early(client, request):
    """Sends a request and takes the SYN/ACK that comes before the server's."""
    client.syn(request)
    synack = client.answer()
    assert is_synack_of(synack, client), synack
    client.establish(synack)


@pytest.mark.parametrize("family", FAMILIES)
def test_early_refused_mp_convert(mcp, client_wire, family):
    """Answered early, a client whose server refuses is reset in its place in
    the stream."""
    counted = mcp("handshake early")
    client = raw_client(client_wire, family)
    begin_early(client, codec.mp_convert(SERVER[family], 81))
    assert client.stream() == (b"", RST)
    counted.wait(syn_answered_early=1, dial_refused=1, session_refused=1, reply_reset=1)
    all_quiet()


def test_early_refused_convert(mcp, client_wire):
    """Answered early, a Convert client is told what its server did."""
    counted = mcp("handshake early")
    client = raw_client(client_wire)
    begin_early(client, codec.convert(SERVER4, 81))
    stream, end = client.stream()
    client.reset()
    assert (codec.read_error(stream), end) == ((codec.CONNECTION_RESET, b"\0"), FIN)
    counted.wait(syn_answered_early=1, dial_refused=1, session_refused=1, reply_error=1)
    all_quiet()


def test_early_accepted(mcp, client_wire, server_wire):
    """Answered early, a client gets through when its server answers, late."""
    counted = mcp("handshake early hold-timeout 100ms")
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: None if before else 0.5,
                   [RAW_SERVER4], b"hello ") as server:
        begin_early(client, codec.mp_convert(RAW_SERVER4, 80) + b"early ")
        client.data(b"late")
        # Acknowledged, and so not mixed up with what is sent once more.
        heard, _ = client.stream(5, lambda octets: len(octets) == 16)
        assert heard == b"hello early late"
        assert list(server.received.values()) == [b"early late"]
    counted.wait(syn_answered_early=1, session_bound=1, early_data_octets=6)
    client.reset()
    all_quiet()


def test_early_hold_expiry(mcp, client_wire, server_wire):
    """What happens to a held SYN is nothing to a client answered early."""
    counted = mcp("handshake early hold-timeout 100ms hold-expiry refuse")
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: None if before else 0.6,
                   [RAW_SERVER4]):
        begin_early(client, codec.mp_convert(RAW_SERVER4, 80))
        counted.wait(session_bound=1, session_hold_expired=0)
    client.reset()
    all_quiet()


@pytest.mark.parametrize("request_of", [
    lambda: codec.convert(SERVER4, 81), lambda: codec.mp_convert(SERVER4, 81),
    lambda: codec.mp_convert(SERVER4, 80), lambda: codec.message(codec.tlv(99))])
def test_early_client_gone(mcp, client_wire, request_of):
    """A client that is answered early and never completes costs nothing for
    long, whether it is served or told an error."""
    with Server():
        mcp("handshake early syn-timeout 1s")
        client = raw_client(client_wire)
        client.syn(request_of())
        assert is_synack_of(client.answer(), client)
        all_quiet()


HARD = ([(RAW_SERVER4, 3, code) for code in (2, 3, 9, 10, 13)] +
        [(RAW_SERVER6, 1, code) for code in (1, 4, 5, 6)])
SOFT = ([(RAW_SERVER4, 3, code) for code in (0, 1, 5, 11, 12)] +
        [(RAW_SERVER4, 11, 0), (RAW_SERVER4, 12, 0)] +
        [(RAW_SERVER6, 1, code) for code in (0, 3)] + [(RAW_SERVER6, 3, 0), (RAW_SERVER6, 4, 0)])


def router(kind, code):
    """An on_syn that answers the first SYN with an ICMP error, the next one
    with a SYN/ACK."""
    def on_syn(syn, before):
        if before:
            return 0
        return icmp_packet(syn.dst, kind, code, syn.raw)
    return on_syn


def family_of(address):
    return 6 if ":" in address else 4


@pytest.mark.parametrize("address, kind, code", HARD)
def test_hard_icmp_mp_convert(mcp, client_wire, server_wire, address, kind, code):
    """A hard ICMP error about the server's SYN is a RST for the client."""
    counted = mcp()
    client = raw_client(client_wire, family_of(address))
    with Answering(server_wire, router(kind, code), [address]):
        client.syn(codec.mp_convert(address, 80))
        assert is_reset_of(client.answer(), client)
    counted.wait(dial_unreachable=1, session_unreachable=1, dial_soft_error=0)
    all_quiet()


@pytest.mark.parametrize("address, kind, code", HARD)
def test_hard_icmp_convert(mcp, client_wire, server_wire, address, kind, code):
    """A hard ICMP error is Destination Unreachable with the ICMP code."""
    counted = mcp()
    client = raw_client(client_wire, family_of(address))
    with Answering(server_wire, router(kind, code), [address]):
        client.syn(codec.convert(address, 80))
        assert convert_answer(client) == ((codec.UNREACHABLE, bytes([code])), FIN)
    counted.wait(dial_unreachable=1, session_unreachable=1, reply_error=1)
    all_quiet()


def test_hard_icmp_from_firewall(mcp, client_wire):
    """A server's firewall that rejects is told with its ICMP code."""
    counted = mcp()
    run("s", "nft", "add table inet f; add chain inet f i { type filter hook input priority 0; };"
        "add rule inet f i tcp dport 82 reject with icmpx type admin-prohibited")
    try:
        for family, code in ((4, 13), (6, 1)):
            client = raw_client(client_wire, family)
            client.syn(codec.convert(SERVER[family], 82))
            assert convert_answer(client) == ((codec.UNREACHABLE, bytes([code])), FIN)
        counted.wait(dial_unreachable=2, session_unreachable=2)
    finally:
        run("s", "nft", "delete table inet f")


def test_soft_icmp(mcp, client_wire, server_wire):
    """A soft ICMP error ends nothing: the client hears nothing of it and is
    connected when the server answers the next SYN."""
    counted = mcp("hold-timeout 20s")
    clients = []
    kinds = {}
    for index, (address, kind, code) in enumerate(SOFT):
        kinds[5000 + index] = router(kind, code)
        clients.append(raw_client(client_wire, family_of(address)))

    def on_syn(syn, before):
        return kinds[syn.dport](syn, before)

    with Answering(server_wire, on_syn, [RAW_SERVER4, RAW_SERVER6]) as server:
        for index, client in enumerate(clients):
            client.syn(codec.mp_convert(SOFT[index][0], 5000 + index))
        counted.wait(dial_soft_error=len(clients))
        assert client_wire.first(0.3, lambda segment: segment.src.startswith("10.0.1.")) is None
        # The server's next SYN comes with the client's (test_syn.py).
        for index, client in enumerate(clients):
            client.syn(codec.mp_convert(SOFT[index][0], 5000 + index))
        answers = {}
        for segment in client_wire.segments(20):
            for client in clients:
                if client.mine(segment) and is_synack_of(segment, client):
                    answers[client.port] = segment
            if len(answers) == len(clients):
                break
        assert len(answers) == len(clients)
        assert len(server.syns) >= 2 * len(clients)
    counted.wait(dial_soft_error=len(clients), dial_unreachable=0, reply_reset=0)
    ctl("session flush")
    all_quiet()


def test_forged_icmp(mcp, client_wire, server_wire):
    """An ICMP error that does not know the SYN's sequence number is forged,
    and ends nothing."""
    counted = mcp("hold-timeout 20s")
    client = raw_client(client_wire)

    def on_syn(syn, before):
        if before:
            return 0
        forged = syn.raw[:24] + bytes([syn.raw[24] ^ 1]) + syn.raw[25:]
        return icmp_packet(syn.dst, 3, 3, forged)

    with Answering(server_wire, on_syn, [RAW_SERVER4]):
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        request = codec.mp_convert(RAW_SERVER4, 80)
        assert client.answer(0.5) is None
        client.syn(request)
        assert is_synack_of(client.answer(), client)
    counted.wait(dial_unreachable=0, dial_soft_error=0)
    client.reset()


@pytest.mark.parametrize("route", ["none", "unreachable", "prohibit", "blackhole"])
def test_no_route(mcp, client_wire, route):
    """A server to which the MCP has no route is a RST, or a network failure."""
    counted = mcp()
    if route != "none":
        run("m", "ip", "route", "add", route, "198.18.0.0/15")
    try:
        client = raw_client(client_wire)
        client.syn(codec.mp_convert("198.18.0.1", 80))
        assert is_reset_of(client.answer(), client)
        client = raw_client(client_wire)
        client.syn(codec.convert("198.18.0.1", 80))
        assert convert_answer(client) == ((codec.NETWORK_FAILURE, b"\0"), FIN)
    finally:
        if route != "none":
            run("m", "ip", "route", "del", "198.18.0.0/15")
    counted.wait(dial_unreachable=2, session_unreachable=2, reply_error=1, reply_reset=1)
    all_quiet()


def test_silent_mp_convert(mcp, client_wire, server_wire):
    """A client held until its server is given up hears nothing at all."""
    counted = mcp("syn-timeout 1s hold-timeout 20s")
    client = raw_client(client_wire)
    client.syn(codec.mp_convert(RAW_SERVER4, 80))
    counted.wait(session_syn_timeout=1, dial_timeout=1, reply_reset=0)
    assert client.answer(0.3) is None
    all_quiet()


def test_silent_convert(mcp, client_wire, server_wire):
    """A Convert client is told that its server was silent."""
    counted = mcp("syn-timeout 1s hold-timeout 20s")
    client = raw_client(client_wire)
    client.syn(codec.convert(RAW_SERVER4, 80))
    assert convert_answer(client) == ((codec.NETWORK_FAILURE, b"\0"), FIN)
    counted.wait(session_syn_timeout=1, dial_timeout=1, reply_error=1)
    all_quiet()


@pytest.mark.parametrize("request_of", [codec.mp_convert, codec.convert])
def test_hold_expiry_early(mcp, client_wire, request_of):
    """At the hold-timeout a client is answered; it is told when the server
    turns out to be silent."""
    counted = mcp("syn-timeout 1500ms hold-timeout 300ms")
    client = raw_client(client_wire)
    began = time.monotonic()
    client.syn(request_of(RAW_SERVER4, 80))
    synack = client.answer()
    assert is_synack_of(synack, client), synack
    assert synack.when - began >= 0.29
    client.establish(synack)
    stream, end = client.stream()
    assert time.monotonic() - began >= 1.4
    if request_of is codec.convert:
        assert codec.read_error(stream) == (codec.NETWORK_FAILURE, b"\0") and end == FIN
        client.reset()
    else:
        assert (stream, end) == (b"", RST)
    counted.wait(session_syn_timeout=1, dial_timeout=1, syn_answered_early=1)
    all_quiet()


@pytest.mark.parametrize("request_of", [codec.mp_convert, codec.convert])
def test_hold_expiry_refuse(mcp, client_wire, request_of):
    """With hold-expiry refuse a client is refused at the hold-timeout."""
    counted = mcp("syn-timeout 20s hold-timeout 300ms hold-expiry refuse")
    client = raw_client(client_wire)
    began = time.monotonic()
    client.syn(request_of(RAW_SERVER4, 80))
    if request_of is codec.convert:
        assert convert_answer(client) == ((codec.NETWORK_FAILURE, b"\0"), FIN)
    else:
        answer = client.answer()
        assert is_reset_of(answer, client)
        assert answer.when - began >= 0.29
    counted.wait(session_hold_expired=1, syn_answered_early=0, dial_timeout=0)
    all_quiet()


@needs_fastopen
def test_slow_servers(mcp, client_wire, server_wire):
    """A client whose server takes its time is answered when the server is, or
    at the hold-timeout, and its kernel keeps MPTCP on."""
    counted = mcp("echo off")
    delays = {80: 0.5, 81: 2.8, 82: 6.0}
    with Server(port=83), \
         Answering(server_wire, lambda syn, before: None if before else delays[syn.dport],
                   [RAW_SERVER4]) as server:
        client_wire.drain()
        began, socks = {}, {}
        for port in delays:
            began[port] = time.monotonic()
            socks[port] = ask(codec.mp_convert(RAW_SERVER4, port) + b"%d" % port)
        local = {sock.getsockname()[1]: port for port, sock in socks.items()}
        for port, sock in socks.items():
            assert read_exactly(sock, 2) == b"%d" % port
            sock.close()
        dialled = {syn.dport: syn.when for syn in reversed(server.syns)}
        answered = {}
        for segment in client_wire.segments(0, lambda segment: segment.dport in local):
            answered.setdefault(local[segment.dport], segment)
        assert all(segment.flags == SYN | ACK for segment in answered.values())
        assert answered[80].when >= dialled[80] + 0.5
        for port in 81, 82:
            assert answered[port].when >= began[port] + 2.4
        counted.wait(session_bound=3, syn_answered_early=2, dial=3)
        assert blackholes() == 0
        already = counted["session-mptcp"]
        sock = ask(codec.mp_convert(SERVER4, 83) + b"x")
        assert read_exactly(sock, 1) == b"x"
        sock.close()
        counted.wait(session_mptcp=already + 1)


def blackholes():
    """How often the client's kernel has switched MPTCP off for a time."""
    words = run("c", "nstat", "-asz", "MPTcpExtBlackhole").split()
    return int(words[words.index("MPTcpExtBlackhole") + 1]) if "MPTcpExtBlackhole" in words else 0
