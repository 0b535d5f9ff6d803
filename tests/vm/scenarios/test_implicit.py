"""Implicit mode: MPTCP connections to the server itself end at an MCP on their path."""

import pytest

from capture import MP_CAPABLE, MP_JOIN, mptcp_option, mptcp_subtypes
from gateway import DEBUG, address
from netns import wait_for
from streams import MB, end_both, transfer

SIZE = (1 if DEBUG else 4) * MB


def implicit(gw, settings="implicit all", family=4):
    """The network MCP ends what the gateway's programs open; its second address is where
    further subflows come to."""
    gw.up(network=settings, second=False, family=family)
    gw.ctl("n", "intercept add dev nu0 via direct")
    gw.ns["n"].ip(f"mptcp endpoint add {address('2.2', 1, family)} dev nu1 signal")


@pytest.mark.parametrize("family", [4, 6])
def test_two_paths(gw, family):
    """A program's MPTCP connection to a server of TCP: it ends at the MCP, and its second
    subflow comes to the MCP's own address."""
    implicit(gw, family=family)
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
