"""The request comes back in the payload of the SYN/ACK, octet by octet."""

import os

import pytest

import codec
from scene import SERVER4, SERVER6, Server, all_quiet, ctl, is_synack_of, raw_client, until
from wire import SYN, find_option

pytest_plugins = ["scene"]

REQUESTS = {
    "ipv4": codec.element(SERVER4),
    "ipv4-port": codec.mp_convert(SERVER4, 5124),
    "ipv6": codec.element(SERVER6),
    "ipv6-port": codec.mp_convert(SERVER6, 5124),
    "two": codec.mp_convert(SERVER4, 5124, "192.0.2.1"),
    "two-ports": codec.mp_convert(SERVER6, 5124, "2001:db8::1", 77),
    "origin-first": codec.element("192.0.2.1", 9, codec.ORIGIN) + codec.element(SERVER4, 5124),
    # Whatever is ignored comes back as it came.
    "reserved-bits": codec.element(SERVER4, 5124, 0xfff0 | codec.LAST),
    "padding": codec.element(SERVER4, 5124)[:-2] + b"\xaa\xbb",
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", REQUESTS)
def test_echo(mcp, client_wire, family, name):
    """The SYN/ACK, and each repetition of it, has the elements of the request,
    and the stream begins behind them."""
    request = REQUESTS[name]
    counted = mcp()
    with Server(port=5124, family=10, greeting=b"greeting"):
        client = raw_client(client_wire, family)
        client.syn(request + b"early data")
        synack = client.answer()
        assert is_synack_of(synack, client), synack
        assert synack.payload == request
        assert synack.option(30)
        client.send(SYN, request + b"early data", client.isn)
        again = client.answer()
        assert (again.flags, again.seq, again.ack, again.payload) == \
            (synack.flags, synack.seq, synack.ack, request)
        # TCP may have repeated it by itself.
        until(lambda: counted["echo-sent"] >= 2)
        assert counted["echo-failed"] == 0
        # SYN takes one number, the echo the next ones, then comes the stream.
        client.establish(synack)
        data = client_wire.first(5, lambda seen: client.mine(seen) and seen.payload
                                 and not seen.flags & SYN)
        assert data.seq == (synack.seq + 1 + len(request)) % 2**32
        assert data.payload[:8] == b"greeting"
        client.reset()
    all_quiet()


def test_first_octet(mcp, client_wire):
    """One octet of greeting has the number behind the echo."""
    mcp()
    with Server(greeting=b"!"):
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(SERVER4, 80))
        synack = client.answer()
        client.establish(synack)
        data = client.answer()
        assert (data.seq, data.payload) == ((synack.seq + 17) % 2**32, b"!")
        client.reset()


def test_not_echoed(mcp, client_wire):
    """With echo off the SYN/ACK is bare, and so it is for Convert."""
    counted = mcp("echo off")
    with Server():
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(SERVER4, 80))
        synack = client.answer()
        assert is_synack_of(synack, client) and not synack.payload
        client.reset()
        all_quiet()
        ctl("mcp set echo on")
        client = raw_client(client_wire)
        client.syn(codec.convert(SERVER4, 80))
        synack = client.answer()
        assert is_synack_of(synack, client) and not synack.payload
        client.reset()
    counted.wait(syn_answered=2, echo_sent=0, echo_failed=0)
    all_quiet()


def test_not_for_late_requests(mcp, client_wire):
    """A request in the stream is not echoed: the SYN/ACK is gone."""
    counted = mcp("require-mptcp off")
    with Server():
        client = raw_client(client_wire)
        client.syn(b"")
        synack = client.answer()
        assert not synack.payload
        client.establish(synack)
        client.data(codec.mp_convert(SERVER4, 80) + b"x")
        data = client_wire.first(5, lambda seen: client.mine(seen) and seen.payload
                                 and not seen.flags & SYN)
        assert (data.seq, data.payload) == ((synack.seq + 1) % 2**32, b"x")
        client.reset()
    counted.wait(echo_sent=0)
    all_quiet()


@pytest.mark.parametrize("handshake", ["held", "early"])
def test_mptcp_comes_up(mcp, client_wire, handshake):
    """A client that takes the echo for what it is gets MPTCP."""
    counted = mcp(f"handshake {handshake}")
    with Server():
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(SERVER4, 80))
        synack = client.answer()
        theirs = find_option(synack.options, 30)[2:10]
        ours = os.urandom(8)
        client.establish(synack, options=b"\x1e\x14\x01\x01" + ours + theirs)
        counted.wait(session_bound=1, session_mptcp=1)
    ctl("session flush")    # a RST would only end the subflow
    all_quiet()
