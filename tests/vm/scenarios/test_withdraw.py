"""mptcp withdraw with real stacks: client and server speak MPTCP with each other,
and the MCP only translates. And mptcp maintain, with the same server."""

import struct

import pytest

from capture import MP_CAPABLE, MP_JOIN, has_mptcp
from lab import KERNEL, address
from netns import wait_for
from streams import MB, end_both, transfer

FAMILIES = [4, 6]
MPTCP = 30
# A hundred where a machine has the time: the other kernels have the same code.
SIZE = (100 if KERNEL == "6.12" else 10) * MB

# Sessions that have closed are gone soon.
SHORT = "transitory-idle 1s i-know"


def fell_back(sock):
    """Whether an MPTCP socket has fallen back to TCP, or was never more."""
    try:
        info = sock.getsockopt(284, 1, 32)              # SOL_MPTCP, MPTCP_INFO
    except OSError:
        return True
    return bool(struct.unpack_from("I", info, 8)[0] & 1)


def withdrawn(lab, family=4, settings="", **kwargs):
    """A connection that the MCP has stepped out of: both ends."""
    lab.up(f"mptcp withdraw {settings}")
    listener = lab.listen(family, protocol="mptcp")
    client = lab.connect(listener, family=family, **kwargs)
    server = listener.accept()
    lab.wait_stats(session_withdrawn=1, session_bound=1)
    return client, server


def let_join(lab, family=4, paths=(1,)):
    """Client and server have, and take, further paths."""
    lab.server.ip("mptcp limits set subflow 8 add_addr_accepted 8")
    for path in paths:
        lab.second_path(path, family=family)


def sockets(lab):
    """TCP sockets in use on the MCP's host."""
    lines = (lab.mcp.read("net/sockstat") + lab.mcp.read("net/sockstat6")).splitlines()
    words = [line.split() for line in lines if line.startswith("TCP")]
    return sum(int(row[row.index("inuse") + 1]) for row in words)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("echo", ["on", "off"])
def test_withdrawn(lab, family, echo):
    """Both ends have one MPTCP connection, which the MCP has no socket of."""
    lab.up(f"mptcp withdraw echo {echo} {SHORT}")
    before = sockets(lab)
    listener = lab.listen(family, protocol="mptcp")
    client = lab.connect(listener, family=family)
    server = listener.accept()
    transfer(client, server, 3 * MB, 1)
    transfer(server, client, 3 * MB, 2)
    assert not fell_back(client) and not fell_back(server)
    assert sockets(lab) == before
    session = lab.session()
    assert session["upstream"] == "translated" and session["subflows"] == 1
    assert session["state"] == "established"
    # What is repeated on a slow machine is translated again.
    for octets in session["bytes_up"], session["bytes_down"]:
        assert 3 * MB <= octets < 3.5 * MB
    stats = lab.stats()
    assert stats["session-withdrawn"] == stats["session-bound"] == stats["session-mptcp"] == 1
    assert (stats["octets-up"], stats["octets-down"]) == \
        (session["bytes_up"], session["bytes_down"])
    assert stats["echo-sent"] == (echo == "on")
    end_both(client, server)
    lab.wait_stats(session_closed=1)


def essence(segments, source):
    """What a translation must not change of the segments that one side sends."""
    return sorted((segment.seq, segment.ack, segment.flags, segment.options, segment.payload)
                  for segment in segments if segment.src == source and not segment.flags & 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_touched(lab, family):
    """Behind the handshake, segments are the same on both sides of the MCP but for
    addresses and ports: numbers, options, payload, and how large they are, which
    offloads see to."""
    near = lab.capture(lab.mcp, "mc0", "tcp")
    far = lab.capture(lab.mcp, "ms0", "tcp")
    client, server = withdrawn(lab, family, SHORT)
    transfer(client, server, 2 * MB, 1)
    transfer(server, client, 2 * MB, 2)
    end_both(client, server)
    lab.wait_stats(session_closed=1)
    external = far.syns()[0].src
    for sender, translated in (address(1, 2, family), external), (address(1, 1, family),
                                                                  address(9, 2, family)):
        here, there = essence(near.segments(), sender), essence(far.segments(), translated)
        assert len(here) > 10 and here == there
        # More than a link takes: nobody has cut them up.
        assert max(len(segment[4]) for segment in here) > 2000
    assert {segment.dst for segment in far.segments() if segment.src == external} == \
        {address(9, 2, family)}


@pytest.mark.parametrize("family, paths", [(4, 1), (4, 2), (6, 2)])
def test_bulk(lab, family, paths):
    """Many octets each way, over one path and over two."""
    if paths == 2:
        let_join(lab, family)
    client, server = withdrawn(lab, family, SHORT)
    size = SIZE if family == 4 else SIZE // 10
    if paths == 2:
        transfer(client, server, MB, 1)
        lab.wait_subflows(2)
        # A path that is no faster than the other is used, too.
        for netns, end in (lab.client, "c"), (lab.mcp, "mc"):
            for path in range(2):
                netns.netem(f"{end}{path}", "delay 1ms limit 10000")
    transfer(client, server, size, 2)
    transfer(server, client, size, 3)
    assert not fell_back(client) and not fell_back(server)
    stats = lab.stats()
    assert stats["join-translated"] == paths - 1 and not stats["join-refused"]
    if paths == 2:
        assert lab.server.nstat()["MPTcpExtMPJoinAckRx"] == 1
        assert all(min(lab.client.link_bytes(f"c{path}")) > size // 20 for path in range(2))
    end_both(client, server)
    lab.wait_stats(session_closed=1)


def test_join(lab):
    """The second subflow leaves from a port of its own of the same address, and
    goes to the same server. It carries on when the first path is cut, and when the
    MCP would have dropped an idle session."""
    far = lab.capture(lab.mcp, "ms0", "tcp")
    let_join(lab)
    client, server = withdrawn(lab, settings=SHORT)
    transfer(client, server, MB, 1)
    lab.wait_subflows(2)
    first, second = far.syns()
    assert has_mptcp(MP_CAPABLE)(first) and has_mptcp(MP_JOIN)(second)
    assert (second.src, second.dst, second.dport) == (first.src, first.dst, first.dport)
    assert second.sport != first.sport
    for netns, iface in (lab.client, "c0"), (lab.mcp, "mc0"):
        netns.blackhole(iface)
    transfer(client, server, MB, 2)
    transfer(server, client, MB, 3)
    client.reset()
    assert server.error()


def test_join_beyond_the_limit(lab):
    """A session has no more than max-subflows; those beyond are lost."""
    let_join(lab)
    client, server = withdrawn(lab, settings=f"max-subflows 1 {SHORT}")
    transfer(client, server, MB, 1)
    wait_for(lambda: lab.stats()["join-refused"] >= 1)
    transfer(server, client, MB, 2)
    assert lab.session()["subflows"] == 1 and not lab.stats()["join-translated"]
    end_both(client, server)


def test_join_of_a_maintained_session(lab):
    """Sessions of both kinds side by side: each subflow goes to its own."""
    let_join(lab)
    client, server = withdrawn(lab, settings=SHORT)
    listener = lab.listen(port=81, protocol="tcp")
    other = lab.connect(listener)
    plain = listener.accept()
    for number, (one, two) in enumerate([(client, server), (other, plain)]):
        transfer(one, two, MB, number)
        transfer(two, one, MB, number)
    wait_for(lambda: [session["subflows"] for session in lab.sessions()] == [2, 2])
    stats = lab.stats()
    assert stats["join-translated"] == 1 and stats["syn-join"] == 2
    assert stats["session-withdrawn"] == 1 and stats["session-bound"] == 2
    end_both(client, server)
    end_both(other, plain)


REMAINING = {
    "early data": {"early": b"early"},
    "a late request": {"via": "late"},
    "another family": {"family": 6},
    "convert": {"codec": "convert"},
}


@pytest.mark.parametrize("why", REMAINING)
def test_remains(lab, why):
    """What cannot be translated is maintained, although it was asked for and
    the server speaks MPTCP."""
    lab.up("mptcp withdraw")
    listener = lab.listen(protocol="mptcp")
    kwargs = REMAINING[why]
    client = lab.connect(listener, **kwargs)
    server = listener.accept()
    if "early" in kwargs:
        assert server.read_exactly(5) == b"early"
    transfer(client, server, MB, 1)
    transfer(server, client, MB, 2)
    assert fell_back(server) and lab.session()["upstream"] == "mptcp"
    assert lab.stats()["session-withdrawn"] == 0
    if why == "convert":
        # The server's MP_CAPABLE, with its key.
        options = client.reply[0][1][2:]
        assert b"\x1e\x0c\x01" in options
    end_both(client, server)
    lab.wait_stats(session_closed=1)


@pytest.mark.parametrize("settings, server_protocol", [
    ("mptcp maintain", "mptcp"), ("mptcp withdraw", "tcp"),
    ("mptcp withdraw relay-mp-capable off", "mptcp"),
    ("mptcp withdraw handshake early", "mptcp")])
def test_maintained(lab, settings, server_protocol):
    """Not asked to withdraw, or nobody there to speak MPTCP with: the server
    falls back in the third packet, and the client does not notice."""
    far = lab.capture(lab.mcp, "ms0", "tcp")
    lab.up(settings)
    listener = lab.listen(protocol=server_protocol)
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, MB, 1)
    transfer(server, client, MB, 2)
    assert lab.session()["upstream"] == "mptcp"
    assert bool(has_mptcp(MP_CAPABLE)(far.syns()[0])) == ("capable off" not in settings)
    speaks = server_protocol == "mptcp" and "capable off" not in settings
    assert bool(has_mptcp(MP_CAPABLE)(far.synacks()[0])) == speaks
    behind = far.segments(lambda segment: segment.dport == 80 and not segment.flags & 2)
    assert behind and not any(map(has_mptcp(*range(9)), behind))
    end_both(client, server)
    lab.wait_stats(session_closed=1, session_withdrawn=0)


def test_adopted_with_the_clients_options(lab):
    """A SYN that might have led to a withdrawal is the client's own; a socket that
    takes over all the same keeps to that: its clock goes on from the client's."""
    near = lab.capture(lab.mcp, "mc0", "tcp")
    far = lab.capture(lab.mcp, "ms0", "tcp")
    lab.up("mptcp withdraw")
    listener = lab.listen(protocol="tcp")
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, 8 * MB, 1)
    transfer(server, client, 8 * MB, 2)
    theirs, ours = near.syns()[0], far.syns()[0]
    assert ours.options.replace(b"\1", b"") == theirs.options.replace(b"\1", b"") or \
        all(ours.option(kind) == theirs.option(kind) for kind in (2, 3, 4, 8, MPTCP))
    stamps = [struct.unpack("!I", segment.option(8)[:4])[0]
              for segment in far.segments(lambda segment: segment.dport == 80)]
    assert all((later - earlier) % 2**32 < 60000 for earlier, later in zip(stamps, stamps[1:]))
    end_both(client, server)
    lab.wait_stats(session_closed=1)


@pytest.mark.parametrize("who", ["client", "server"])
def test_reset(lab, who):
    """A reset goes through, and ends the session after the transitory time."""
    client, server = withdrawn(lab, settings=SHORT)
    transfer(client, server, 1000, 1)
    transfer(server, client, 1000, 2)
    (client if who == "client" else server).reset()
    assert isinstance((server if who == "client" else client).error(), ConnectionResetError)
    lab.wait_stats(**{f"session_{who}_reset": 1})


@pytest.mark.parametrize("first", ["client", "server"])
def test_half_close(lab, first):
    """The end of one direction leaves the other as it is; both ends make an end."""
    client, server = withdrawn(lab, settings="transitory-idle 8s i-know")
    one, other = (client, server) if first == "client" else (server, client)
    one.half_close()
    assert other.at_end()
    transfer(other, one, MB, 1)
    other.half_close()
    assert one.at_end()
    one.close()
    other.close()
    wait_for(lambda: lab.session()["state"] == "both-fin")
    lab.wait_stats(session_closed=1)


def test_idle_and_alive(lab):
    """Before an established session is dropped for being idle, both ends are asked;
    one whose ends answer goes on."""
    client, server = withdrawn(lab, settings="established-idle 1s transitory-idle 2s i-know")
    transfer(client, server, 1000, 1)
    near = lab.capture(lab.mcp, "mc0", "tcp")
    far = lab.capture(lab.mcp, "ms0", "tcp")
    wait_for(lambda: lab.stats()["session-probed"] >= 3)
    assert lab.session()["state"] in ("established", "trans")
    # Probes to both, and answers to the MCP that go on to the other end.
    for capture, source in (near, address(1, 1)), (far, far.segments()[0].dst):
        probes = capture.segments(lambda segment, source=source: segment.src == source)
        assert probes and not any(segment.payload for segment in probes)
    assert near.segments(lambda segment: segment.src == address(1, 2))
    transfer(client, server, MB, 2)
    transfer(server, client, MB, 3)
    end_both(client, server)
    lab.wait_stats(session_closed=1, session_idle=0)


def test_idle_and_gone(lab):
    """One whose ends do not answer is dropped."""
    client, server = withdrawn(lab, settings="established-idle 1s transitory-idle 2s i-know")
    transfer(client, server, 1000, 1)
    lab.client.blackhole("c0")
    lab.server.blackhole("s0")
    lab.wait_stats(session_idle=1)
    # More than once if it was idle before its ends were gone.
    assert lab.stats()["session-probed"] >= 1


@pytest.mark.parametrize("how", ["session flush", "mcp down"])
def test_ended_by_the_operator(lab, how):
    """Both ends are reset, on all their subflows."""
    let_join(lab)
    client, server = withdrawn(lab)
    transfer(client, server, MB, 1)
    lab.wait_subflows(2)
    links = {iface: lab.capture(lab.mcp, iface, "tcp") for iface in ("mc0", "mc1", "ms0")}
    lab.ctl(how)
    lab.wait_idle()
    # MPTCP itself waits for other paths before it gives up.
    for sender, links_of in ("10.0.1.1", ["mc0", "mc1"]), ("10.0.9.1", ["ms0", "ms0"]):
        for iface in links_of:
            ports = {segment.dport if iface != "ms0" else segment.sport
                     for segment in links[iface].resets() if segment.src == sender}
            assert len(ports) == (2 if iface == "ms0" else 1), (iface, ports)
    client.close()
    server.close()


@pytest.mark.leaves_sessions
def test_namespace_goes(lab):
    """A namespace that ends takes its sessions with it: there is nothing to see but
    that nothing is left."""
    let_join(lab)
    client, server = withdrawn(lab)
    transfer(client, server, MB, 1)
    lab.wait_subflows(2)


def test_port_again(lab):
    """A client that begins anew from its port, while the MCP still remembers the
    connection that it had, gets a new one."""
    client, server = withdrawn(lab, port=4711)
    transfer(client, server, 1000, 1)
    client.reset()
    assert server.error()
    wait_for(lambda: lab.session()["state"] == "trans")
    listener = lab.listen(port=81, protocol="mptcp")
    again = lab.connect(listener, port=4711)
    server = listener.accept()
    transfer(again, server, MB, 2)
    transfer(server, again, MB, 3)
    lab.wait_stats(session_withdrawn=2, session_client_reset=1)
    assert lab.session()["server"]["port"] == 81
    lab.ctl("session flush")


FIREWALL = """table ip gateway {
	chain in {
		type filter hook input priority 0; policy drop;
		ct state established,related accept
		tcp dport 5124 ct state new accept
		counter
	}
	chain out {
		type filter hook output priority 0; policy drop;
		ct state established,related,new accept
	}
	chain pre {
		type filter hook prerouting priority -150;
		ct state invalid drop
	}
	chain post {
		type nat hook postrouting priority 100;
		oifname "ms0" masquerade
	}
}"""


def test_firewall(lab):
    """On a gateway that tracks connections, drops what it does not know and
    masquerades, all goes as it does elsewhere, a further subflow included."""
    lab.mcp.nft(FIREWALL)
    lab.mcp.sysctl("net.ipv4.conf.all.rp_filter", 1)
    let_join(lab)
    client, server = withdrawn(lab, settings=SHORT)
    transfer(client, server, MB, 1)
    lab.wait_subflows(2)
    transfer(client, server, 3 * MB, 2)
    transfer(server, client, 3 * MB, 3)
    assert not fell_back(server)
    end_both(client, server)
    lab.wait_stats(session_closed=1)


@pytest.mark.parametrize("family", FAMILIES)
def test_path_that_narrows(lab, family):
    """Packets that are too large for the way behind the MCP come back as ICMP
    errors to whom they are from, who sends smaller ones."""
    client, server = withdrawn(lab, family, SHORT)
    transfer(client, server, 1000, 1)
    near = lab.capture(lab.mcp, "mc0", "icmp or icmp6")
    for iface, network in ("ms0", 9), ("mc0", 1):
        prefix = "10.0.{}.0/24" if family == 4 else "fd00:{}::/64"
        lab.mcp.ip(f"route replace {prefix.format(network)} dev {iface} mtu lock 1300"
                   if family == 4 else
                   f"route replace {prefix.format(network)} dev {iface} metric 1 mtu lock 1300")
    transfer(client, server, MB, 2)
    transfer(server, client, MB, 3)
    assert near.sock.recv(2000)             # the client was told
    end_both(client, server)
    lab.wait_stats(session_closed=1)


LOSSY = """table ip lossy {
	set seen {
		type inet_service; flags dynamic; size 100;
	}
	chain out {
		type filter hook postrouting priority 0;
		oifname "mc0" tcp flags & syn == syn tcp dport != @seen add @seen { tcp dport } drop
	}
}"""


def test_lost_synack(lab):
    """The client's SYN comes again when the SYN/ACK is lost: the server repeats
    it, and the connection comes up."""
    lab.mcp.nft(LOSSY)
    # It comes again after a second: the session must live longer without it.
    client, server = withdrawn(lab, settings="transitory-idle 5s i-know")
    transfer(client, server, MB, 1)
    transfer(server, client, MB, 2)
    assert not fell_back(client) and not fell_back(server)
    end_both(client, server)
    lab.wait_stats(session_closed=1, session_new=1)


def test_refused(lab):
    """A server that refuses is refused, whatever was intended."""
    lab.up("mptcp withdraw")
    with pytest.raises(ConnectionRefusedError):
        lab.connect((address(9, 2), 81))
    lab.wait_stats(session_refused=1, session_withdrawn=0)
