"""Static mappings: connections from outside to a client."""

import pytest

import codec
from gateway import DEBUG, address
from netns import wait_for
from streams import end_both, transfer


@pytest.fixture
def inbound(gw):
    """The network MCP serves the gateway; the gateway's MCP serves the network's."""
    gw.up(second=False)
    gw.ctl("g", "acl add 10.2.0.0/16")
    gw.ctl("n", f"peer add home {address('2.1', 2)}")
    return gw


def through(gw, listener, where, name="s", **kwargs):
    """A connection from outside to a host: the two ends."""
    outside = gw.connect(where, name=name, **kwargs)
    host = listener.accept()
    transfer(outside, host, 100_000, 1)
    transfer(host, outside, 100_000, 2)
    return outside, host


def test_direct(gw):
    """The MCP that has the address dials the client itself: the handshake is held until
    the client has answered, and a client that refuses is a refused connection."""
    gw.ctl("g", "mcp up")
    gw.ctl("g", f"mapping add {address('2.1', 2)}:8080 to {address('1', 2)}:80")
    wan, lan = gw.capture("g", "u0", "tcp"), gw.capture("h", "h0", "tcp")
    with pytest.raises(ConnectionRefusedError):
        gw.connect((address("2.1", 2), 8080), name="n")
    assert not wan.synacks() and lan.syns()[0].dport == 80
    listener = gw.listen(name="h", where="1")
    outside, host = through(gw, listener, (address("2.1", 2), 8080), name="n")
    session, = gw.sessions("g")
    assert session["ingress"] == "mapping"
    assert session["server"] == {"address": address("1", 2), "port": 80}
    assert session["mcp"] == {"address": address("2.1", 2), "port": 8080}
    end_both(outside, host)
    row, = gw.ctl("g", "mapping show")
    assert row["hits"] == 2 and gw.counted("g")["forwarded"] == 2


@pytest.mark.parametrize("family", [4, 6])
def test_by_peer(inbound, family):
    """The network MCP has the gateway's dial the host, and tells it who is there (D = 1)."""
    gw = inbound
    external = address("9.0", 1, family)
    where = f"[{external}]:8080" if family == 6 else f"{external}:8080"
    client = f"[{address('1', 2, 6)}]:80" if family == 6 else f"{address('1', 2)}:80"
    gw.ctl("n", f"mapping add {where} to {client} via home")
    up = gw.capture("g", "u0", "tcp dst port 5124")
    listener = gw.listen(family, name="h", where="1")
    outside, host = through(gw, listener, (external, 8080))
    request = up.syns()[0]
    assert request.payload == codec.mp_convert(
        address("1", 2, family), 80, *outside.getsockname()[:2])
    assert gw.sessions("n")[0]["upstream"] == "tcp"
    assert gw.sessions("n")[0]["downstream"] == "mptcp"
    assert gw.sessions("g")[0]["upstream"] == "mptcp"
    end_both(outside, host)
    gw.wait("n", forwarded=1, session_closed=1)


def test_hairpin(inbound):
    """A host reaches another one's mapping, by way of the network MCP."""
    gw = inbound
    gw.ctl("n", f"mapping add {address('9.0', 1)}:8080 to {address('1', 2)}:80 via home")
    gw.take()
    listener = gw.listen(name="h", where="1")
    outside, host = through(gw, listener, (address("9.0", 1), 8080), name="h",
                            source="10.1.0.200")
    assert gw.counted("n")["forwarded"] == 1 and gw.counted("g")["intercepted"] == 1
    end_both(outside, host)


def test_whole_address(gw):
    """All ports of an address that nobody else has; others are as before."""
    gw.ctl("g", "mcp up")
    gw.ctl("g", f"mapping add {address('2.1', 2)} to {address('1', 2)}")
    own = gw.listen(name="g", where="2.1", port=2222)
    for port in 443, 8443:
        listener = gw.listen(name="h", where="1", port=port)
        end_both(*through(gw, listener, (address("2.1", 2), port), name="n"))
    end_both(*through(gw, own, (address("2.1", 2), 2222), name="n"))
    assert gw.counted("g")["forwarded"] == 2


def test_pool_address(gw):
    """An external address need not be on an interface."""
    gw.ctl("g", "mcp up")
    gw.ctl("g", "pool add 10.2.1.50 ports 5000-5999")
    gw.ctl("g", f"mapping add 10.2.1.50:5001 to {address('1', 2)}:80")
    gw.ns["n"].ip("route add 10.2.1.50/32 via 10.2.1.2")
    try:
        listener = gw.listen(name="h", where="1")
        end_both(*through(gw, listener, ("10.2.1.50", 5001), name="n"))
    finally:
        gw.ns["n"].ip("route del 10.2.1.50/32")


def test_lifetime(gw):
    """A mapping that was given for a time is gone after it; its connections stay."""
    gw.ctl("g", "mcp up")
    seconds = 20 if DEBUG else 10
    gw.ctl("g", f"mapping add {address('2.1', 2)}:8080 to {address('1', 2)}:80 "
           f"lifetime {seconds}s")
    row, = gw.ctl("g", "mapping show")
    assert 0 < row["lifetime_ms"] <= 1000 * seconds
    listener = gw.listen(name="h", where="1")
    outside, host = through(gw, listener, (address("2.1", 2), 8080), name="n")
    wait_for(lambda: not gw.ctl("g", "mapping show"), what="its end")
    with pytest.raises(ConnectionRefusedError):
        gw.connect((address("2.1", 2), 8080), name="n")
    transfer(outside, host, 50_000)
    end_both(outside, host)


def test_refusals(gw):
    """What cannot be a mapping is refused with what to do."""
    gw.ctl("g", "mcp up")
    taken = gw.listen(name="g", where="2.1", port=2222)
    add = f"mapping add {address('2.1', 2)}"
    gw.ctl("g", f"{add}:80 to {address('1', 2)}")
    for words, said in ((f"{add}:80 to {address('1', 3)}", "has a mapping already"),
                        (f"{add}:{taken.port} to {address('1', 2)}:22", "is in use"),
                        (f"{add}:81 to {address('1', 2)} via nobody", "no peer nobody"),
                        (f"{add}:81 to 127.0.0.1", "no host can have"),
                        (f"{add}:81 to {address('2.1', 2)}:81", "loop")):
        done = gw.ctl("g", words, check=False)
        assert done.returncode == 1 and said in done.stderr, done
    assert len(gw.ctl("g", "mapping show")) == 1
    gw.ctl("g", f"mapping del {address('2.1', 2)}:80")
    done = gw.ctl("g", f"mapping del {address('2.1', 2)}:80", check=False)
    assert done.returncode == 1 and "no mapping" in done.stderr


def test_port_is_kept(gw):
    """A mapping's port is given to no session; one that a session has, to no mapping."""
    gw.ctl("g", "mcp up max-ports-client 10")
    gw.ctl("g", "intercept add dev lan0 via direct")
    gw.ctl("g", "pool add 10.2.1.2 ports 7000-7001")
    gw.ctl("g", f"mapping add 10.2.1.2:7000 to {address('1', 2)}:80")
    listener = gw.listen()
    host = gw.connect(listener)
    server = listener.accept()
    assert server.getpeername() == ("10.2.1.2", 7001)
    done = gw.ctl("g", f"mapping add 10.2.1.2:7001 to {address('1', 2)}:80", check=False)
    assert done.returncode == 1 and "in use" in done.stderr
    end_both(host, server)
