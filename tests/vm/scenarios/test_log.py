"""Who had which external port, and when (RFC 6888 section 4); ports in blocks."""

import errno
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import time
from collections import defaultdict
from datetime import datetime, timezone
from ipaddress import ip_address

import pytest

import codec
import genl
from scene import (CTL, DEBUG, MCP4, MCP6, RAW_SERVER4, RAW_SERVER6, all_quiet, ctl, is_reset_of,
                   is_synack_of, raw_client, run, sessions, table, until)
from wire import SO_RCVBUFFORCE, Answering, octets

pytest_plugins = ["scene"]

RAW_SERVER = {4: RAW_SERVER4, 6: RAW_SERVER6}
EVENTS = {0: "new", 1: "bound", 2: "end"}


def endpoint(nest):
    """Address and port; None where there is no port."""
    found = genl.attributes(nest)
    port = struct.unpack("!H", found[3])[0] if 3 in found else None
    return str(ip_address(found[2])), port


class Mapping:
    """An event of a mapping."""

    def __init__(self, body):
        assert body[0] == genl.MAPPING_EVENT
        self.octets = body
        top = genl.attributes(body[4:])
        mapping = genl.attributes(top[genl.A_MAPPING])
        assert set(top) - {genl.A_PAD} == {genl.A_EVENT, genl.A_TIME, genl.A_MAPPING}
        assert set(mapping) == {1, 2, 3}
        self.event = EVENTS[top[genl.A_EVENT][0]]
        self.time = struct.unpack("Q", top[genl.A_TIME])[0]
        self.client, self.external = endpoint(mapping[1]), endpoint(mapping[2])
        self.address, self.first = self.external
        self.last = struct.unpack("H", mapping[3])[0]

    def __repr__(self):
        return f"{self.event} {self.client} {self.external}-{self.last}"

    @property
    def ports(self):
        return range(self.first, self.last + 1)


class Log:
    """A listener; it hears what there is to hear from its making on."""

    def __init__(self, group="mapping", buffer=None):
        self.genl = genl.Genl()
        if buffer:
            self.genl.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, buffer)
        self.genl.join(group)
        self.group = self.genl.groups[group]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.genl.close()

    def read(self):
        """What has been said so far. An event is said before the first packet
        leaves from its port."""
        bodies = []
        while select.select([self.genl.socket], [], [], 0)[0]:
            octets_ = self.genl.socket.recv(1 << 16)
            size, kind = struct.unpack("IH", octets_[:6])
            assert kind == self.genl.family
            bodies.append(octets_[16:size])
        return bodies

    def mappings(self):
        return list(map(Mapping, self.read()))

    def wait(self, count, seconds=10):
        """So many events, and no more."""
        got = []

        def enough():
            got.extend(self.mappings())
            return len(got) >= count
        until(enough, seconds, f"{count} events")
        assert len(got) == count, got
        return got


@pytest.fixture
def pool(mcp):
    """A function that adds ranges to the pool."""
    def add(*ranges):
        for each in ranges:
            ctl("pool add", each)
    yield add
    ctl("pool flush")


def connect(wire, address, family=4, port=None):
    """A client that has its connection."""
    client = raw_client(wire, family, address, port)
    client.syn(codec.mp_convert(RAW_SERVER[family], 80))
    answer = client.answer()
    assert is_synack_of(answer, client), answer
    client.establish(answer)
    return client


@pytest.mark.parametrize("family, prefix", [(4, None), (4, "10.50.0.0/24"), (6, None),
                                            (6, "fd50::/120")])
def test_mapping(mcp, pool, client_wire, server_wire, family, prefix):
    """One entry when a client's endpoint gets its external port, whatever
    servers it speaks with, and one when it gives that back; with the time at
    which it happened, and no destination (RFC 6888 REQ-12)."""
    counted = mcp()
    pool(*filter(None, [prefix]))
    servers = [RAW_SERVER[family], "10.99.0.2" if family == 4 else "fd99::2"]
    client = raw_client(client_wire, family)
    again = raw_client(client_wire, family, client.address, client.port)
    again.other = "10.0.2.1" if family == 4 else "fd00:2::1"
    with Log() as log, Answering(server_wire, lambda syn, before: 0, servers) as server:
        before = time.time_ns()
        client.syn(codec.mp_convert(servers[0], 80))
        syn = until(lambda: server.syns)[0]
        after = time.time_ns()
        new, = log.mappings()
        assert new.event == "new" and new.client == (client.address, client.port)
        assert new.external == (syn.src, syn.sport) and new.last == syn.sport
        assert before <= new.time <= after
        client.establish(client.answer())
        again.syn(codec.mp_convert(servers[1], 80))
        again.establish(again.answer())
        counted.wait(session_bound=2)
        assert {(seen.src, seen.sport) for seen in server.syns} == {new.external}
        client.reset()
        counted.wait(session_client_reset=1)
        until(lambda: len(sessions()) == 1)
        assert not log.mappings()
        before = time.time_ns()
        again.reset()
        end, = log.wait(1)
        assert end.event == "end" and before <= end.time <= time.time_ns()
        assert (end.client, end.external, end.last) == (new.client, new.external, new.last)
        for event in new, end:
            assert not any(octets(address) in event.octets for address in servers)
            assert not any(octets(address) in event.octets for address in (MCP4, MCP6))
    all_quiet()


def test_mapping_apart(mcp, client_wire, server_wire):
    """A connection that cannot share its endpoint's port has an entry of its
    own."""
    counted = mcp()
    client = raw_client(client_wire)
    again = raw_client(client_wire, address=client.address, port=client.port)
    again.other = "10.0.2.1"
    with Log() as log, Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        for peer in client, again:
            peer.syn(codec.mp_convert(RAW_SERVER4, 80))     # the same server
            peer.establish(peer.answer())
        counted.wait(session_bound=2)
        one, two = log.mappings()
        assert one.client == two.client == (client.address, client.port)
        assert [one.external, two.external] == [(syn.src, syn.sport) for syn in server.syns]
        assert one.external != two.external
        again.reset()
        assert log.wait(1)[0].external == two.external
        client.reset()
        assert log.wait(1)[0].external == one.external
    all_quiet()


def test_down(mcp, client_wire, server_wire):
    """The end of all is told too."""
    mcp("port-block 64 hold-timeout 60s")
    with Log() as log, Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]):
        for number in range(3):
            connect(client_wire, f"10.77.3.{number + 1}")
        new = log.mappings()
        ctl("mcp down")
        end = log.mappings()
        assert [event.event for event in new + end] == ["new"] * 3 + ["end"] * 3
        assert {event.external for event in end} == {event.external for event in new}


@pytest.mark.parametrize("family, ranges, first, last, size", [
    (4, ["10.50.0.1 ports 2000-2191"], 2000, 2191, 64), (4, [], 61001, 65535, 64),
    (4, [], 61001, 65535, 1024), (6, [], 61001, 65535, 128)])
def test_block(mcp, pool, client_wire, server_wire, family, ranges, first, last, size):
    """The connections of a client come from one block of ports, which is one
    entry: a second one when that is full, and the end with the last port."""
    mcp(f"port-block {size} hold-timeout 60s")
    pool(*ranges)
    address = "10.77.2.1" if family == 4 else "fd77:0:0:222::1"
    with Log() as log, \
            Answering(server_wire, lambda syn, before: 0, [RAW_SERVER[family]]) as server:
        clients = [connect(client_wire, address, family) for _ in range(10)]
        new, = log.mappings()
        assert new.event == "new"
        assert new.client == ("10.77.2.1" if family == 4 else "fd77:0:0:222::", None)
        # The last block of a range is what is left of it.
        assert (new.first - first) % size == 0
        assert len(new.ports) == min(size, last + 1 - new.first)
        ports = [syn.sport for syn in server.syns]
        assert len(set(ports)) == 10 and set(ports) <= set(new.ports)
        assert {syn.src for syn in server.syns} == {new.address}
        assert ports != sorted(ports)
        if size == 64:
            clients += [connect(client_wire, address, family) for _ in new.ports[10:]]
            assert not log.mappings()
            clients.append(connect(client_wire, address, family))
            second, = log.mappings()
            assert second.client == new.client and not set(second.ports) & set(new.ports)
            assert server.syns[-1].sport in second.ports
            clients.pop().reset()
            end, = log.wait(1)
            assert (end.event, end.external, end.last) == ("end", second.external, second.last)
        while len(clients) > 1:
            clients.pop().reset()
        until(lambda: len(sessions()) == 1)
        assert not log.mappings()
        clients.pop().reset()
        end, = log.wait(1)
        assert (end.event, end.client, end.external, end.last) == \
            ("end", new.client, new.external, new.last)
    all_quiet()


def test_block_of_a_prefix(mcp, client_wire, server_wire):
    """All addresses of an IPv6 /64 are one client, also to a server of IPv4."""
    mcp("port-block 64 hold-timeout 60s")
    with Log() as log, Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        for host in 1, 2:
            client = raw_client(client_wire, 6, f"fd77:0:0:333::{host}")
            client.syn(codec.mp_convert(RAW_SERVER4, 80))
            client.establish(client.answer())
        new, = log.mappings()
        assert new.client == ("fd77:0:0:333::", None)
        assert {syn.sport in new.ports for syn in server.syns} == {True}
        ctl("session flush")
    all_quiet()


def test_blocks_of_two(mcp, pool, client_wire, server_wire):
    """No two clients have ports of one block. When all blocks are taken, who has
    one goes on, and others are refused until one is free."""
    counted = mcp("port-block 64 hold-timeout 60s")
    pool("10.50.0.1 ports 3000-3127")
    with Log() as log, Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        mine = [connect(client_wire, "10.77.4.1") for _ in range(5)]
        yours = [connect(client_wire, "10.77.4.2") for _ in range(5)]
        one, two = log.mappings()
        assert (one.client[0], two.client[0]) == ("10.77.4.1", "10.77.4.2")
        assert not set(one.ports) & set(two.ports)
        assert all(syn.sport in one.ports for syn in server.syns[:5])
        assert all(syn.sport in two.ports for syn in server.syns[5:])
        other = raw_client(client_wire, address="10.77.4.3")
        other.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_reset_of(other.answer(), other)
        counted.wait(refused_ports=1)
        assert not log.mappings()
        yours.append(connect(client_wire, "10.77.4.2"))
        assert server.syns[-1].sport in two.ports
        for client in mine:
            client.reset()
        assert log.wait(1)[0].external == one.external
        connect(client_wire, "10.77.4.3")
        new, = log.mappings()
        assert new.client == ("10.77.4.3", None) and new.external == one.external
        assert server.syns[-1].sport in new.ports
        ctl("session flush")
    all_quiet()


def test_limit_counts_ports(mcp, client_wire, server_wire):
    """A client is limited by the ports that it uses, not by those of its block."""
    counted = mcp("port-block 64 max-ports-client 2 hold-timeout 60s")
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]):
        for _ in range(2):
            connect(client_wire, "10.77.5.1")
        third = raw_client(client_wire, address="10.77.5.1")
        third.syn(codec.mp_convert(RAW_SERVER4, 80))
        assert is_reset_of(third.answer(), third)
        counted.wait(refused_ports_client=1)
        ctl("session flush")
    all_quiet()


def test_block_size_changed(mcp, pool, client_wire, server_wire):
    """An address keeps its blocks as they are while one of them is in use."""
    pool("10.50.0.1 ports 3000-3255")
    mcp("port-block 64 hold-timeout 60s")
    with Log() as log, Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]):
        first = connect(client_wire, "10.77.6.1")
        ctl("mcp set port-block 0")
        second = connect(client_wire, "10.77.6.2")
        assert [len(event.ports) for event in log.mappings()] == [64, 64]
        first.reset()
        second.reset()
        log.wait(2)
        third = connect(client_wire, "10.77.6.1")
        new, = log.mappings()
        assert new.client == ("10.77.6.1", third.port) and len(new.ports) == 1
        third.reset()
        log.wait(1)
    all_quiet()


def test_block_sizes(mcp):
    """Powers of two from 64 to 4096, or none."""
    mcp()
    with Log() as control:
        def put(size):
            value = genl.attribute(30, struct.pack("I", size))
            return control.genl.request(genl.SET, genl.nest(genl.A_SETTINGS, value))[0]
        for size in 64, 128, 256, 512, 1024, 2048, 4096, 0:
            assert put(size) == 0 and table("mcp show")[0]["port_block"] == size
        assert put(256) == 0
        for size in 1, 2, 32, 63, 65, 96, 1000, 4095:
            assert put(size) == errno.EINVAL, size
        for size in 4097, 8192, 1 << 31:
            assert put(size) in (errno.ERANGE, errno.EINVAL), size
    done = ctl("mcp set port-block 96", check=False)
    assert done.returncode == 1 and "power of two" in done.stderr, done
    assert table("mcp show")[0]["port_block"] == 256


def test_order(mcp, pool, client_wire, server_wire):
    """The end of a port stands in the log before another client has the port,
    however many clients want it at the same moment."""
    # The server may come to a SYN late; who is answered before waits for its client.
    mcp("session-rate 0 error-rate 0 hold-timeout 60s")
    pool("10.50.0.1 ports 4000-4003")
    rounds = 10 if DEBUG else 40
    with Log(buffer=1 << 24) as log, \
            Answering(server_wire, lambda syn, before: "rst", [RAW_SERVER4]):
        for _ in range(rounds):
            for _ in range(50):
                raw_client(client_wire).syn(codec.mp_convert(RAW_SERVER4, 80))
            client_wire.drain()
        all_quiet()
        events = log.mappings()
    owner, seen = {}, defaultdict(int)
    for event in events:
        if event.event == "new":
            assert event.external not in owner, event
            owner[event.external] = event
            seen[event.client] += 1
        else:
            new = owner.pop(event.external)
            assert new.client == event.client and new.time <= event.time
    assert not owner and len(seen) > rounds and set(seen.values()) == {1}


def test_lost(mcp, client_wire, server_wire):
    """A listener that is too slow is told that it missed something."""
    mcp("hold-timeout 20s")
    with Log(buffer=4096) as log, Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]):
        for _ in range(100):
            raw_client(client_wire).syn(codec.mp_convert(RAW_SERVER4, 80))
        until(lambda: len(sessions()) == 100)
        with pytest.raises(OSError) as lost:
            while True:
                log.read()
        assert lost.value.errno == errno.ENOBUFS
        ctl("session flush")
        all_quiet()


def tracing(path, value=None):
    path = "/sys/kernel/tracing/" + path
    if value is None:
        with open(path) as file:
            return file.read()
    with open(path, "w") as file:
        file.write(value)
    return None


@pytest.mark.skipif(not os.path.exists("/sys/kernel/tracing/kprobe_events"),
                    reason="this kernel has no probes")
def test_nobody_listens(mcp, client_wire, server_wire):
    """Nothing is sent while nobody listens: to listen to sessions is not to
    listen to mappings."""
    counted = mcp()
    with open("/proc/kallsyms") as file:
        symbols = {line.split()[2] for line in file}
    function = next(name for name in ("netlink_broadcast_filtered", "netlink_broadcast")
                    if name in symbols)
    with Log() as log:
        group = log.group
    tracing("kprobe_events", f"p:mcptest/said {function} group=%cx:u32\n")
    try:
        tracing("events/mcptest/said/filter", f"group == {group}")
        tracing("events/mcptest/said/enable", "1")
        for listens, expected in (None, 0), ("session", 0), ("mapping", 2):
            tracing("trace", "")
            log = Log(listens) if listens else None
            with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]):
                connect(client_wire, None).reset()
                all_quiet()
            said = [line for line in tracing("trace").splitlines() if " said: " in line]
            assert len(said) == expected, (listens, said)
            if log:
                log.genl.close()
    finally:
        tracing("events/mcptest/said/enable", "0")
        tracing("kprobe_events", "")
    counted.wait(session_client_reset=3)


def test_privileges(mcp):
    """Who may not administer the network does not learn who is who."""
    mcp()
    done = subprocess.run(
        ["ip", "netns", "exec", "m", "setpriv", "--reuid=65534", "--regid=65534",
         "--clear-groups", "--bounding-set=-all", CTL, "monitor", "mapping"],
        capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not done.stdout, done
    assert "CAP_NET_ADMIN" in done.stderr


def netlink_sockets():
    """Rows of the namespace's netlink sockets."""
    return [line.split() for line in run("m", "cat", "/proc/net/netlink").splitlines()[1:]]


def queued():
    """Octets that those of generic netlink have not read."""
    return sum(int(row[4]) for row in netlink_sockets() if row[1] == "16")


class Monitor:
    """mptcpproxyctl monitor."""

    def __init__(self, *words):
        self.words = words

    def __enter__(self):
        self.process = subprocess.Popen([CTL, "-n", "m", *self.words], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(self.listens, 10, "a listener")
        return self

    def listens(self):
        # Of libnl's number the lower 22 bits are those of the process.
        return any(row[1] == "16" and int(row[2]) & 0x3fffff == self.process.pid and int(row[3], 16)
                   for row in netlink_sockets())

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0 and not err, err
        return out.splitlines()


@pytest.mark.parametrize("block", [0, 64])
def test_tool(mcp, client_wire, server_wire, block):
    """What the tool prints, as text and as JSON, is what happened, at the time
    at which it happened: also when it comes to read that late."""
    counted = mcp(f"port-block {block} hold-timeout 60s")
    with Monitor("monitor", "mapping") as text, Monitor("-j", "monitor", "mapping") as rows, \
            Monitor("-j", "monitor", "session") as others, \
            Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4]) as server:
        monitors = text, rows, others
        for monitor in monitors:
            monitor.process.send_signal(signal.SIGSTOP)
        before = int(time.time() * 1000)
        client = connect(client_wire, "10.77.7.1")
        counted.wait(session_bound=1)
        client.reset()
        all_quiet()
        after = int(time.time() * 1000)
        time.sleep(1.5)
        for monitor in monitors:
            monitor.process.send_signal(signal.SIGCONT)
        until(lambda: not queued())
        lines, json_lines, other_lines = (monitor.stop() for monitor in monitors)
        syn = server.syns[0]
    assert len(lines) == 2
    for line, name, row in zip(lines, ("new", "end"), map(json.loads, json_lines)):
        found = re.fullmatch(r"(\S+)Z (\S+) client (\S+) external (\S+):(\d+)(?:-(\d+))?", line)
        when, event, who, address, first, last = found.groups()
        when = datetime.fromisoformat(when).replace(tzinfo=timezone.utc).timestamp() * 1000
        assert before <= round(when) <= after and event == name and address == syn.src
        assert who == ("10.77.7.1" if block else f"10.77.7.1:{client.port}")
        assert int(first) <= syn.sport <= int(last or first)
        assert bool(last) == bool(block)
        assert row["time_ms"] == round(when) and row["event"] == name
        assert row["client"] == {"address": "10.77.7.1",
                                 **({"prefixlen": 32} if block else {"port": client.port})}
        assert row["external"] == {"address": syn.src, "port": int(first),
                                   "last_port": int(last or first)}
    # An operator finds client, external, server, time and reason of a session.
    events = list(map(json.loads, other_lines))
    assert [event["event"] for event in events] == ["new", "bound", "end"]
    assert all(before <= event["time_ms"] <= after for event in events)
    assert events[-1]["end"] == "client-reset"
    for event in events[1:]:
        assert event["external"] == {"address": syn.src, "port": syn.sport}
    assert all(event["server"] == {"address": RAW_SERVER4, "port": 80} and
               event["client"] == {"address": "10.77.7.1", "port": client.port}
               for event in events)
