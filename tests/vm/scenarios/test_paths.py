"""More than one path between client and MCP."""

import pytest

from capture import MP_JOIN, mptcp_subtypes
from lab import DEBUG, PORT
from streams import MB, background, end_both, finish, transfer
from wire import RST, Wire, tcp_packet

SIZE = (2 if DEBUG else 3) * MB
BUFFER = 512 * 1024
# The paths, and never the processors, are what limits, and none of them keeps
# more in its queue than a part of what the sender may have under way: so there is
# always something for the next one. But the debug kernel may be slower than one path
# on a busy machine: nothing is said there of how much each carries.
RATE = f"rate {2 if DEBUG else 6}mbit burst 32k limit 100k"


def limit_rate(lab):
    for path in range(lab.paths):
        lab.client.tc(f"qdisc replace dev c{path} root tbf {RATE}")
        lab.mcp.tc(f"qdisc replace dev mc{path} root tbf {RATE}")


def open_paths(lab, family=4, coding="mp-convert"):
    """A connection that uses all paths."""
    lab.limit_buffers(BUFFER)
    for path in range(1, lab.paths):
        lab.second_path(path, family)
    lab.up()
    listener = lab.listen(family)
    client = lab.connect(listener, codec=coding, family=family)
    server = listener.accept()
    transfer(client, server, 10_000)
    transfer(server, client, 10_000)
    lab.wait_subflows(lab.paths)
    return client, server


def carried(lab, namespace, prefix, direction):
    """Octets that each path carried so far: direction 0 in, 1 out."""
    return [namespace.link_bytes(f"{prefix}{path}")[direction] for path in range(lab.paths)]


def share(before, after):
    """What part of the octets each path carried meanwhile."""
    each = [b - a for a, b in zip(before, after)]
    return [octets / sum(each) for octets in each]


@pytest.mark.parametrize("paths,family", [(2, 4), (2, 6), (3, 4)])
def test_all_paths_carry(make_lab, paths, family):
    """A client with several paths uses all of them, up and down."""
    lab = make_lab(paths=paths)
    client, server = open_paths(lab, family, "convert" if paths == 3 else "mp-convert")
    limit_rate(lab)
    joins = lab.wait_stats(syn_join=paths - 1)
    assert joins["session-new"] == 1

    before = carried(lab, lab.client, "c", 1)
    transfer(client, server, SIZE)
    shares = share(before, carried(lab, lab.client, "c", 1))
    assert DEBUG or min(shares) > 0.1, shares

    before = carried(lab, lab.client, "c", 0)
    transfer(server, client, SIZE)
    shares = share(before, carried(lab, lab.client, "c", 0))
    assert DEBUG or min(shares) > 0.1, shares
    end_both(client, server)
    lab.wait_stats(session_closed=1, octets_up=SIZE + 10_000, octets_down=SIZE + 10_000)


def link_down(lab, path):
    lab.client.down(f"c{path}")


def lose_all(lab, path):
    lab.client.blackhole(f"c{path}")
    lab.mcp.blackhole(f"mc{path}")


@pytest.mark.parametrize("path", [0, 1])
@pytest.mark.parametrize("cut", [link_down, lose_all])
@pytest.mark.parametrize("direction", ["up", "down"])
def test_path_cut(lab, direction, cut, path):
    """A file arrives whole although one of its paths is cut in the middle."""
    client, server = open_paths(lab)
    limit_rate(lab)
    source, sink = (client, server) if direction == "up" else (server, client)
    sending = background(source.send_stream, SIZE)
    head = sink.read_exactly(SIZE // 4)
    assert not sending.done()
    octets = carried(lab, lab.client, "c", 0 if direction == "down" else 1)
    assert DEBUG or min(octets) > SIZE // 50, octets
    cut(lab, path)
    sink.receive_known(SIZE, before=head)
    finish(sending)
    # A last word in each direction: the connection is as good as before.
    transfer(client, server, 10_000, seed=3)
    transfer(server, client, 10_000, seed=4)
    end_both(client, server)
    lab.wait_stats(session_closed=1, session_client_reset=0, session_server_reset=0)


def test_subflow_reset_by_client(lab):
    """A RST that ends one subflow ends nothing else."""
    near = lab.capture(lab.mcp, "mc1", "tcp port 5124", snap=200)
    client, server = open_paths(lab)
    transfer(client, server, 10_000)
    last = near.segments(lambda segment: segment.sport == PORT)[-1]
    wire = Wire(lab.client.name, "c1", lab.mcp.name, "mc1")
    # What the MCP acknowledged last is what it expects next.
    wire.send(tcp_packet(last.dst, last.dport, last.src, PORT, RST, last.ack))
    wire.close()
    lab.wait_subflows(1)
    transfer(client, server, MB, seed=2)
    transfer(server, client, MB, seed=3)
    end_both(client, server)
    lab.wait_stats(session_closed=1, session_client_reset=0)


def test_first_subflow_reset(lab):
    """The subflow that began the connection may be reset as any other."""
    near = lab.capture(lab.mcp, "mc0", "tcp port 5124", snap=200)
    client, server = open_paths(lab)
    transfer(client, server, 10_000)
    last = near.segments(lambda segment: segment.sport == PORT)[-1]
    wire = Wire(lab.client.name, "c0", lab.mcp.name, "mc0")
    wire.send(tcp_packet(last.dst, last.dport, last.src, PORT, RST, last.ack))
    wire.close()
    transfer(client, server, MB, seed=2)
    transfer(server, client, MB, seed=3)
    assert lab.session()["state"] == "established"
    end_both(client, server)
    lab.wait_stats(session_closed=1, session_client_reset=0)


def test_announced_address(lab):
    """A client joins at another address that the MCP announces."""
    near = lab.capture(lab.client, "c1", "tcp port 5124", snap=200)
    lab.mcp.ip("mptcp endpoint add 10.0.2.1 dev mc1 signal")
    lab.up()
    listener = lab.listen()
    client = lab.connect(listener)
    server = listener.accept()
    transfer(client, server, 10_000)
    transfer(server, client, 10_000)
    lab.wait_subflows(2)
    joins = [syn for syn in near.syns() if MP_JOIN in mptcp_subtypes(syn)]
    assert {(syn.dst, syn.dport) for syn in joins} == {("10.0.2.1", PORT)}
    transfer(client, server, MB, seed=2)
    end_both(client, server)


def test_path_comes_later(lab):
    """A path that appears during a transfer is used from then on."""
    lab.limit_buffers(BUFFER)
    lab.up()
    listener = lab.listen()
    client = lab.connect(listener)
    server = listener.accept()
    limit_rate(lab)
    sending = background(server.send_stream, SIZE)
    head = client.read_exactly(MB)
    lab.second_path()
    lab.wait_subflows(2)
    before = carried(lab, lab.client, "c", 0)[1]
    client.receive_known(SIZE, before=head)
    finish(sending)
    assert carried(lab, lab.client, "c", 0)[1] - before > SIZE // 20
    end_both(client, server)


def test_delayed_and_lossy_paths(lab):
    """Paths of different delay that lose packets deliver everything in order."""
    client, server = open_paths(lab)
    for namespace, prefix in ((lab.client, "c"), (lab.mcp, "mc")):
        namespace.netem(f"{prefix}0", "delay 5ms loss 1%")
        namespace.netem(f"{prefix}1", "delay 20ms 5ms")
    transfer(client, server, 2 * MB, seed=2)
    transfer(server, client, 2 * MB, seed=3)
    end_both(client, server)
    lab.wait_stats(session_closed=1)
