"""The uplinks of a gateway: their rate, their loss, and the delay of a connection."""

import statistics
import time

import pytest

from capture import MP_JOIN, has_mptcp
from gateway import DEBUG, address
from netns import wait_for
from streams import MB, background, digest, end_both, finish, transfer

# The uplinks limit, not the processors.
RATE = 2 if DEBUG else 5                # Mbit/s, each
LIMIT = f"rate {RATE}mbit burst 32k limit 100k"
SIZE = (1 if DEBUG else 3) * MB


def limit(gw):
    for name, ifaces in (("g", ("u0", "u1")), ("n", ("nu0", "nu1"))):
        for iface in ifaces:
            gw.tbf(name, iface, LIMIT)


def connected(gw, family=4):
    """A host's connection that has both uplinks."""
    gw.two_paths(family)
    gw.up(family=family, second=False)
    gw.take()
    listener = gw.listen(family)
    host = gw.connect(listener)
    server = listener.accept()
    transfer(host, server, 20_000)
    transfer(server, host, 20_000)
    wait_for(lambda: gw.sessions("n")[0]["subflows"] == 2, what="two subflows")
    return host, server


def seconds(function, *args):
    began = time.monotonic()
    function(*args)
    return time.monotonic() - began


@pytest.mark.skipif(DEBUG, reason="this kernel limits the rate, not the uplinks")
def test_rate(gw):
    """A download has the sum of both uplinks: at least 0.93 of what they give one by one,
    the best of some tries each. The first half second is slow start."""
    best = {}
    for ways in ("u0", "u1", "both"):
        rates = []
        for _ in range(5 if ways == "both" else 3):
            gw.reset()
            gw.begin()
            if ways == "both":
                host, server = connected(gw)
            else:
                gw.up(second=False)
                gw.take()
                listener = gw.listen()
                if ways == "u1":
                    gw.ctl("g", "peer flush")
                    gw.ctl("g", "intercept flush")
                    gw.ctl("g", f"peer add net {address('2.2', 1)}")
                    gw.take()
                host = gw.connect(listener)
                server = listener.accept()
            limit(gw)
            sending = background(server.send_stream, SIZE)
            host.read_exactly(SIZE // 4)
            rest = SIZE - SIZE // 4
            began = time.monotonic()
            host.read_exactly(rest)
            rates.append(rest / (time.monotonic() - began))
            finish(sending)
            end_both(host, server)
        best[ways] = max(rates)
    assert best["both"] >= 0.93 * (best["u0"] + best["u1"]), best


@pytest.mark.parametrize("which", ["u0", "u1"])
def test_uplink_cut_and_restored(gw, which):
    """A transfer goes on over the other uplink when one is cut in the middle, and neither
    loses nor doubles an octet; that one comes back does no harm."""
    host, server = connected(gw)
    limit(gw)
    sending = background(server.send_stream, SIZE)
    begin = host.read_exactly(SIZE // 4)
    far = "n" + which
    gw.netem("g", which, "loss 100%")
    gw.netem("n", far, "loss 100%")
    begin += host.read_exactly(SIZE // 4)
    limit(gw)
    assert host.receive_stream(SIZE, begin) == (SIZE, digest(SIZE, 1))
    finish(sending)
    end_both(host, server)


def test_uplink_down(gw):
    """An uplink whose interface goes down, the one of the default route: what is open goes
    on, and once routes point elsewhere, new connections do."""
    host, server = connected(gw)
    try:
        gw.ns["g"].ip("link set u0 down")
        transfer(server, host, 200_000, 3)
        transfer(host, server, 200_000, 4)
        end_both(host, server)
        gw.ns["g"].ip(f"route add default via {address('2.2', 1)}")
        gw.ctl("g", f"peer add net {address('2.2', 1)} prio 2")
        listener = gw.listen(port=81)
        host = gw.connect(listener)
        server = listener.accept()
        assert server.getpeername()[0] == address("9.0", 1)
        transfer(server, host, 50_000, 5)
        end_both(host, server)
    finally:
        gw.ns["g"].run("ip", "route", "del", "default", "via", address("2.2", 1), check=False)
        gw.ns["g"].ip("link set u0 up")
        gw.ns["g"].run("ip", "addr", "replace", address("2.1", 2, 6) + "/64", "dev", "u0", "nodad")
        wait_for(lambda: gw.ns["g"].is_running("u0"), what="the link")
        gw.routes()


def test_connect_time(gw):
    """To connect takes as long as by routing: with a delay on either side of the
    network MCP, the least of some tries differs by less than a fifth."""
    delay = 100 if DEBUG else 50
    gw.up(second=False)
    listener = gw.listen()
    for name, iface in (("g", "u0"), ("n", "nu0"), ("n", "ns0"), ("s", "s0")):
        gw.netem(name, iface, f"delay {delay}ms limit 10000")

    def least():
        times = []
        for _ in range(12):
            sock = gw.socket()
            times.append(seconds(sock.connect, (listener.address, listener.port)))
            listener.accept().close()
            sock.close()
        return min(times)
    least()                              # neighbours are found
    routed = least()
    gw.take()
    least()
    taken = least()
    assert gw.counted("g")["intercepted"] == 24
    assert taken < 1.2 * routed, (taken, routed)
    assert statistics.median([taken, routed]) > delay * 4 / 1000 * 0.95


def test_long_idle(gw):
    """A terminal that says nothing for longer than the transitory time stays."""
    idle = 4 if DEBUG else 2
    gw.up(settings=f"transitory-idle {idle}s i-know", network=f"transitory-idle {idle}s i-know")
    gw.take()
    listener = gw.listen(port=22)
    host = gw.connect(listener)
    server = listener.accept()
    transfer(host, server, 1000)
    wait_for(lambda: gw.sessions("n")[0]["age_ms"] > 3000 * idle, what="its age")
    transfer(server, host, 1000)
    transfer(host, server, 1000)
    end_both(host, server)


def test_dead_server(gw):
    """The session of a server that vanished without a word ends, after the established
    time and a probe, everywhere, and the host is told."""
    idle = 8 if DEBUG else 2
    gw.up(network=f"established-idle {idle}s transitory-idle {idle}s i-know", second=False)
    gw.take()
    listener = gw.listen(port=22)
    host = gw.connect(listener)
    server = listener.accept()
    transfer(host, server, 1000)
    gw.drop("n", "ip saddr 10.9.0.0/16")
    host.error()    # or the end of the stream, but not silence
    gw.idle()


def test_joins_by_gateway_only(gw):
    """Hosts see no MPTCP at all."""
    lan = gw.capture("h", "h0", "tcp")
    up = gw.capture("n", "nu1", "tcp")
    host, server = connected(gw)
    transfer(server, host, 100_000)
    assert not lan.segments(has_mptcp(*range(16)))
    assert up.segments(has_mptcp(MP_JOIN))
    end_both(host, server)
