"""What is measured of a way: each measure gives quantities, by name.

Rates are those of the clients. CPU time is what all CPUs together were busy for, whoever
kept them busy: to know the gateway's share, subtract what a way with the same ends takes
that only routes.
"""

import contextlib
import glob
import json
import os
import re
import select
import subprocess
import sys
import time

from world import (CLIENT, LINKS, LOAD, SILENT_PORT, World, arrived, ctl, end, one_path, shaped,
                   start)

ENDLESS = str(10**12)
# Seconds until the buffers on the way of an upload are full, and all go at the same rate.
FILLING = 2
# Connections that are open before the memory of others is measured.
FORERUNNERS = 500


def busy():
    """Seconds that all CPUs together have worked."""
    with open("/proc/stat") as file:
        fields = [int(word) for word in file.readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = fields[:7]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def queued():
    """Octets that TCP sockets of all namespaces hold: they have one limit in common."""
    with open("/proc/net/sockstat") as file:
        return int(re.search(r"^TCP: .* mem (\d+)$", file.read(), re.M)[1]) * 4096


def settle():
    """Waits until what was measured before has come to its end."""
    for _ in range(150):
        before, began = busy(), time.monotonic()
        time.sleep(0.1)
        if (busy() - before < 0.1 * (time.monotonic() - began) * os.cpu_count()
                and queued() < 32 << 20):
            return
    print(f"bench: the machine does not come to rest, sockets hold {queued()} octets",
          file=sys.stderr)


class Client:
    """The load's client; a context, in which it runs."""

    def __init__(self, words):
        self.process = start(words, CLIENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        # It resets what is open, and leaves.
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            end(self.process)
        self.process.stdout.close()

    def hears(self, word, patience=60):
        """Waits so many seconds for a line with this word."""
        there = select.select([self.process.stdout], [], [], patience)[0]
        line = self.process.stdout.readline() if there else "says nothing"
        if line != word + "\n":
            raise RuntimeError(f"{' '.join(self.process.args)}: {line or 'died'}")

    def result(self):
        return json.loads(self.process.stdout.readline())


def load(way, seconds, *options):
    """Lets a client run; what it has seen, and meanwhile the CPU time in seconds and what
    arrived at the server."""
    server = World.servers[way.port]
    settle()
    with Client([*way.words(LOAD), "--seconds", str(seconds), *options]) as client:
        client.hears("begin")
        cpu, octets = busy(), arrived(server)
        client.hears("end")
        cpu, octets = busy() - cpu, arrived(server) - octets
        return {**client.result(), "cpu": cpu, "arrived": octets}


@contextlib.contextmanager
def held(way, number, *options):
    """Meanwhile so many connections are open, on which 100 octets have come."""
    with Client([*way.words(LOAD), "--hold", "--size", "100",
                 "--connections", str(number), *options]) as client:
        client.hears("held", 30 + number / 50)
        yield


# ---------------------------------------------------------------- measures

def bulk(way, seconds, connections, upload=False):
    """Endless connections. What counts is what gets through: what a client has sent may lie
    with a proxy that has read it."""
    seen = load(way, seconds, "--connections", str(connections), "--size", ENDLESS,
                *["--upload", "--warm-up", str(FILLING)] * upload)
    octets = seen["arrived" if upload else "octets"]
    if not octets:
        raise RuntimeError(f"{way.name}: nothing was carried")
    return {"mbit": octets * 8e-6 / seen["seconds"], "ns_octet": seen["cpu"] * 1e9 / octets}


def short(way, seconds):
    """Connections of 1 KiB, 64 at a time, over one path: most are over before there is a
    second subflow, and where a client falls back to TCP there is none."""
    with one_path():
        seen = load(way, seconds, "--connections", "64", "--size", "1024")
    if not seen["connections"]:
        raise RuntimeError(f"{way.name}: no connection came to its end")
    return {"conn_s": seen["connections"] / seen["seconds"],
            "us_conn": seen["cpu"] * 1e6 / seen["connections"],
            "failed": seen["failed"]}


def first_octet(way, seconds):
    """From connect() to the first octet of the answer, with 20 ms of round trip from the
    client to the gateway, and from there to the server. One at a time: no queues."""
    with shaped(LINKS, "delay 10ms"):
        seen = load(way, seconds, "--connections", "1", "--size", "1024")
    return {"first_ms": seen["first_us"] / 1000}


def two_paths(way, seconds):
    """Paths that carry 100 Mbit/s each. Without MPTCP only the first one is used."""
    with shaped(("path1", "path2"), "rate 100mbit limit 1000"):
        seen = load(way, seconds, "--connections", "4", "--size", ENDLESS)
    return {"mbit": seen["octets"] * 8e-6 / seen["seconds"]}


def memory_used():
    """Octets of memory in use, but for caches of files and what each CPU keeps ready."""
    shrink_caches("*")
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
    fields = dict(re.findall(r"^(\w+): +(\d+) kB$", open("/proc/meminfo").read(), re.M))
    ready = sum(map(int, re.findall(r"^ +count: +(\d+)$", open("/proc/zoneinfo").read(), re.M)))
    return 1024 * (int(fields["MemTotal"]) - int(fields["MemFree"]) - int(fields["Buffers"]) -
                   int(fields["Cached"])) - os.sysconf("SC_PAGE_SIZE") * ready


def shrink_caches(names):
    """What these slab caches keep to give out counts as given out: has them keep nothing."""
    for cache in glob.glob(f"/sys/kernel/slab/{names}/shrink"):
        with contextlib.suppress(OSError), open(cache, "w") as file:
            file.write("1")


def in_caches(names):
    """Octets of objects in the slab caches whose names match. None where there is none: the
    kernel may keep caches of one size together."""
    sizes = [int(active) * int(size) for name, active, size in
             re.findall(r"^(\w+) +(\d+) +\d+ +(\d+) ", open("/proc/slabinfo").read(), re.M)
             if re.fullmatch(names, name)]
    return sum(sizes) if sizes else None


OWN = r"mcp_\w+"
SOCKETS = "TCP|MPTCP|sock_inode_cache"


def own_memory():
    """Octets in the module's own caches, or None."""
    shrink_caches("mcp_*")
    return in_caches(OWN)


def memory(way, number):
    """What an idle connection takes of the machine, its ends included, in octets; of that, what
    Linux' sockets are, and what the module itself allocates. One path: so the client's end is
    the same where the connection falls back to TCP. Others are open already: what is only
    needed once, and what is kept ready, does not count."""
    with one_path(), held(way, FORERUNNERS):
        settle()
        before, own_before, sockets_before = memory_used(), own_memory(), in_caches(SOCKETS)
        with held(way, number):
            settle()
            used, own, sockets = memory_used() - before, own_memory(), in_caches(SOCKETS)
    result = {"octets": used / number}
    if sockets_before is not None:
        result["sockets"] = (sockets - sockets_before) / number
    if way.name == "mptcpproxy" and own is not None:
        result["own_octets"] = (own - own_before) / number
    return result


def half_open(way, number):
    """What a connection takes whose server has not answered yet, of the module's memory."""
    before = own_memory()
    if before is None:
        return {}
    words = way.words(LOAD, SILENT_PORT)
    with Client([*words, "--hold", "--size", "100", "--connections", str(number)]):
        deadline = time.monotonic() + 60
        while json.loads(ctl("-j session count"))[0]["half_open"] < number:
            if time.monotonic() > deadline:
                raise RuntimeError("half-open sessions do not come")
            time.sleep(0.1)
        return {"own_octets": (own_memory() - before) / number}


def crowd(way, seconds, number, runs):
    """Rates while so many sessions are established. A list, one of each run."""
    with held(way, number):
        return [{**short(way, seconds), "mbit": bulk(way, seconds, 16)["mbit"]}
                for _ in range(runs)]
