"""Programs that know nothing, across a gateway and a network MCP: the kernel's own
mptcp_connect, which compares what it sends and receives; iperf3."""

import hashlib
import json
import os
import random
import re

import pytest

from gateway import DEBUG, TOP, address
from netns import TIMEOUT, wait_for
from streams import MB

CONNECT = os.path.join(TOP, "build/programs/mptcp_connect")
SIZE = (1 if DEBUG else 4) * MB


@pytest.fixture
def files(tmp_path):
    """What each side sends: files of known digests."""
    paths = []
    for name in "host", "server":
        paths.append(tmp_path / name)
        paths[-1].write_bytes(random.Random(name).randbytes(SIZE + 12_345))
    return paths


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


def listening(gw, port):
    """Not what is left of an earlier connection to that port, either."""
    sockets = gw.ns["s"].read("net/tcp") + gw.ns["s"].read("net/tcp6")
    return re.search(fr":{port:04X} [0-9A-F]+:0000 0A ", sockets)


@pytest.mark.parametrize("mode, family, coding", [
    ("poll", 4, "mp-convert"), ("mmap", 6, "convert"), ("sendfile", 4, "convert"),
    ("poll", 6, "mp-convert"), ("mmap", 4, "mp-convert"), ("sendfile", 6, "mp-convert")])
def test_mptcp_connect(gw, files, tmp_path, mode, family, coding):
    """Both sides send a file at the same time, in the modes of the program."""
    gw.two_paths(family)
    gw.up(peer=f"codec {coding}", family=family)
    gw.take()
    ip6 = ["-6"] if family == 6 else []
    common = [CONNECT, *ip6, "-s", "TCP", "-t", str(TIMEOUT * 1000), "-p", "10000", "-m", mode]
    got = [tmp_path / "host-got", tmp_path / "server-got"]
    with open(got[1], "wb") as out:
        server = gw.ns["s"].start(*common, "-l", "-i", files[1],
                                  "::" if family == 6 else "0.0.0.0", stdout=out)
    wait_for(lambda: listening(gw, 10000), what="the server")
    with open(got[0], "wb") as out:
        host = gw.ns["h"].start(*common, "-i", files[0], address("9.0", 2, family), stdout=out)
    assert host.wait(6 * TIMEOUT) == 0 and server.wait(6 * TIMEOUT) == 0
    assert [digest(path.read_bytes()) for path in got] == \
        [digest(path.read_bytes()) for path in reversed(files)]
    gw.wait("g", intercepted=1, session_bound=1)


@pytest.mark.skipif(not os.path.exists("/usr/bin/iperf3"), reason="iperf3 is not installed")
def test_iperf3(gw):
    """Its control connection and its data, both ways at a time."""
    gw.two_paths()
    gw.up()
    gw.take()
    gw.ns["s"].start("iperf3", "-s", "-1", "-B", address("9.0", 2), "-p", "5201")
    wait_for(lambda: listening(gw, 5201), what="the server")
    done = gw.ns["h"].run("iperf3", "-c", address("9.0", 2), "-p", "5201", "-n", str(SIZE),
                          "--bidir", "-J", timeout=6 * TIMEOUT)
    report = json.loads(done.stdout)
    # It stops both directions when one is through.
    assert max(report["end"][name]["bytes"] for name in ("sum_sent", "sum_sent_bidir_reverse")
               ) >= SIZE
    gw.wait("g", intercepted=3)
