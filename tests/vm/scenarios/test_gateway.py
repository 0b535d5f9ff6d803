"""The dual proxy: hosts and servers know nothing, a gateway takes their connections off
the path and has a network MCP dial."""

import errno
import os
import socket

import pytest

import codec
from capture import MP_CAPABLE, has_mptcp, mptcp_subtypes
from gateway import BLACKHOLE, DEBUG, FAMILY, address
from netns import wait_for
from streams import MB, end_both, transfer
from wire import SYN

SIZE = (1 if DEBUG else 4) * MB
CODECS = ["mp-convert", "convert"]


@pytest.mark.parametrize("coding", CODECS)
@pytest.mark.parametrize("uplink", [4, 6])
@pytest.mark.parametrize("family", [4, 6])
def test_dual_proxy(gw, coding, family, uplink):
    """A host's connection reaches the server, intact both ways, over both uplinks, of
    whichever family; the host sees the server's address, the server that of the network
    MCP."""
    gw.two_paths(uplink)
    gw.up(peer=f"codec {coding}", family=uplink)
    gw.take()
    listener = gw.listen(family)
    host = gw.connect(listener)
    server = listener.accept()
    assert host.getpeername()[:2] == (address("9.0", 2, family), 80)
    assert server.getpeername()[0] == address("9.0", 1, family)
    transfer(host, server, SIZE, 1)
    transfer(server, host, SIZE, 2)
    session, = gw.sessions("g")
    assert session["ingress"] == "intercept" and session["downstream"] == "mptcp"
    assert session["peer"] == {"address": address("2.1", 1, uplink), "port": 5124}
    assert session["client"]["address"] == address("1", 2, family)
    assert session["server"] == {"address": address("9.0", 2, family), "port": 80}
    wait_for(lambda: gw.sessions("n")[0]["subflows"] == 2, what="two subflows")
    end_both(host, server)
    gw.wait("g", intercepted=1, session_bound=1, session_closed=1)
    gw.wait("n", **{"request_" + coding.replace("-", "_"): 1, "session_closed": 1})
    peer = gw.peers()[0]
    assert (peer["state"], peer["dials"], peer["accepted"]) == ("up", 1, 1)


def test_one_pass(gw):
    """SYN in, SYN with MP_CONVERT out, SYN to the server, and the answers back: each once,
    in this order, and the host's SYN is answered last."""
    gw.up(second=False)
    gw.take()
    listener = gw.listen()
    lan, up, far = (gw.capture(name, iface, "tcp") for name, iface in
                    (("h", "h0"), ("n", "nu0"), ("s", "s0")))
    host = gw.connect(listener)
    server = listener.accept()
    (syn,), (request,), (dial,) = lan.syns(), up.syns(), far.syns()
    (answer,), (echoed,), (accepted,) = lan.synacks(), up.synacks(), far.synacks()
    element = codec.mp_convert(address("9.0", 2), 80)
    assert request.payload == element and mptcp_subtypes(request) == [MP_CAPABLE]
    assert echoed.payload == element and echoed.ack == request.end
    assert dial.payload == b"" and syn.payload == b"" and answer.payload == b""
    assert (syn.dst, syn.dport) == (dial.dst, dial.dport) == (address("9.0", 2), 80)
    # What is inserted takes no number that the stream has.
    first = up.segments(lambda s: not s.flags & SYN and s.sport == request.sport)[0]
    assert first.seq == request.end and first.ack == echoed.end
    end_both(host, server)


def test_refused(gw):
    """A server that refuses is a refused connection, also behind a peer of either codec."""
    for coding in CODECS:
        gw.up(peer=f"codec {coding}")
        gw.take()
        lan = gw.capture("h", "h0", "tcp")
        with pytest.raises(ConnectionRefusedError):
            gw.connect((address("9.0", 2), 81))
        assert len(lan.resets()) == 1
        peer = gw.peers()[0]
        assert (peer["state"], peer["refused"], peer["failed"]) == ("up", 1, 0)
        gw.idle()
        gw.reset()


@pytest.mark.parametrize("coding", CODECS)
def test_unreachable(gw, coding):
    """An unreachable server: the host gets the ICMP error (Convert), or a reset."""
    gw.up(peer=f"codec {coding}")
    gw.take()
    gw.drop("s", "tcp dport 82", verdict="reject with icmpx type admin-prohibited")
    with pytest.raises(OSError) as refused:
        gw.connect((address("9.0", 2), 82))
    assert refused.value.errno == (errno.EHOSTUNREACH if coding == "convert" else
                                   errno.ECONNREFUSED)
    assert gw.peers()[0]["failed"] == 0


def test_flushed_before_the_answer(gw):
    """What the operator ends before the answer is not dialled for by anybody for long."""
    limit = 12 if DEBUG else 8
    gw.up("peer-timeout 20s", network=f"hold-timeout {limit}s syn-timeout {limit}s")
    gw.take()
    gw.drop("s", "tcp dport 83")
    sock = gw.socket()
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.connect((address("9.0", 2), 83))
    wait_for(lambda: gw.sessions("n"), what="the dial")
    assert gw.sessions("g")[0]["upstream"] == "pending"
    gw.ctl("g", "session flush")
    gw.idle()


def test_server_speaks_first(gw):
    """A banner reaches a host that says nothing."""
    gw.up()
    gw.take()
    listener = gw.listen(port=22)
    host = gw.connect(listener)
    server = listener.accept()
    server.sendall(b"SSH-2.0-test\r\n")
    assert host.read_exactly(14) == b"SSH-2.0-test\r\n"
    server.close()
    assert host.at_end()


def test_half_close_and_reset(gw):
    """A host's FIN is a half-close for the server; a server's RST one for the host."""
    gw.up()
    gw.take()
    listener = gw.listen()
    host = gw.connect(listener)
    server = listener.accept()
    host.sendall(b"question")
    host.half_close()
    assert server.read_all() == b"question"
    server.sendall(b"answer")
    assert host.read_exactly(6) == b"answer"
    server.reset()
    assert host.error().errno == errno.ECONNRESET


def test_untouched(gw):
    """What no rule takes is routed as before: SYN, sequence numbers and all."""
    gw.up()
    gw.take("dev lan0 dport 8000-8999")
    listener = gw.listen()
    lan, far = gw.capture("h", "h0", "tcp"), gw.capture("s", "s0", "tcp")
    host = gw.connect(listener)
    server = listener.accept()
    transfer(host, server, 100_000)
    assert server.getpeername()[0] == address("1", 2)
    assert [(s.seq, s.options) for s in lan.syns()] == [(s.seq, s.options) for s in far.syns()]
    end_both(host, server)
    assert "intercepted" not in gw.counted("g")


def test_rules(gw):
    """The first rule that fits counts; each counts what it took."""
    gw.up()
    for rule in ("from 10.1.0.9/32 pass", "dport 81 pass", "to 10.9.0.0/24 dport 80-89 via net",
                 "dev lan0 via direct"):
        gw.ctl("g", "intercept add", rule)
    listeners = {port: gw.listen(port=port) for port in (80, 81, 90)}
    seen = {}
    for source, port in (("10.1.0.2", 80), ("10.1.0.9", 80), ("10.1.0.2", 81), ("10.1.0.2", 90)):
        host = gw.connect(listeners[port], source=source)
        seen[source, port] = listeners[port].accept().getpeername()[0]
        host.close()
    assert seen == {("10.1.0.2", 80): "10.9.0.1", ("10.1.0.9", 80): "10.1.0.9",
                    ("10.1.0.2", 81): "10.1.0.2", ("10.1.0.2", 90): "10.2.1.2"}
    rows = gw.ctl("g", "intercept show")
    assert [row["index"] for row in rows] == [1, 2, 3, 4]
    assert [row["hits"] for row in rows] == [0, 0, 1, 1]
    gw.ctl("g", "intercept del 3")
    assert gw.ctl("g", "intercept show")[2]["via"] == "direct"
    assert gw.ctl("g", "intercept del 9", check=False).returncode == 1


def test_failover(gw):
    """A peer that is not there is left alone for a time: the second one dials, and, once
    that is gone too, nobody. When they are back they are used again."""
    gw.up(settings="peer-retry 60s")
    gw.take()
    listener = gw.listen()

    def server_sees():
        host = gw.connect(listener)
        server = listener.accept()
        seen = server.getpeername()[0]
        transfer(host, server, 20_000)
        end_both(host, server)
        return seen
    assert server_sees() == address("9.0", 1)
    gw.idle()
    gw.ctl("n", "mcp down")
    assert server_sees() == address("9.1", 1)
    first, second = gw.peers()
    assert first["state"] == "down" and 0 < first["left_ms"] <= 60000 and second["state"] == "up"
    # It is not asked again meanwhile.
    dials = first["dials"]
    assert server_sees() == address("9.1", 1)
    assert gw.peers()[0]["dials"] == dials
    gw.idle()
    gw.ctl("g", "mcp set peer-retry 2s")
    gw.ctl("p", "mcp down")
    assert server_sees() == address("1", 2)
    assert gw.counted("g")["intercept-passed"] == 1
    assert [peer["state"] for peer in gw.peers()] == ["down", "down"]
    gw.ctl("p", "mcp up")
    wait_for(lambda: "left_ms" not in gw.peers()[1], what="its time")
    assert server_sees() == address("9.1", 1)
    assert gw.peers()[1]["state"] == "up"


def test_silent_peer(gw):
    """A peer that answers nothing costs the first connection `peer-timeout`, once."""
    gw.up(settings="peer-timeout 300ms", second=False)
    gw.take()
    listener = gw.listen()
    gw.drop("n", "tcp dport 5124")
    host = gw.connect(listener)
    assert listener.accept().getpeername()[0] == address("1", 2)
    assert gw.peers()[0]["state"] == "down"
    host.sendall(b"x")
    again = gw.connect(listener)
    assert listener.accept().getpeername()[0] == address("1", 2)
    again.close()
    assert gw.counted("g")["intercept-passed"] == 2 and gw.counted("g")["dial"] == 1


def passes_without_mptcp(gw):
    """A host's connection is routed, no peer hears of it, and none is to blame."""
    listener = gw.listen()
    far, up = gw.capture("s", "s0", "tcp port 80"), gw.capture("g", "u0", "tcp port 5124")
    host = gw.connect(listener)
    server = listener.accept()
    assert server.getpeername()[:2] == host.getsockname()[:2]
    transfer(host, server, 100_000)
    end_both(host, server)
    assert len(far.syns()) == 1 and not up.segments()
    assert far.syns()[0].sum_is_right
    gw.wait("g", intercepted=1, intercept_passed=1, peer_not_mptcp=1, session_new=1)
    assert {peer["state"] for peer in gw.peers()} == {"unknown"}


def test_mptcp_off(gw):
    """A gateway whose MPTCP is switched off asks no peer, which would refuse."""
    gw.up()
    gw.take()
    gw.ns["g"].sysctl("net.mptcp.enabled", 0)
    try:
        passes_without_mptcp(gw)
    finally:
        gw.ns["g"].sysctl("net.mptcp.enabled", 1)


@pytest.mark.skipif(not os.path.exists(BLACKHOLE), reason="the kernel has no such detection")
def test_mptcp_off_by_detection(gw):
    """Nor does one that the kernel's blackhole detection has switched it off on."""
    gw.up()
    gw.take()
    gw.ns["g"].sysctl("net.mptcp.blackhole_timeout", 3600)
    try:
        gw.drop("s", "tcp option mptcp exists")
        listener = gw.listen(port=81)
        gw.connect(listener, name="g", protocol="mptcp")
        listener.accept()
        passes_without_mptcp(gw)
    finally:
        gw.ns["g"].sysctl("net.mptcp.blackhole_timeout", 0)


def test_no_plain_syn(gw):
    """The SYN that the kernel would send last, without MP_CAPABLE, does not go to a peer:
    its refusal would be taken for the server's."""
    gw.up("peer-timeout 4s", second=False)
    gw.take()
    listener = gw.listen()
    up = gw.capture("g", "u0", "tcp port 5124")
    gw.drop("n", "tcp dport 5124 tcp option mptcp exists")
    host = gw.connect(listener)
    server = listener.accept()
    assert server.getpeername()[:2] == host.getsockname()[:2]
    sent = [mptcp_subtypes(syn) for syn in up.syns()]
    assert len(sent) >= 2 and sent == [[MP_CAPABLE]] * len(sent)
    assert gw.peers()[0]["state"] == "down"
    gw.wait("g", intercept_passed=1)


def test_fallback_direct(gw):
    """Without a peer the gateway dials itself, if it is told to."""
    gw.up(settings="fallback direct", second=False)
    gw.take()
    gw.ctl("n", "mcp down")
    listener = gw.listen()
    for _ in range(2):
        host = gw.connect(listener)
        server = listener.accept()
        assert server.getpeername()[0] == address("2.1", 2)
        transfer(host, server, 50_000)
        end_both(host, server)
    gw.wait("g", intercepted=2, session_closed=2)


def test_no_echo(gw):
    """A peer that acknowledges the request and does not echo it is no MCP: it is left
    alone for `capability-ttl`, and the connection goes on without it."""
    ttl = 15 if DEBUG else 6
    gw.up(settings=f"capability-ttl {ttl}s", network="echo off", second=False)
    gw.take()
    listener = gw.listen()
    host = gw.connect(listener)
    # That attempt is ended, after the server has heard of it.
    assert listener.accept().getpeername()[0] == address("9.0", 1)
    server = listener.accept()
    assert server.getpeername()[0] == address("1", 2)
    transfer(host, server, 20_000)
    peer, = gw.peers()
    assert peer["state"] == "not-converting" and 0 < peer["left_ms"] <= 1000 * ttl
    gw.ctl("n", "mcp set echo on")
    wait_for(lambda: "left_ms" not in gw.peers()[0], what="its time")
    gw.connect(listener)
    assert listener.accept().getpeername()[0] == address("9.0", 1)
    assert gw.peers()[0]["state"] == "up"


def test_cookie(gw):
    """A peer that wants a cookie gets the one it gives: from then on at once."""
    gw.up(network="cookie required", second=False, peer="codec convert")
    gw.take()
    listener = gw.listen()
    for dials in 1, 2:
        host = gw.connect(listener)
        transfer(host, listener.accept(), 20_000)
        peer, = gw.peers()
        assert len(peer["cookie"]) == 16 and peer["state"] == "up" and peer["failed"] == 0
        assert peer["dials"] == dials and gw.counted("g")["peer-cookie-learnt"] == 1


@pytest.mark.parametrize("coding", CODECS)
def test_payload_stripped(gw, coding):
    """A peer whose SYNs lose their payload on the way is asked behind the handshake, and
    from then on at once; early data is lost by none of that."""
    gw.up(second=False, peer=f"codec {coding}")
    gw.take()
    listener = gw.listen()
    up = gw.capture("g", "u0", "tcp dst port 5124")
    gw.strip("n")
    for connection in 1, 2:
        host = gw.connect(listener)
        server = listener.accept()
        assert server.getpeername()[0] == address("9.0", 1)
        transfer(host, server, 100_000, 1)
        transfer(server, host, 100_000, 2)
        asked = {}      # by the first SYN from each port
        for syn in up.syns():
            asked.setdefault(syn.sport, bool(syn.payload))
        assert list(asked.values()) == [True] + [False] * connection
        end_both(host, server)
    peer, = gw.peers()
    assert peer["state"] == "up" and peer["late"] == 2 and peer["failed"] == 0
    assert gw.counted("g")["peer-lost-payload"] == 1


def test_echo_stripped(gw):
    """To lose the echo on the way is as bad as never to have had it."""
    gw.up(second=False)
    gw.take()
    gw.strip("g")
    listener = gw.listen()
    host = gw.connect(listener)
    assert listener.accept().getpeername()[0] == address("9.0", 1)
    server = listener.accept()
    assert server.getpeername()[0] == address("1", 2)
    transfer(host, server, 20_000)
    assert gw.peers()[0]["state"] == "not-converting"


def test_local(gw):
    """The gateway's own connections, from whatever address they have."""
    gw.up()
    gw.ctl("g", "intercept add local dport 80 via net")
    listener = gw.listen()
    lo = gw.capture("g", "lo", "tcp")
    for family in (4, 6):
        listener = gw.listen(family, port=80) if family == 6 else listener
        host = gw.connect(listener, name="g")
        server = listener.accept()
        assert server.getpeername()[0] == address("9.0", 1, family)
        transfer(host, server, 100_000, 1)
        transfer(server, host, 100_000, 2)
        end_both(host, server)
    assert lo.syns()
    # Others are not asked about: neither hosts', nor what no rule fits.
    gw.connect(listener)
    assert listener.accept().getpeername()[0] == address("1", 2, 6)
    gw.wait("g", intercepted=2)


def test_local_passes(gw):
    """Nor is the gateway worse off than its hosts when no peer can dial."""
    gw.up(settings="peer-timeout 300ms", second=False)
    gw.ctl("g", "intercept add local via net")
    listener = gw.listen()
    gw.drop("n", "tcp dport 5124")
    far = gw.capture("s", "s0", "tcp")
    for _ in range(2):
        host = gw.connect(listener, name="g")
        server = listener.accept()
        assert server.getpeername()[0] == address("2.1", 2)
        transfer(host, server, 20_000)
        end_both(host, server)
    assert far.syns()[0].sum_is_right


@pytest.mark.parametrize("family", [4, 6])
def test_routed_to_the_host(gw, family):
    """What is the host's by a route, without an address, is its own; so is what chooses a
    way itself."""
    prefix, where = {4: ("10.55.0.0/16", "10.55.0.1"), 6: ("fd55::/64", "fd55::1")}[family]
    gw.up(second=False)
    gw.take("local", "dev lan0")
    gw.ns["g"].run("ip", f"-{family}", "route", "add", "local", prefix, "dev", "lo")
    try:
        sock = gw.ns["g"].socket(FAMILY[family])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0" if family == 4 else "::", 90))
        sock.listen()
        for name in "g", "h":
            client = gw.connect((where, 90), name=name)
            server, _ = sock.accept()
            client.sendall(b"x")
            assert server.recv(1) == b"x"
            # Without the route neither could tell the other of its end: it would hold
            # the namespace until it gives up.
            client.reset()
            server.close()
    finally:
        gw.ns["g"].run("ip", f"-{family}", "route", "del", "local", prefix, "dev", "lo")
    listener = gw.listen(family)
    marked = gw.socket("g", family)
    marked.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
    marked.connect((listener.address, listener.port))
    assert listener.accept().getpeername()[0] == address("2.1", 2, family)
    assert "intercepted" not in gw.counted("g")


@pytest.mark.parametrize("coding", CODECS)
def test_peer_itself(gw, coding):
    """A connection to a peer's own address, at which nobody could dial, is let by; and one
    that it ignores, or refuses to dial at all, does not keep others from it."""
    gw.up(f"peer-timeout {8 if DEBUG else 4}s", second=False, peer=f"codec {coding}")
    gw.take()
    host = gw.connect((address("2.1", 1), 5124))
    host.close()
    assert "intercepted" not in gw.counted("g")
    listener = gw.listen()
    ignored = gw.socket()
    ignored.setblocking(False)
    assert ignored.connect_ex(("10.9.0.255", 80)) == errno.EINPROGRESS
    wait_for(lambda: gw.counted("g").get("dial"), what="the dial")
    passed = 0
    while not passed:       # and once more after that
        passed = gw.counted("g").get("session-passed")
        host = gw.connect(listener)
        assert listener.accept().getpeername()[0] == address("9.0", 1)
        host.close()
    peer, = gw.peers()
    assert (peer["state"], peer["failed"]) == ("up", 0)


def test_masquerade(gw):
    """Connection tracking and NAT of the gateway go on working, for what is taken and for
    what is passed on once a peer has failed."""
    gw.nft("g", "table inet t { chain post { type nat hook postrouting priority 100;"
                " oifname { u0, u1, u2 } masquerade; }\n"
                "chain in { type filter hook input priority 0; ct state invalid counter drop; }\n"
                "chain onward { type filter hook forward priority 0; ct state invalid counter drop; }\n}\n")
    gw.up(second=False)
    gw.take()
    listener = gw.listen()
    host = gw.connect(listener)
    server = listener.accept()
    assert server.getpeername()[0] == address("9.0", 1)
    transfer(host, server, SIZE)
    end_both(host, server)
    gw.ctl("g", "mcp set peer-timeout 300ms")
    gw.drop("n", "tcp dport 5124")
    for _ in range(2):
        host = gw.connect(listener)
        server = listener.accept()
        assert server.getpeername()[0] == address("2.1", 2)
        transfer(host, server, 50_000)
        end_both(host, server)
    assert gw.counted("g")["intercept-passed"] == 2
    assert "packets 0" in gw.ns["g"].run("nft", "list", "chain", "inet", "t", "in").stdout


def test_firewall(gw):
    """Whom the INPUT chain keeps out is not answered."""
    gw.drop("g", "iifname lan0 tcp dport 80")
    gw.up()
    gw.take()
    listener = gw.listen()
    sock = gw.socket()
    sock.settimeout(1.5)
    with pytest.raises(socket.timeout):
        sock.connect((listener.address, listener.port))
    gw.ctl("g", "session flush")
    gw.idle()


def test_origin(gw):
    """The network MCP learns the host's address (D = 1), and may let servers see it."""
    gw.up(peer="origin", network="source preserve", second=False)
    gw.ctl("n", "acl flush")
    gw.ctl("n", "acl add 10.2.0.0/16 origin 10.1.0.0/24")
    gw.take()
    listener = gw.listen()
    up = gw.capture("n", "nu0", "tcp")
    host = gw.connect(listener, source="10.1.0.77")
    server = listener.accept()
    assert server.getpeername() == host.getsockname()
    assert up.syns()[0].payload == codec.mp_convert(
        address("9.0", 2), 80, "10.1.0.77", host.getsockname()[1])
    transfer(host, server, 100_000, 1)
    transfer(server, host, 100_000, 2)
    end_both(host, server)


def test_many_hosts(gw):
    """Connections of 200 hosts at once, each with its own data."""
    gw.up()
    gw.take()
    listener = gw.listen()
    count = 60 if DEBUG else 200

    def repeat(connection):
        while piece := connection.recv(65536):
            connection.sendall(piece)
    served = listener.serve(repeat, count)
    hosts = [gw.connect(listener, source=f"10.1.0.{number + 3}") for number in range(count)]
    for number, host in enumerate(hosts):
        host.sendall(f"host {number}".encode() * 100)
    for number, host in enumerate(hosts):
        said = f"host {number}".encode() * 100
        assert host.read_exactly(len(said)) == said
    for host in hosts:
        host.half_close()
        assert host.at_end()
        host.close()
    served.result(60)
    gw.wait("g", intercepted=count, session_closed=count)


def test_mptcp_host_passes(gw):
    """A host that speaks MPTCP itself is left alone where no peer is asked by the SYN."""
    gw.up(peer="codec convert")
    gw.take()
    listener = gw.listen(protocol="mptcp")
    lan, far = gw.capture("h", "h0", "tcp"), gw.capture("s", "s0", "tcp")
    host = gw.connect(listener, protocol="mptcp")
    server = listener.accept()
    transfer(host, server, 50_000)
    assert lan.segments(has_mptcp(MP_CAPABLE))[0].options == \
        far.segments(has_mptcp(MP_CAPABLE))[0].options
    assert [s.options for s in lan.synacks()] == [s.options for s in far.synacks()]
    assert "intercepted" not in gw.counted("g")


def test_server_leg(gw):
    """The reverse: plain TCP hosts, an MCP that speaks MPTCP with the server."""
    gw.ctl("g", "mcp up server-leg mptcp")
    gw.ctl("g", "intercept add dev lan0 via direct")
    listener = gw.listen(protocol="mptcp")
    far = gw.capture("s", "s0", "tcp")
    host = gw.connect(listener)
    server = listener.accept()
    transfer(host, server, SIZE, 1)
    transfer(server, host, SIZE, 2)
    assert gw.sessions("g")[0]["downstream"] == "mptcp"
    assert mptcp_subtypes(far.syns()[0]) == [MP_CAPABLE]
    end_both(host, server)


def test_first_syn_lost(gw):
    """The SYN that is repeated to the network MCP has the request again."""
    gw.up(second=False)
    gw.take()
    listener = gw.listen()
    gw.drop("n", "tcp dport 5124 tcp flags syn / syn,ack limit rate 1/day burst 1 packets")
    up = gw.capture("g", "u0", "tcp dst port 5124")
    host = gw.connect(listener)
    assert listener.accept().getpeername()[0] == address("9.0", 1)
    first, again = up.syns()
    assert first.payload == again.payload == codec.mp_convert(address("9.0", 2), 80)
    assert first.seq == again.seq
    host.sendall(b"x")


def test_chain(gw):
    """A client that asks an MCP by itself, which has a peer dial: explicit, then peer."""
    gw.up(settings="require-mptcp off", second=False)
    gw.ctl("g", "acl add all via net")
    listener = gw.listen()
    request = codec.mp_convert(listener.address, listener.port)
    host = gw.socket(protocol="tcp")
    host.connect((address("1", 1), 5124))
    host.sendall(request + b"early")
    server = listener.accept()
    assert server.getpeername()[0] == address("9.0", 1)
    assert server.read_exactly(5) == b"early"
    transfer(server, host, 100_000)
    session, = gw.sessions("g")
    assert session["ingress"] == "explicit" and session["peer"]["port"] == 5124
    end_both(host, server)


def test_down(gw):
    """Taking an MCP down resets what it carries, and from then on nothing is taken."""
    gw.up()
    gw.take()
    listener = gw.listen()
    host = gw.connect(listener)
    server = listener.accept()
    gw.ctl("g", "mcp down")
    assert host.error().errno == errno.ECONNRESET
    assert server.error().errno == errno.ECONNRESET
    gw.connect(listener)
    assert listener.accept().getpeername()[0] == address("1", 2)
