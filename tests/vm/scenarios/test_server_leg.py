"""server-leg mptcp: servers are dialled by an MPTCP socket of the MCP."""

import errno
import socket
import struct
import subprocess
import time

import pytest

import codec
from capture import MP_CAPABLE, MP_FASTCLOSE, MP_JOIN, mptcp_subtypes
from lab import address
from netns import wait_for
from scene import (IPPROTO_MPTCP, PORT, RAW_SERVER4, RAW_SERVER6, SERVER4, SERVER6, Server,
                   all_quiet, build, client_socket, count, ctl, demolish, is_reset_of,
                   is_synack_of, play, raw_client, read_exactly, run, sessions, stats, until)
from streams import MB, connection_is_over, end_both, transfer
from test_dial import FIREWALL
from test_lifecycle import link_is_gone, reload_module
from wire import ACK, FIN, RST, SYN, Answering, Wire, icmp_packet

pytest_plugins = ["scene"]

LEG = "server-leg mptcp"
RAW_SERVER = {4: RAW_SERVER4, 6: RAW_SERVER6}
SERVER = {4: SERVER4, 6: SERVER6}
MPTCP = 30
SOL_MPTCP, MPTCP_INFO, FALLBACK = 284, 1, 1


def is_mptcp(sock):
    """A socket of a test is MPTCP, and did not fall back."""
    try:
        info = sock.getsockopt(SOL_MPTCP, MPTCP_INFO, 64)
    except OSError:
        return False
    return not struct.unpack_from("I", info, 8)[0] & FALLBACK


@pytest.fixture(autouse=True, scope="module")
def no_blackhole_detection(machines):
    """One server that answers late does not switch MPTCP off for all others."""
    allow_late_answers("m")


def allow_late_answers(netns):
    """Older kernels know nothing of that."""
    run(netns, "sysctl", "-qw", "net.mptcp.blackhole_timeout=0", check=False)


# ------------------------------------------------------- both ends are stacks

@pytest.mark.parametrize("server_family", [4, 6])
@pytest.mark.parametrize("family", [4, 6])
def test_mptcp_server(lab, family, server_family):
    """With a server that speaks MPTCP both sides are MPTCP: the MCP's third
    packet has the keys of both. Octets go both ways unharmed, and so do ends."""
    lab.up(LEG)
    listener = lab.listen(server_family, protocol="mptcp")
    capture = lab.capture(lab.server, "s0", "tcp port 80")
    client = lab.connect(listener, early=b"early", family=family)
    server = listener.accept()
    assert server.read_exactly(5) == b"early"
    assert is_mptcp(server)
    shown = lab.session()
    assert (shown["upstream"], shown["downstream"]) == ("mptcp", "mptcp")
    syn, = capture.syns()
    synack, = capture.synacks()
    third = capture.segments(lambda segment: segment.dport == 80 and
                             segment.flags & (SYN | ACK) == ACK)[0]
    assert syn.option(MPTCP)[0] >> 4 == MP_CAPABLE and len(syn.option(MPTCP)) == 2
    assert len(synack.option(MPTCP)) == 10 and len(third.option(MPTCP)) in (18, 20, 22)
    assert third.option(MPTCP)[10:18] == synack.option(MPTCP)[2:10]
    assert 61001 <= syn.sport <= 65535 and shown["external"]["port"] == syn.sport
    transfer(client, server, 3 * MB, 2)
    transfer(server, client, 3 * MB, 3)
    client.half_close()
    assert server.at_end()
    transfer(server, client, MB, 4)
    server.half_close()
    assert client.at_end()
    client.close()
    server.close()
    counters = lab.wait_stats(session_closed=1)
    assert counters["session-server-mptcp"] == counters["dial-accepted"] == 1
    assert not capture.resets()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("request_of", ["mp-convert", "convert"])
def test_tcp_server(lab, family, request_of):
    """With any other server it falls back."""
    lab.up(LEG)
    listener = lab.listen(family)
    capture = lab.capture(lab.server, "s0", "tcp port 80")
    client = lab.connect(listener, early=b"early", family=family, codec=request_of)
    server = listener.accept()
    assert server.read_exactly(5) == b"early"
    shown = lab.session()
    assert (shown["upstream"], shown["downstream"]) == ("mptcp", "fallback")
    transfer(server, client, 3 * MB, 2)
    transfer(client, server, 3 * MB, 3)
    server.half_close()
    assert client.at_end()
    transfer(client, server, MB, 4)
    client.half_close()
    assert server.at_end()
    client.close()
    server.close()
    counters = lab.wait_stats(session_closed=1)
    assert counters["session-server-mptcp"] == 0 and counters["session-mptcp"] == 1
    assert capture.syns()[0].option(MPTCP) and capture.synacks()[0].option(MPTCP) is None
    assert all(not segment.option(MPTCP) for segment in capture.segments()[1:])


@pytest.mark.parametrize("request_of", ["mp-convert", "convert"])
@pytest.mark.parametrize("via", ["insert", "late"])
def test_tcp_client(lab, request_of, via):
    """The other way round: a client without MPTCP gets to use it towards the
    server."""
    lab.up(LEG + " require-mptcp off")
    listener = lab.listen(protocol="mptcp")
    client = lab.connect(listener, codec=request_of, protocol="tcp", via=via)
    server = listener.accept()
    assert is_mptcp(server)
    transfer(client, server, MB, 2)
    transfer(server, client, MB, 3)
    shown = lab.session()
    assert (shown["upstream"], shown["downstream"]) == ("tcp", "mptcp")
    end_both(client, server)
    assert lab.wait_stats(session_closed=1)["session-server-mptcp"] == 1


def test_tcp_leg(lab):
    """Unless it is asked for, the server's side is TCP whatever the server
    speaks."""
    lab.up("relay-mp-capable off")
    listener = lab.listen(protocol="mptcp")
    capture = lab.capture(lab.server, "s0", "tcp port 80")
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, MB, 2)
    assert lab.session()["downstream"] == "tcp" and not is_mptcp(server)
    end_both(client, server)
    assert lab.wait_stats(session_closed=1)["session-server-mptcp"] == 0
    assert capture.syns()[0].option(MPTCP) is None


def test_withdraw_has_no_effect(lab):
    """Nobody steps out of a connection whose server's side is the MCP's own."""
    lab.up(LEG + " mptcp withdraw")
    listener = lab.listen(protocol="mptcp")
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, MB, 2)
    transfer(server, client, MB, 3)
    shown = lab.session()
    assert (shown["upstream"], shown["downstream"]) == ("mptcp", "mptcp")
    end_both(client, server)
    lab.wait_stats(session_closed=1, session_bound=1)


def test_extended_tcp_header(lab):
    """A Convert client is told what the server's SYN/ACK said: MP_CAPABLE, with
    its key."""
    lab.up(LEG)
    listener = lab.listen(protocol="mptcp")
    capture = lab.capture(lab.server, "s0", "tcp port 80")
    client = lab.connect(listener, codec="convert")
    server = listener.accept()
    (kind, value), = client.reply
    assert kind == codec.EXTENDED_TCP_HEADER
    synack, = capture.synacks()
    assert value[:2 + len(synack.options)] == b"\0\0" + synack.options
    assert synack.option(MPTCP)[0] >> 4 == MP_CAPABLE and len(synack.option(MPTCP)) == 10
    end_both(client, server)


def test_greeting(lab):
    """A server that speaks first."""
    lab.up(LEG)
    listener = lab.listen(protocol="mptcp")
    client = lab.connect(listener)
    server = listener.accept()
    server.sendall(b"220 ready\r\n")
    assert client.read_exactly(11) == b"220 ready\r\n"
    client.sendall(b"HELO\r\n")
    assert server.read_exactly(6) == b"HELO\r\n"
    end_both(client, server)


@pytest.mark.parametrize("protocol", ["mptcp", "tcp"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_reset(lab, who, protocol):
    """A side that resets its connection resets the other one's: MP_FASTCLOSE
    becomes MP_FASTCLOSE."""
    lab.up(LEG)
    listener = lab.listen(protocol=protocol)
    captures = [lab.capture(lab.client, "c0", f"tcp port {PORT}"),
                lab.capture(lab.server, "s0", "tcp port 80")]
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, 100000, 2)
    transfer(server, client, 100000, 3)
    first, other = (client, server) if who == "client" else (server, client)
    first.reset()
    assert other.error().errno == errno.ECONNRESET
    lab.wait_stats(**{f"session_{who}_reset": 1})
    last = captures[who == "client"].resets()[-1]
    assert (MP_FASTCLOSE in mptcp_subtypes(last)) == (who == "server" or protocol == "mptcp")


def two_paths(lab, settings=""):
    """A client and a server whose side has a second path, in use."""
    lab.up(f"{LEG} {settings}")
    lab.mcp.ip("addr add 10.0.9.3/24 dev ms0", "mptcp endpoint add 10.0.9.3 dev ms0 subflow")
    lab.server.ip("mptcp limits set subflow 8 add_addr_accepted 8")
    listener = lab.listen(protocol="mptcp")
    capture = lab.capture(lab.server, "s0", "tcp port 80")
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, MB, 2)
    transfer(server, client, MB, 3)
    wait_for(lambda: server.getsockopt(SOL_MPTCP, MPTCP_INFO, 64)[0] == 1, what="a second subflow")
    join, = [syn for syn in capture.syns() if MP_JOIN in mptcp_subtypes(syn)]
    assert join.src == "10.0.9.3"
    return client, server


def cut_first_path(lab):
    """From here on, whatever the first subflow to the server sends is lost."""
    lab.mcp.nft("table ip f {\nchain o {\ntype filter hook output priority 0;\n"
                f"tcp sport {lab.session()['external']['port']} drop\n}}\n}}\n")


def test_second_path(lab):
    """The MCP uses every path to the server that it has an endpoint for, and does
    without the first one."""
    client, server = two_paths(lab)
    transfer(client, server, 4 * MB, 4)
    cut_first_path(lab)
    transfer(client, server, 4 * MB, 5)
    end_both(client, server)
    lab.wait_stats(session_closed=1)


def test_idle_without_the_first_path(lab):
    """A server is there as long as one of its paths is."""
    client, server = two_paths(lab, "established-idle 2s transitory-idle 2s i-know")
    cut_first_path(lab)
    wait_for(lambda: lab.stats()["session-probed"] >= 4)
    assert lab.stats()["session-idle"] == 0
    transfer(server, client, MB, 5)
    end_both(client, server)
    lab.wait_stats(session_closed=1)


@pytest.mark.leaves_sessions
def test_second_path_and_the_end_of_the_namespace(lab):
    """None of the subflows holds the namespace."""
    two_paths(lab)
    lab.namespaces.remove(lab.mcp)
    lab.mcp.remove()
    # The last of it is gone when its devices are: so are their other ends.
    wait_for(lambda: "s0:" not in lab.server.read("net/dev"), what="the end")


def test_idle_but_alive(lab):
    """An idle session is probed, and goes on as long as its server is there."""
    lab.up(LEG + " established-idle 2s transitory-idle 2s i-know")
    listener = lab.listen(protocol="mptcp")
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, 1000, 2)
    wait_for(lambda: lab.stats()["session-probed"] >= 2)
    assert lab.stats()["session-idle"] == 0 and lab.session()["downstream"] == "mptcp"
    transfer(server, client, 1000, 3)
    end_both(client, server)
    lab.wait_stats(session_closed=1)


# ------------------------------------------------------ ends played by hand

def mptcp_socket(request, family=4):
    """A client's MPTCP connection whose request comes late."""
    sock = client_socket(family)
    sock.connect(("10.0.1.1" if family == 4 else "fd00:1::1", PORT))
    sock.sendall(request)
    return sock


def convert_answer(client):
    """What a Convert client is told: the Error TLV and how the stream ended."""
    synack = client.answer()
    assert is_synack_of(synack, client), synack
    client.establish(synack)
    stream, end = client.stream()
    client.reset()
    return codec.read_error(stream), end


@pytest.mark.parametrize("family", [4, 6])
def test_syn(mcp, client_wire, server_wire, family):
    """The socket's SYN: MP_CAPABLE, the client's DSCP, and repeated by its own
    clock. A client that is not answered is not answered."""
    counted = mcp(LEG + " hold-timeout 20s")
    client = raw_client(client_wire, family)
    ready = []
    with Answering(server_wire, lambda syn, before: 0 if ready else None,
                   [RAW_SERVER[family]]) as server:
        client.syn(codec.mp_convert(RAW_SERVER[family], 80) + b"early", tos=0x28 | 3)
        syn = until(lambda: server.syns and server.syns[0])
        assert syn.flags == SYN and not syn.payload and syn.tos == 0x28
        assert syn.option(MPTCP) == b"\x01\x01" and 61001 <= syn.sport <= 65535
        # The client's own repetition sends none.
        client.send(SYN, b"", client.isn, options=b"\x02\x04\x05\xb4")
        assert client.answer(0.3) is None
        assert sessions()[0]["downstream"] == "pending"
        ready.append(True)
        client.establish(client.answer())
        assert client.stream(5, lambda heard: len(heard) == 5)[0] == b"early"
        first, second = server.syns[:2]
        assert 0.5 < second.when - first.when and second.tos == 0x28
        assert (first.seq, first.sport) == (second.seq, second.sport)
        assert sessions()[0]["downstream"] == "fallback"
        client.send(FIN | ACK)
        client.seq += 1
        assert client.stream()[1] == FIN
    counted.wait(session_closed=1)
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
def test_refused(mcp, client_wire, family):
    """A server that refuses: RST, or Error 96."""
    counted = mcp(LEG)
    client = raw_client(client_wire, family)
    client.syn(codec.mp_convert(SERVER[family], 81) + b"early")
    assert is_reset_of(client.answer(), client)
    counted.wait(dial_refused=1, session_refused=1, reply_reset=1, syn_answered=0)
    client = raw_client(client_wire, family)
    client.syn(codec.convert(SERVER[family], 81))
    assert convert_answer(client) == ((codec.CONNECTION_RESET, b"\0"), FIN)
    counted.wait(dial_refused=2, session_refused=2, reply_error=1)
    all_quiet()


def test_reset_right_after_synack(mcp, client_wire, server_wire):
    """A server that accepts and resets at once has not refused."""
    counted = mcp(LEG)
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        server.data = lambda key, segment: server.wire.send(
            server.reply(segment, RST, segment.ack))
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        synack = client.answer()
        assert is_synack_of(synack, client)
        client.establish(synack)
        assert client.stream()[1] == RST
    counted.wait(dial_accepted=1, dial_refused=0, session_server_reset=1)
    all_quiet()


HARD = [(RAW_SERVER4, 3, 3), (RAW_SERVER4, 3, 10), (RAW_SERVER4, 3, 13), (RAW_SERVER6, 1, 1),
        (RAW_SERVER6, 1, 4)]
SOFT = [(RAW_SERVER4, 3, 0), (RAW_SERVER4, 3, 1), (RAW_SERVER4, 11, 0), (RAW_SERVER6, 1, 0),
        (RAW_SERVER6, 1, 3), (RAW_SERVER6, 3, 0)]


def router(kind, code, spoil=False):
    """An on_syn that answers the first SYN with an ICMP error, the next one with
    a SYN/ACK."""
    def on_syn(syn, before):
        if before:
            return 0
        at = (20 if syn.raw[0] >> 4 == 4 else 40) + 7
        about = syn.raw[:at] + bytes([syn.raw[at] ^ spoil]) + syn.raw[at + 1:]
        return icmp_packet(syn.dst, kind, code, about)
    return on_syn


@pytest.mark.parametrize("where, kind, code", HARD)
def test_hard_icmp(mcp, client_wire, server_wire, where, kind, code):
    """A hard ICMP error: RST, or Error 97 with its code."""
    counted = mcp(LEG)
    family = 6 if ":" in where else 4
    with Answering(server_wire, router(kind, code), [where]):
        client = raw_client(client_wire, family)
        client.syn(codec.mp_convert(where, 80))
        assert is_reset_of(client.answer(), client)
        client = raw_client(client_wire, family)
        client.syn(codec.convert(where, 80))
        assert convert_answer(client) == ((codec.UNREACHABLE, bytes([code])), FIN)
    counted.wait(dial_unreachable=2, session_unreachable=2, dial_soft_error=0)
    all_quiet()


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize("where, kind, code", SOFT)
def test_soft_icmp(mcp, client_wire, server_wire, where, kind, code, forged):
    """A soft one ends nothing, nor does a hard one about a SYN that was not
    sent: the next SYN is answered."""
    counted = mcp(LEG + " hold-timeout 20s")
    family = 6 if ":" in where else 4
    client = raw_client(client_wire, family)
    on_syn = router(1 if family == 6 else 3, 4 if family == 6 else 3, True) if forged else \
        router(kind, code)
    with Answering(server_wire, on_syn, [where]) as server:
        client.syn(codec.mp_convert(where, 80) + b"early")
        synack = client.answer()
        assert is_synack_of(synack, client)
        client.establish(synack)
        assert client.stream(5, lambda heard: len(heard) == 5)[0] == b"early"
        assert len(server.syns) >= 2
        client.reset()
    counted.wait(dial_soft_error=int(not forged), dial_unreachable=0, session_bound=1)
    all_quiet()


@pytest.mark.parametrize("route", ["none", "unreachable", "prohibit", "blackhole"])
@pytest.mark.parametrize("ranges", [(), ("10.50.0.0/24",)])
def test_no_route(mcp, client_wire, route, ranges):
    """A server to which the MCP has no way."""
    counted = mcp(LEG)
    for each in ranges:
        ctl("pool add", each)
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


def test_silent(mcp, client_wire, server_wire):
    """A server that says nothing: nothing, or Error 65, after syn-timeout."""
    counted = mcp(LEG + " syn-timeout 2s hold-timeout 20s")
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        counted.wait(session_syn_timeout=1, dial_timeout=1, reply_reset=0)
        assert client.answer(0.3) is None
        # Newer kernels repeat it every second at first, the last time just then.
        assert len(server.syns) in (2, 3)
        client = raw_client(client_wire)
        client.syn(codec.convert(RAW_SERVER4, 80))
        assert convert_answer(client) == ((codec.NETWORK_FAILURE, b"\0"), FIN)
    counted.wait(session_syn_timeout=2, dial_timeout=2, reply_error=1)
    all_quiet()


def test_syn_timeout_is_the_limit(mcp, client_wire, server_wire):
    """However few SYNs a socket of the host would send."""
    run("m", "sysctl", "-qw", "net.ipv4.tcp_syn_retries=1")
    try:
        counted = mcp(LEG + " handshake early syn-timeout 20s")
        client = raw_client(client_wire)
        with Answering(server_wire, lambda syn, before: None if before < 3 else 0,
                       [RAW_SERVER4]) as server:
            client.syn(codec.mp_convert(RAW_SERVER4, 80) + b"early")
            client.establish(client.answer())
            assert client.stream(20, lambda heard: len(heard) == 5)[0] == b"early"
            assert len(server.syns) >= 4
            client.reset()
        counted.wait(session_bound=1, dial_timeout=0)
    finally:
        run("m", "sysctl", "-qw", "net.ipv4.tcp_syn_retries=6")
    all_quiet()


def test_client_changes_its_mind(mcp, client_wire, server_wire):
    """A client that takes its SYN back ends the dial."""
    counted = mcp(LEG + " hold-timeout 20s")
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(RAW_SERVER4, 80))
        until(lambda: server.syns)
        client.reset()
        counted.wait(session_client_reset=1)
    all_quiet()


def test_fast_open_is_left_out(mcp, client_wire, server_wire):
    """Of the options of a Connect TLV a socket sends MP_CAPABLE; Fast Open is left
    out."""
    counted = mcp(LEG)
    client = raw_client(client_wire)
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        client.syn(codec.convert(RAW_SERVER4, 80, b"\x1e\x02\x22\x02"))
        client.establish(client.answer())
        counted.wait(session_bound=1, dial_options_left_out=1)
        assert server.syns[0].option(MPTCP) and server.syns[0].option(34) is None
        client.reset()
    all_quiet()


# ---------------------------------------------------------- external endpoints

@pytest.mark.parametrize("legs", [("mptcp", "mptcp"), ("tcp", "mptcp"), ("mptcp", "tcp")])
@pytest.mark.parametrize("prefix", [None, "10.50.0.0/24"])
def test_endpoint_independent(mcp, client_wire, server_wire, legs, prefix):
    """A client's endpoint has one external endpoint towards every server, by
    whatever they are dialled."""
    counted = mcp("relay-mp-capable off server-leg " + legs[0])
    if prefix:
        ctl("pool add", prefix)
    first, other = "10.99.0.3", "10.99.0.4"
    client = raw_client(client_wire)
    again = raw_client(client_wire, address=client.address, port=client.port)
    again.other = "10.0.2.1"
    with Answering(server_wire, lambda syn, before: 0, [first, other]) as server:
        client.syn(codec.mp_convert(first, 80))
        client.establish(client.answer())
        ctl("mcp set server-leg", legs[1])
        again.syn(codec.mp_convert(other, 80))
        again.establish(again.answer())
        counted.wait(session_bound=2)
        assert len({(syn.src, syn.sport) for syn in server.syns}) == 1
        firsts = {syn.dst: bool(syn.option(MPTCP)) for syn in reversed(server.syns)}
        assert [firsts[first], firsts[other]] == [leg == "mptcp" for leg in legs]
        for number, each in enumerate((client, again)):
            each.data(b"%d" % number)
            assert each.stream(5, lambda heard: heard)[0] == b"%d" % number
            each.send(FIN | ACK)
            each.seq += 1
            assert each.stream()[1] == FIN
    counted.wait(session_closed=2)
    all_quiet()


def test_two_sessions_to_one_server(mcp, client_wire, server_wire):
    """But not two connections to one server: the second has another port."""
    counted = mcp(LEG)
    client = raw_client(client_wire)
    again = raw_client(client_wire, address=client.address, port=client.port)
    again.other = "10.0.2.1"
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        for each in client, again:
            each.syn(codec.mp_convert(RAW_SERVER4, 80))
            each.establish(each.answer())
        counted.wait(session_bound=2)
        assert len({syn.sport for syn in server.syns}) == 2
        client.reset()
        again.reset()
    all_quiet()


@pytest.mark.parametrize("family, prefix", [(4, "10.50.0.0/24"), (6, "fd50::/120")])
@pytest.mark.parametrize("protocol", [IPPROTO_MPTCP, 0])
def test_pool(mcp, family, prefix, protocol):
    """From an address that the host does not have."""
    counted = mcp(LEG)
    ctl("pool add", prefix)
    with Server(family=socket.AF_INET if family == 4 else socket.AF_INET6, protocol=protocol,
                greeting=b"hello ") as server:
        sock = mptcp_socket(codec.mp_convert(SERVER[family], 80) + b"early", family)
        assert read_exactly(sock, 11) == b"hello early"
        shown, = sessions()
        assert shown["downstream"] == ("mptcp" if protocol else "fallback")
        peer = server.connections[0].getpeername()
        assert peer[0].startswith(prefix.split("::")[0].split("0/")[0])
        assert shown["external"] == {"address": peer[0], "port": peer[1]}
        octets = bytes(range(256)) * 4000
        sock.sendall(octets)
        assert read_exactly(sock, len(octets)) == octets
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
        sock.close()
        counted.wait(session_closed=1, external_unmatched=0)
        # Refusals come back as well.
        sock = mptcp_socket(codec.convert(SERVER[family], 81), family)
        message = read_exactly(sock, 8)
        assert codec.read_error(message)[0] == codec.CONNECTION_RESET
        sock.close()
    all_quiet()


@pytest.mark.parametrize("family, prefix, hop, kind, code", [
    (4, "10.50.0.0/24", "10.99.0.254", 3, 13), (6, "fd50::/120", "fd99::fe", 1, 1)])
def test_pool_and_icmp(mcp, client_wire, server_wire, family, prefix, hop, kind, code):
    """ICMP errors about such a SYN."""
    mcp(LEG)
    ctl("pool add", prefix)
    with Answering(server_wire, lambda syn, before: icmp_packet(hop, kind, code, syn.raw),
                   [RAW_SERVER[family]]):
        client = raw_client(client_wire, family)
        client.syn(codec.convert(RAW_SERVER[family], 80))
        assert convert_answer(client) == ((codec.UNREACHABLE, bytes([code])), FIN)
    all_quiet()


@pytest.mark.parametrize("ranges", [(), ("10.50.0.0/24",)])
def test_firewall(mcp, ranges):
    """A gateway that tracks connections, drops what it does not know, checks
    reverse paths and masquerades."""
    counted = mcp(LEG)
    for each in ranges:
        ctl("pool add", each)
    run("m", "nft", FIREWALL)
    run("m", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    try:
        with Server(protocol=IPPROTO_MPTCP, greeting=b"banner") as server:
            sock = mptcp_socket(codec.mp_convert(SERVER4, 80) + b"early")
            assert read_exactly(sock, 11) == b"bannerearly"
            assert sessions()[0]["downstream"] == "mptcp"
            assert server.connections[0].getpeername()[0] == "10.0.9.1"
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
            sock.close()
            counted.wait(session_closed=1)
    finally:
        run("m", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0")
        run("m", "nft", "delete table ip gateway")
    all_quiet()


# ------------------------------------------------------------------ all ends

class World:
    """An MCP in a namespace of its own, with such sessions in every state."""

    def __init__(self, prefix):
        self.prefix = prefix
        build(prefix)
        allow_late_answers(prefix + "m")
        self.wire = Wire(prefix + "c", "c0", prefix + "m", "mc0")
        self.server_wire = Wire(prefix + "s", "s0", prefix + "m", "ms0")
        self.raw = Answering(self.server_wire, lambda syn, before: 0 if syn.dport == 83 else None,
                             [RAW_SERVER4])
        self.raw.data = lambda key, segment: None
        self.stack = Server(prefix + "s", 80, protocol=IPPROTO_MPTCP)
        self.plain = Server(prefix + "s", 81)
        self.sockets = []

    def __enter__(self):
        for each in self.raw, self.stack, self.plain:
            each.__enter__()
        return self

    def __exit__(self, *exc):
        for each in self.sockets:
            each.close()
        for each in self.raw, self.stack, self.plain:
            each.__exit__()
        self.wire.close()
        self.server_wire.close()
        demolish(self.prefix)

    def up(self):
        self.ctl("mcp up hold-timeout 60s", LEG)
        self.ctl("acl add all")

    def ctl(self, *words):
        return ctl(*words, netns=self.prefix + "m")

    def raw_session(self, port):
        client = raw_client(self.wire)
        client.syn(codec.mp_convert(RAW_SERVER4, port) + b"early")
        return client

    def session(self, port, octets):
        sock = client_socket(netns=self.prefix + "c")
        self.sockets.append(sock)
        sock.connect(("10.0.1.1", PORT))
        sock.sendall(codec.mp_convert(SERVER4, port))
        sock.sendall(octets)
        assert read_exactly(sock, len(octets)) == octets
        return sock

    def fill(self):
        """Two of each: connecting, answered, established by MPTCP, by TCP, with
        octets that nobody takes, closing."""
        for _ in range(2):
            self.raw_session(82)
            assert is_synack_of(self.raw_session(83).answer(), raw_client(self.wire)) is False
            client = self.raw_session(83)
            client.establish(client.answer())
            client = self.raw_session(83)
            client.establish(client.answer())
            client.send(FIN | ACK)
            for port in 80, 81:
                self.session(port, b"established")
                self.session(port, b"closing").shutdown(socket.SHUT_WR)
                full = self.session(port, b"full")
                full.setblocking(False)
                try:
                    while True:
                        full.send(bytes(65536))
                except BlockingIOError:
                    pass
        until(lambda: stats(self.prefix + "m")["dial"] == 20)
        return count(self.prefix + "m")["total"]


@pytest.fixture
def world(machines):
    with World("x") as made:
        made.up()
        yield made


def test_all_namespace_deleted(world):
    """A namespace that goes away takes its sessions with it."""
    world.fill()
    subprocess.run(["ip", "netns", "del", "xm"], check=True)
    until(lambda: link_is_gone("xc", "c0"), 60, "the end of the namespace")


def test_all_down(world):
    """mcp down ends them, and another start begins with nothing."""
    number = world.fill()
    world.ctl("mcp down")
    assert count("xm")["total"] == 0 and stats("xm")["session-down"] == number
    world.ctl("mcp up", LEG)
    world.session(80, b"again")


def test_all_flush(world):
    """session flush."""
    number = world.fill()
    world.ctl("session flush")
    until(lambda: count("xm")["total"] == 0)
    assert stats("xm")["session-flushed"] == number
    world.session(80, b"again")


def test_all_module_removed(mcp, world):
    """The module can be removed at any time, and its servers hear of it."""
    mcp()
    world.fill()
    try:
        subprocess.run(["rmmod", "mptcpproxy"], check=True, timeout=60)
    finally:
        reload_module()
    until(lambda: all(connection_is_over(sock) for sock in world.stack.connections))
    world.up()
    world.session(80, b"again")


def test_all_closed_and_deleted(world):
    """What was closed in good order a moment ago does not hold the namespace."""
    for port in 80, 81:
        for _ in range(4):
            sock = world.session(port, b"closing")
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(1) == b""
    subprocess.run(["ip", "netns", "del", "xm"], check=True)
    until(lambda: link_is_gone("xc", "c0"), 60, "the end of the namespace")


def test_many_at_a_time(mcp, client_wire, server_wire):
    """Dials side by side; none is mistaken for another."""
    counted = mcp(LEG + " hold-timeout 60s")
    with Answering(server_wire, lambda syn, before: "rst" if syn.dport == 81 else 0,
                   [RAW_SERVER4]):
        trials = [(raw_client(client_wire), codec.mp_convert(RAW_SERVER4, 80 + number % 2))
                  for number in range(100)]
        assert play(client_wire, trials) == ["accepted", "reset"] * 50
    counted.wait(dial=100, dial_accepted=50, dial_refused=50)
    all_quiet()
