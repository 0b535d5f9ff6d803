"""Requests that come as the first octets of the stream."""

import time

import pytest

import codec
from scene import (MCP4, MCP6, RAW_SERVER4, SERVER4, SERVER6, Server, all_quiet, client_socket,
                   count, raw_client, read_all, read_exactly, sessions, until)

pytest_plugins = ["scene"]

SERVER = {4: SERVER4, 6: SERVER6}
MCP = {4: (MCP4, 5124), 6: (MCP6, 5124)}
REQUESTS = {"mp-convert": codec.mp_convert, "convert": codec.convert}


def late(family=4, protocol=0):
    sock = client_socket(family, protocol)
    sock.connect(MCP[family])
    return sock


def read_answer(sock, name):
    """What begins the stream to a Convert client."""
    if name == "convert":
        head = read_exactly(sock, 4)
        tlvs, _ = codec.read_message(head + read_exactly(sock, head[1] * 4 - 4))
        assert [kind for kind, _ in tlvs] == [codec.EXTENDED_TCP_HEADER]


def ended(sock):
    """The connection was reset by the MCP."""
    with pytest.raises(ConnectionResetError):
        read_all(sock)
    sock.close()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("protocol", [0, 262])
@pytest.mark.parametrize("name", REQUESTS)
def test_late(mcp, family, protocol, name):
    """A connection whose first octets are a request is converted, and what
    comes behind it in the same segment is delivered once."""
    counted = mcp("require-mptcp off")
    with Server(family=10) as server, late(family, protocol) as sock:
        sock.sendall(REQUESTS[name](SERVER[family], 80) + b"behind it")
        read_answer(sock, name)
        assert read_exactly(sock, 9) == b"behind it"
        sock.sendall(b"more")
        assert read_exactly(sock, 4) == b"more"
        sock.shutdown(1)
        assert read_all(sock) == b""
        assert server.received == [b"behind itmore"]
    counted.wait(request_late=1, session_bound=1, session_closed=1, octets_up=13,
                 octets_down=13, syn_without_request=1,
                 session_mptcp=1 if protocol else 0)
    all_quiet()


@pytest.mark.parametrize("name", REQUESTS)
def test_octet_by_octet(mcp, name):
    """A request may come in segments of one octet each."""
    counted = mcp("require-mptcp off")
    with Server() as server, late() as sock:
        sock.setsockopt(6, 1, 1)
        for octet in REQUESTS[name](SERVER4, 80):
            sock.sendall(bytes([octet]))
            time.sleep(0.002)       # so that each is a segment of its own
        sock.sendall(b"x")
        read_answer(sock, name)
        assert read_exactly(sock, 1) == b"x"
        assert server.received == [b"x"]
    counted.wait(request_late=1, session_bound=1)
    all_quiet()


def test_two_elements_in_two_parts(mcp):
    """The second element may come later than the first."""
    counted = mcp("require-mptcp off request-timeout 60s")
    request = codec.mp_convert(SERVER4, 80, "192.0.2.7", 99)
    with Server(), late() as sock:
        sock.sendall(request[:20])
        until(lambda: (rows := sessions()) and "server" not in rows[0])
        sock.sendall(request[20:] + b"x")
        assert read_exactly(sock, 1) == b"x"
    counted.wait(request_late=1)
    all_quiet()


@pytest.mark.parametrize("octets", [b"", b"\xfa", codec.mp_convert(SERVER4, 80)[:-1],
                                    codec.convert(SERVER4, 80)[:-1], b"\1"])
def test_incomplete_in_time(mcp, octets):
    """A client that does not complete its request is reset."""
    counted = mcp("require-mptcp off request-timeout 600ms")
    began = time.monotonic()
    sock = late()
    sock.sendall(octets)
    ended(sock)
    assert time.monotonic() - began > 0.5
    counted.wait(refused_request_timeout=1, session_bad_request=1)
    all_quiet()


@pytest.mark.parametrize("octets", [b"", b"\xfa\xa8", codec.convert(SERVER4, 80)[:5]])
def test_incomplete_end(mcp, octets):
    """So is one that ends its stream before."""
    counted = mcp("require-mptcp off")
    sock = late()
    sock.sendall(octets)
    sock.shutdown(1)
    ended(sock)
    counted.wait(refused_request_incomplete=1, session_bad_request=1)
    all_quiet()


@pytest.mark.parametrize("protocol", [0, 262])
@pytest.mark.parametrize("octets, reason", [
    (b"GET / HTTP/1.1\r\n\r\n", "refused-not-a-request"),
    (b"\xfa\xa8\xfa\xa9", "refused-not-a-request"),
    (codec.element(SERVER4, 80, kind=1), "refused-malformed"),
    (codec.message(codec.info(), total=0), "refused-malformed")])
def test_garbage(mcp, octets, reason, protocol):
    """What is no request is reset, at once."""
    counted = mcp("require-mptcp off")
    sock = late(protocol=protocol)
    sock.sendall(octets)
    ended(sock)
    counted.wait(session_bad_request=1, reply_reset=1, **{reason: 1})
    all_quiet()


@pytest.mark.parametrize("request_, code, reason", [
    (codec.message(codec.tlv(99)), codec.UNSUPPORTED_MESSAGE, "refused-malformed"),
    (codec.message(codec.info(), version=2), codec.UNSUPPORTED_VERSION, "refused-malformed"),
    (codec.convert("127.0.0.1", 80), codec.MALFORMED, "refused-destination"),
    (codec.convert(SERVER4, 80, b"\x1d\4\0\0"), codec.UNSUPPORTED_OPTION, "refused-option")])
def test_late_errors(mcp, request_, code, reason):
    """A late Convert request that is refused is told so, as in a SYN."""
    counted = mcp()
    with late() as sock:
        sock.sendall(request_)
        assert codec.read_error(read_all(sock))[0] == code
    counted.wait(reply_error=1, session_bad_request=1, **{reason: 1})
    all_quiet()


def test_late_outcomes(mcp):
    """What the server does is told as if the SYN had been answered early."""
    counted = mcp("require-mptcp off")
    sock = late()
    sock.sendall(codec.mp_convert(SERVER4, 81))
    ended(sock)
    with late() as sock:
        sock.sendall(codec.convert(SERVER4, 81))
        assert codec.read_error(read_all(sock)) == (codec.CONNECTION_RESET, b"\0")
    with late() as sock:
        sock.sendall(codec.mp_convert("127.0.0.1", 80))
        ended(sock)
    counted.wait(dial_refused=2, refused_destination=1)
    all_quiet()


def test_late_silent_server(mcp):
    """A late request gives the server as long as another one."""
    counted = mcp("require-mptcp off syn-timeout 1s")
    sock = late()
    sock.sendall(codec.mp_convert(RAW_SERVER4, 80))
    ended(sock)
    counted.wait(dial_timeout=1, session_syn_timeout=1)
    all_quiet()


@pytest.mark.parametrize("family", [4, 6])
def test_late_off(mcp, client_wire, family):
    """With late-request off, a SYN without a request is ignored."""
    counted = mcp("late-request off")
    client = raw_client(client_wire, family)
    client.syn(b"")
    assert client.answer(0.3) is None
    counted.wait(syn_without_request=1, refused_late_request_off=1, session_new=0)
    all_quiet()


@pytest.mark.parametrize("require", ["on", "off"])
@pytest.mark.parametrize("protocol", [0, 262])
def test_late_require_mptcp(mcp, protocol, require):
    """A late MP_CONVERT needs MPTCP as long as require-mptcp is on."""
    counted = mcp(f"require-mptcp {require}")
    with Server():
        sock = late(protocol=protocol)
        sock.sendall(codec.mp_convert(SERVER4, 80) + b"x")
        if protocol or require == "off":
            assert read_exactly(sock, 1) == b"x"
            sock.close()
            counted.wait(session_bound=1, refused_not_mptcp=0)
        else:
            ended(sock)
            counted.wait(refused_not_mptcp=1, session_bad_request=1)
    all_quiet()


def test_slow_loris(mcp):
    """Clients that connect and say nothing hold half-open sessions, and no
    more of them than they may have."""
    counted = mcp("request-timeout 6s max-half-open-client 5")
    socks = []
    for _ in range(8):
        socks.append(client_socket(protocol=0))
        socks[-1].connect_ex(MCP[4])
    until(lambda: counted["refused-half-open-client"] == 3)
    counts = count()
    assert counts["total"] == 5 and counts["half_open"] == 5
    counted.wait(refused_request_timeout=5, session_bad_request=5)
    all_quiet()
    for sock in socks:
        sock.close()
