"""Implicit mode: MPTCP connections to the server itself end at an MCP on their path."""

import pytest

from capture import MP_CAPABLE, MP_JOIN, mptcp_option, mptcp_subtypes
from gateway import DEBUG, address
from netns import wait_for
from streams import MB, end_both, transfer

MP_PREFER_PROXY = 0xF
SIZE = (1 if DEBUG else 4) * MB


def implicit(gw, settings="", family=4):
    """The network MCP ends what the gateway's programs open; its second address is where
    further subflows come to."""
    gw.up(network=settings, second=False, family=family)
    gw.ctl("n", "intercept add dev nu0 via direct")
    gw.ns["n"].ip(f"mptcp endpoint add {address('2.2', 1, family)} dev nu1 signal")


@pytest.mark.parametrize("family", [4, 6])
def test_two_paths(gw, family):
    """A program's MPTCP connection to a server of TCP: it ends at the MCP, and its second
    subflow comes to the MCP's own address."""
    implicit(gw, "implicit all", family)
    listener = gw.listen(family)
    near = gw.capture("n", "nu0", "tcp")
    other = gw.capture("n", "nu1", "tcp")
    client = gw.connect(listener, name="g", protocol="mptcp")
    server = listener.accept()
    assert client.getpeername()[:2] == (address("9.0", 2, family), 80)
    assert server.getpeername()[0] == address("9.0", 1, family)
    transfer(client, server, 10_000, 1)
    wait_for(lambda: gw.sessions("n")[0]["subflows"] == 2, what="two subflows")
    transfer(client, server, SIZE, 2)
    transfer(server, client, SIZE, 3)
    session, = gw.sessions("n")
    assert (session["ingress"], session["upstream"]) == ("intercept", "mptcp")
    answer, = near.synacks()
    assert MP_CAPABLE in mptcp_subtypes(answer) and mptcp_option(answer, MP_CAPABLE)[3] & 0x20
    join, = other.syns()
    assert mptcp_subtypes(join) == [MP_JOIN]
    assert (join.dst, join.dport) == (address("2.2", 1, family), 80)
    end_both(client, server)
    gw.wait("n", intercepted=1, session_bound=1, session_closed=1)


@pytest.mark.parametrize("family", [4, 6])
def test_marked(gw, family):
    """A gateway asks whatever MCP is on the path of its hosts' connections, with
    MP_PREFER_PROXY in each SYN that has MP_CAPABLE, and both uplinks carry them."""
    implicit(gw, family=family)
    gw.ctl("g", "peer flush")
    gw.ctl("g", f"peer add net {address('2.1', 1, family)} codec implicit")
    gw.take()
    listener = gw.listen(family)
    up, far = gw.capture("n", "nu0", "tcp"), gw.capture("s", "s0", "tcp")
    host = gw.connect(listener)
    server = listener.accept()
    assert host.getpeername()[:2] == (address("9.0", 2, family), 80)
    transfer(host, server, 10_000, 1)
    wait_for(lambda: gw.sessions("n")[0]["subflows"] == 2, what="two subflows")
    transfer(host, server, SIZE, 2)
    transfer(server, host, SIZE, 3)
    syn, = up.syns()
    assert mptcp_subtypes(syn) == [MP_CAPABLE, MP_PREFER_PROXY] and syn.payload == b""
    assert mptcp_option(syn, MP_PREFER_PROXY) == bytes([30, 4, 0xf0, 0])
    assert (syn.dst, syn.dport) == (address("9.0", 2, family), 80)
    dial, = far.syns()
    assert MP_PREFER_PROXY not in mptcp_subtypes(dial)
    end_both(host, server)
    gw.wait("g", intercepted=1, peer_marked=1, session_closed=1)
    gw.wait("n", intercepted=1, session_closed=1)


def test_native_untouched(gw):
    """An MPTCP connection that does not ask for it passes as it is."""
    implicit(gw)
    near, far = gw.capture("n", "nu0", "tcp"), gw.capture("s", "s0", "tcp")
    listener = gw.listen(protocol="mptcp")
    client = gw.connect(listener, name="g", protocol="mptcp")
    server = listener.accept()
    assert server.getpeername()[0] == address("2.1", 2)
    transfer(client, server, 10_000, 1)
    end_both(client, server)
    (syn,), (same,) = near.syns(), far.syns()
    assert (syn.seq, syn.options, syn.src, syn.sport) == (same.seq, same.options, same.src,
                                                          same.sport)
    gw.wait("n", session_new=0, intercepted=0)


def test_off(gw):
    """With `implicit off` one that asks for it passes, too."""
    implicit(gw, "implicit off")
    gw.ctl("g", "peer flush")
    gw.ctl("g", f"peer add net {address('2.1', 1)} codec implicit")
    gw.take()
    near = gw.capture("n", "nu0", "tcp")
    listener = gw.listen(protocol="mptcp")
    host = gw.connect(listener)
    server = listener.accept()
    assert server.getpeername()[0] == address("2.1", 2)
    transfer(host, server, 10_000, 1)
    end_both(host, server)
    syn, = near.syns()
    assert mptcp_subtypes(syn) == [MP_CAPABLE, MP_PREFER_PROXY]
    gw.wait("g", intercepted=1)
    gw.wait("n", session_new=0, intercepted=0)


def test_refused(gw):
    """A server that refuses is a refused connection."""
    implicit(gw, "implicit all")
    with pytest.raises(ConnectionRefusedError):
        gw.connect((address("9.0", 2), 81), name="g", protocol="mptcp")
    gw.wait("n", intercepted=1, dial_refused=1)


def test_many_ports(gw):
    """Connections to more ports than there are listeners for: the others pass, and those
    that are over make room."""
    implicit(gw, "implicit all")
    listeners = [gw.listen(port=8000 + number) for number in range(66)]
    clients, servers = [], []
    for listener in listeners:
        clients.append(gw.connect(listener, name="g", protocol="mptcp"))
        servers.append(listener.accept())
    gw.wait("n", session_bound=64, intercept_passed=2)
    assert [server.getpeername()[0] for server in servers] == \
        [address("9.0", 1)] * 64 + [address("2.1", 2)] * 2
    for client, server in zip(clients, servers):
        transfer(client, server, 1000, 1)
        end_both(client, server)
    gw.wait("n", session_closed=64)
    client = gw.connect(listeners[65], name="g", protocol="mptcp")
    assert listeners[65].accept().getpeername()[0] == address("9.0", 1)
    client.close()
