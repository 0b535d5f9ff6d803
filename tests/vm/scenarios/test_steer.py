"""Steering: connections that are MPTCP already are led to a peer, and end there."""

import errno
import socket

import pytest

import codec
from capture import MP_CAPABLE, MP_JOIN, has_mptcp, mptcp_subtypes
from gateway import DEBUG, address
from netns import wait_for
from streams import MB, end_both, transfer
from wire import RST, SYN

SIZE = (1 if DEBUG else 8) * MB
# What a gateway's firewall lets out, it has an address of the gateway's own.
FIREWALL = ("table inet t { chain post { type nat hook postrouting priority 100;"
            " oifname { u0, u1, u2 } masquerade; }\n"
            "chain in { type filter hook input priority 0; ct state invalid counter drop; }\n"
            "chain out { type filter hook output priority 0; ct state invalid counter drop; }\n"
            "chain onward { type filter hook forward priority 0; ct state invalid counter drop; }"
            "\n}\n")


def steer(gw, who, settings="", family=4, network="", transitory="2s", **kwargs):
    """The gateway leads MPTCP of its host ("h"), or its own ("g"), to the network MCPs."""
    # A session that is over is remembered for the transitory time.
    gw.up(f"{settings} transitory-idle {transitory} i-know", network=network, family=family,
          **kwargs)
    gw.take("dev lan0" if who == "h" else "local")


def second_path(gw, who, family=4):
    """A second address of who opens the connection, whose packets take uplink 1."""
    if who == "g":
        gw.two_paths(family)
        return
    source = address("1", 3, family)
    gw.ns["h"].ip(f"mptcp endpoint add {source} dev h0 subflow")
    gw.rule(f"from {source} table 2", family)


def connected(gw, who, family=4, listener=None):
    listener = listener or gw.listen(family)
    client = gw.connect(listener, name=who, protocol="mptcp")
    return client, listener.accept()


@pytest.mark.parametrize("who", ["h", "g"])
@pytest.mark.parametrize("family", [4, 6])
def test_two_paths(gw, who, family):
    """The request is in the SYN, the echo not in the answer; what both ends say is not
    touched, on either path."""
    steer(gw, who, family=family)
    second_path(gw, who, family)
    up, other = gw.capture("n", "nu0", "tcp"), gw.capture("n", "nu1", "tcp")
    near = gw.capture("h", "h0", "tcp") if who == "h" else gw.capture("g", "lo", "tcp")
    client, server = connected(gw, who, family)
    assert client.getpeername()[:2] == (address("9.0", 2, family), 80)
    assert server.getpeername()[0] == address("9.0", 1, family)
    transfer(client, server, 20_000, 1)
    transfer(server, client, 20_000, 2)
    wait_for(lambda: gw.sessions("n")[0]["subflows"] == 2, what="two subflows")
    transfer(client, server, SIZE, 3)
    transfer(server, client, SIZE, 4)
    session, = gw.sessions("g")
    assert (session["ingress"], session["upstream"]) == ("intercept", "translated")
    assert session["subflows"] == 2
    assert session["peer"] == {"address": address("2.1", 1, family), "port": 5124}
    assert session["bytes_up"] > SIZE and session["bytes_down"] > SIZE
    assert gw.sessions("n")[0]["upstream"] == "mptcp"

    element = codec.mp_convert(address("9.0", 2, family), 80)
    request, = up.syns()
    echoed, = up.synacks()
    assert request.payload == echoed.payload == element
    assert mptcp_subtypes(request) == mptcp_subtypes(echoed) == [MP_CAPABLE]
    assert request.src == address("2.1", 2, family)
    syn = near.syns()[0]
    answer = near.segments(lambda s: s.flags & SYN and s.dport == syn.sport
                           and s.sport == 80)[0]
    assert syn.payload == answer.payload == b""
    assert (syn.seq, answer.ack) == (request.end - 1, request.end)
    assert (answer.seq + 1) % 2**32 == echoed.end
    join, = other.syns()
    assert mptcp_subtypes(join) == [MP_JOIN] and join.payload == b""
    assert (join.src, join.dst) == (address("2.2", 2, family), address("2.1", 1, family))
    end_both(client, server)
    gw.wait("g", session_new=1, session_steered=1, session_bound=1, session_closed=1,
            peer_request=1, join_translated=1)
    gw.wait("n", request_mp_convert=1, session_mptcp=1, session_closed=1)


@pytest.mark.parametrize("who", ["h", "g"])
def test_firewall(gw, who):
    """Connection tracking knows each side's connection, and finds nothing amiss; what passes
    on, for want of a peer, is masqueraded as ever."""
    gw.nft("g", FIREWALL)
    steer(gw, who, second=False)
    listener = gw.listen()
    client, server = connected(gw, who, listener=listener)
    assert server.getpeername()[0] == address("9.0", 1)
    transfer(client, server, SIZE, 1)
    transfer(server, client, SIZE, 2)
    end_both(client, server)
    gw.wait("g", session_steered=1, session_closed=1)
    gw.ctl("g", "mcp set peer-timeout 300ms")
    gw.drop("n", "tcp dport 5124")
    for _ in range(2):
        client, server = connected(gw, who, listener=listener)
        assert server.getpeername()[0] == address("2.1", 2)
        transfer(client, server, 20_000)
        end_both(client, server)
    for chain in ("in", "out", "onward"):
        assert "packets 0" in gw.ns["g"].run("nft", "list", "chain", "inet", "t", chain).stdout


def test_kept_out(gw):
    """Whom the INPUT chain keeps out is answered nothing, however often it asks."""
    gw.nft("g", "table inet t { chain in { type filter hook input priority 0;"
                " iifname lan0 tcp dport 80 counter drop; }\n}\n")
    steer(gw, "h", "syn-timeout 4s")
    gw.listen()
    near = gw.capture("h", "h0", "tcp")
    sock = gw.socket(protocol="mptcp")
    sock.settimeout(3.5)
    with pytest.raises((socket.timeout, ConnectionError)):
        sock.connect((address("9.0", 2), 80))
    assert len(near.syns()) >= 2 and not near.synacks()


@pytest.mark.parametrize("who", ["h", "g"])
def test_refused(gw, who):
    """A server that refuses is a refused connection, and that is no fault of the peer."""
    steer(gw, who)
    with pytest.raises(ConnectionRefusedError):
        gw.connect((address("9.0", 2), 81), name=who, protocol="mptcp")
    peer = gw.peers()[0]
    assert (peer["state"], peer["refused"], peer["failed"]) == ("up", 1, 0)


@pytest.mark.parametrize("who", ["h", "g"])
def test_failover(gw, who):
    """A peer that is gone: the next one; and if there is none, as without a gateway."""
    steer(gw, who)
    gw.ctl("n", "mcp down")
    listener = gw.listen()
    client, server = connected(gw, who, listener=listener)
    assert server.getpeername()[0] == address("9.1", 1)
    transfer(client, server, 20_000)
    end_both(client, server)
    gw.idle()
    gw.ctl("p", "mcp down")
    for _ in range(2):
        client, server = connected(gw, who, listener=listener)
        assert server.getpeername()[0] == address("2.1" if who == "g" else "1", 2)
        transfer(client, server, 20_000)
        end_both(client, server)
    assert [peer["state"] for peer in gw.peers()] == ["down", "down"]


@pytest.mark.parametrize("where", ["g", "n"])
def test_stripped(gw, where):
    """The echo, or the request, does not get through: the SYN goes on as it is, and the next
    one at once."""
    steer(gw, "h", second=False)
    gw.strip(where)
    listener = gw.listen()
    far = gw.capture("s", "s0", "tcp")
    clients = [gw.connect(listener, protocol="mptcp") for _ in range(2)]
    servers = {}
    while len(servers) < 2:
        server = listener.accept()
        try:
            source, port = server.getpeername()
        except OSError:
            assert where == "g"         # the peer's, which was reset
            continue
        if where == "n" or source != address("9.0", 1):
            assert source == address("1", 2)
            servers[port] = server
    for client in clients:
        server = servers[client.getsockname()[1]]
        transfer(client, server, 20_000)
        end_both(client, server)
    assert len(far.syns()) == 2 + (where == "g")
    gw.wait("g", session_new=1, intercept_passed=1)


@pytest.mark.parametrize("who", ["client", "server"])
def test_reset(gw, who):
    """A reset of either end is one for the other."""
    steer(gw, "h", second=False)
    client, server = connected(gw, "h")
    transfer(client, server, 20_000)
    (client if who == "client" else server).reset()
    assert (server if who == "client" else client).error().errno == errno.ECONNRESET
    gw.wait("g", **{f"session_{who}_reset": 1})


@pytest.mark.leaves_sessions
@pytest.mark.parametrize("how", ["session flush", "mcp down"])
@pytest.mark.parametrize("who", ["h", "g"])
def test_ended_by_the_operator(gw, how, who):
    """Both ends are told. MPTCP itself waits for other paths before it gives up."""
    steer(gw, who, second=False)
    client, server = connected(gw, who)
    transfer(client, server, 20_000)
    near = gw.capture("h", "h0", "tcp") if who == "h" else gw.capture("g", "lo", "tcp")
    far = gw.capture("n", "nu0", "tcp")
    gw.ctl("g", how)
    assert not gw.sessions("g")
    assert near.segments(lambda s: s.flags & RST and s.sport == 80)
    assert far.segments(lambda s: s.flags & RST and s.dport == 5124)


def test_idle(gw):
    """A connection whose ends still answer is left alone; one of nobody is dropped."""
    steer(gw, "h", "established-idle 1s", second=False)
    client, server = connected(gw, "h")
    transfer(client, server, 20_000)
    wait_for(lambda: gw.counted("g").get("session-probed", 0) >= 2, what="probes")
    transfer(server, client, 20_000)
    gw.drop("h", "tcp sport 80")
    gw.drop("n", "tcp dport 5124")
    gw.wait("g", session_idle=1)
    gw.nft("h", "flush ruleset\n")
    gw.nft("n", "flush ruleset\n")


@pytest.mark.parametrize("lost", [1, 2])
def test_syns_lost(gw, lost):
    """The client's SYN comes again: so does the request, once for each, always in one of
    MPTCP; and the answer has no echo."""
    steer(gw, "h", "peer-timeout 10s", transitory="6s", second=False)
    gw.drop("n", "tcp dport 5124 tcp flags & (syn | ack) == syn limit rate 1/hour "
                 f"burst {lost} packets")
    up = gw.capture("g", "u0", "tcp")
    near = gw.capture("h", "h0", "tcp")
    client, server = connected(gw, "h")
    transfer(client, server, 20_000)
    transfer(server, client, 20_000)
    element = codec.mp_convert(address("9.0", 2), 80)
    assert [syn.payload for syn in up.syns()] == [element] * (lost + 1)
    assert [mptcp_subtypes(syn) for syn in up.syns()] == [[MP_CAPABLE]] * (lost + 1)
    assert len(near.syns()) == lost + 1 and [s.payload for s in near.synacks()] == [b""]
    end_both(client, server)


def test_answer_lost(gw):
    """The answer is lost behind the gateway: both ends repeat theirs."""
    # Each waits a second before it repeats it: the session must live longer.
    steer(gw, "h", transitory="6s", second=False)
    gw.nft("h", "table inet lost { chain c { type filter hook input priority 0;"
                " tcp sport 80 tcp flags & (syn | ack) == (syn | ack) limit rate 1/hour burst 1"
                " packets drop; }\n}\n")
    near = gw.capture("h", "h0", "tcp")
    client, server = connected(gw, "h")
    transfer(client, server, 20_000)
    transfer(server, client, 20_000)
    answers = near.synacks()
    assert len(answers) >= 2 and len({(s.seq, s.ack, s.payload) for s in answers}) == 1
    end_both(client, server)
    gw.wait("g", session_closed=1)


def test_many(gw):
    """Many connections at a time of one host; each has its own."""
    steer(gw, "h", second=False)
    listener = gw.listen()
    clients = [gw.connect(listener, protocol="mptcp") for _ in range(20)]
    servers = {server.getpeername()[1]: server for server in
               (listener.accept() for _ in clients)}
    assert len(servers) == len(clients)
    for number, client in enumerate(clients):
        client.sendall(bytes([number]) * 1000)
    got = {server.read_exactly(1000) for server in servers.values()}
    assert got == {bytes([number]) * 1000 for number in range(len(clients))}
    gw.wait("g", session_steered=20)
    for sock in [*clients, *servers.values()]:
        sock.close()


def test_other_ways(gw):
    """What no peer can be asked for by its SYN passes untouched: codec convert, another
    family."""
    gw.up(peer="codec convert", second=False)
    gw.take()
    listener = gw.listen(protocol="mptcp")
    far = gw.capture("s", "s0", "tcp")
    near = gw.capture("h", "h0", "tcp")
    gw.connect(listener, protocol="mptcp")
    assert listener.accept().getpeername()[0] == address("1", 2)
    assert far.segments(has_mptcp(MP_CAPABLE))[0].options == \
        near.segments(has_mptcp(MP_CAPABLE))[0].options
    gw.ctl("g", "peer flush")
    gw.ctl("g", f"peer add net {address('2.1', 1, 6)}")
    gw.connect(listener, protocol="mptcp")
    assert listener.accept().getpeername()[0] == address("1", 2)
    assert "session-new" not in gw.counted("g")
