"""The control plane: hostile messages, dumps, events, tracepoints, the tool."""

import errno
import json
import os
import signal
import socket
import struct
import subprocess

import pytest

import codec
import genl
from genl import Genl, acl, attribute, nest
from scene import (CTL, MCP4, RAW_SERVER4, SERVER4, Server, all_quiet, count, ctl, down,
                   is_synack_of, play, raw_client, run, sessions, table, until)
from wire import CLONE_NEWNET, FIN, ACK, RST, Answering, inside, libc

CLONE_NEWUSER = 0x10000000

pytest_plugins = ["scene"]


@pytest.fixture
def wild(machines):
    down()
    socket_ = Genl()
    yield socket_
    socket_.close()
    down()


def u8(kind, value):
    return attribute(kind, struct.pack("B", value))


def u32(kind, value):
    return attribute(kind, struct.pack("I", value))


def settings(*inner):
    return nest(genl.A_SETTINGS, *inner)


# What a setting may be: from the least to the most, in its size.
RANGES = {
    1: ("!H", 1, 65535), 2: ("B", 0, 1), 3: ("I", 100, 60000), 4: ("B", 0, 1), 5: ("B", 0, 1),
    6: ("B", 0, 1), 7: ("B", 0, 1), 8: ("I", 100, 60000), 9: ("I", 1000, 300000),
    10: ("B", 0, 1), 11: ("I", 1, 604800), 12: ("B", 0, 1), 13: ("I", 7440000, 2073600000),
    14: ("I", 240000, 2073600000), 16: ("I", 1, 1 << 24), 17: ("I", 1, 1 << 24),
    18: ("I", 1, 1 << 24), 19: ("I", 0, 1000000), 20: ("I", 1, 1000000), 21: ("I", 0, 1000000),
    22: ("I", 1, 1 << 24),
}


def test_settings_in_range(wild):
    """Every setting takes its least and its most."""
    for kind, (form, least, most) in RANGES.items():
        for value in least, most:
            error, _ = wild.request(genl.UP, settings(attribute(kind, struct.pack(form, value))))
            assert error == 0, (kind, value)
            assert wild.request(genl.DOWN)[0] == 0


def test_settings_out_of_range(wild):
    """And nothing beyond, nor anything of another size."""
    assert wild.request(genl.UP)[0] == 0
    for command in genl.UP, genl.SET:
        for kind, (form, least, most) in RANGES.items():
            size = struct.calcsize(form)
            for value in least - 1, most + 1:
                if 0 <= value < 256 ** size and not (kind in (13, 14) and value < 240000):
                    error, _ = wild.request(command, settings(
                        attribute(kind, struct.pack(form, value))))
                    assert error in (errno.ERANGE, errno.EINVAL), (kind, value)
            for wrong in set(range(9)) - {size}:
                error, _ = wild.request(command, settings(attribute(kind, bytes(wrong))))
                assert error in (errno.ERANGE, errno.EINVAL), (kind, wrong)
    assert "mcp up" in ctl("mcp show").stdout


def test_unknown_attributes(wild):
    """Unknown attributes are refused, at the top and in the nests."""
    for command in range(1, 19):
        for kind in 12, 13, 14, 100, 0x3fff:
            error, _ = wild.request(command, u32(kind, 1), flags=genl.NLM_F_REQUEST |
                                    genl.NLM_F_ACK)
            assert error in (errno.EINVAL, errno.EOPNOTSUPP), (command, kind, error)
    for kind in 0, 23, 100:
        assert wild.request(genl.UP, settings(u32(kind, 1)))[0] == errno.EINVAL
    assert wild.request(genl.ACL_ADD, acl(2, b"\x0a\0\0\0", 8, u32(9, 1)))[0] == errno.EINVAL
    # Those that only the kernel says.
    assert wild.request(genl.ACL_ADD, acl(2, b"\x0a\0\0\0", 8,
                                          attribute(5, bytes(8))))[0] == errno.EINVAL
    assert wild.request(genl.POOL_ADD, genl.pool(2, b"\x0a\0\0\0", 24,
                                                 attribute(6, bytes(8))))[0] == errno.EINVAL
    assert wild.request(genl.SHOW, attribute(genl.A_VERSION, b"1\0"))[0] == errno.EINVAL
    assert "mcp down" in ctl("mcp show").stdout and not table("acl show")


def test_acl_nonsense(wild):
    """An ACL entry is whole and makes sense, or is refused."""
    whole = {genl.ACL_FAMILY: struct.pack("H", 2), genl.ACL_ADDR: b"\x0a\0\0\0",
             genl.ACL_PREFIXLEN: b"\x08"}
    nonsense = [b"", nest(genl.A_ACL)]
    for missing in whole:
        nonsense.append(nest(genl.A_ACL, *[attribute(kind, value) for kind, value
                                           in whole.items() if kind != missing]))
    nonsense += [
        acl(1), acl(0), acl(0xffff), acl(10), acl(2, bytes(16)), acl(2, bytes(5)), acl(2, b""),
        acl(2, bytes(17)), acl(2, b"\x0a\0\0\0", 33), acl(10, bytes(16), 129),
        acl(2, b"\x0a\0\0\1", 24), acl(2, b"\x0a\0\0\0", 4), acl(10, bytes(15) + b"\1", 127),
        acl(2, b"\x0a\0\0\0", 8, attribute(genl.ACL_IFNAME, b"x" * 16 + b"\0")),
        acl(2, b"\x0a\0\0\0", 8, attribute(genl.ACL_IFNAME, b"noend")),
        attribute(genl.A_ACL, acl()[4:]),           # no nest
        attribute(genl.A_ACL | genl.NESTED, b"\xff" * 40),
    ]
    for command in genl.ACL_ADD, genl.ACL_DEL:
        for message in nonsense:
            error, _ = wild.request(command, message)
            assert error in (errno.EINVAL, errno.ERANGE), message
    assert not table("acl show")


POOL_NONSENSE = [
    genl.pool(2, b"\x0a\0\0\1", 24),                    # host bits
    genl.pool(2, b"\x0a\0\0\0", 15),                    # too many addresses
    genl.pool(10, bytes(15) + b"\1", 111),
    genl.pool(10, b"\xfd" + bytes(15), 111),
    genl.pool(2, b"\x0a\0\0\0", 33), genl.pool(2, bytes(16), 24), genl.pool(3, bytes(4), 32),
    genl.pool(2, b"\x7f\0\0\0", 24), genl.pool(2, b"\xe0\0\0\0", 24),     # loopback, multicast
    genl.pool(2, b"\x0a\0\0\0", 24, attribute(4, b"\0\0")),                # port 0
    genl.pool(2, b"\x0a\0\0\0", 24, attribute(4, struct.pack("H", 9)),
              attribute(5, struct.pack("H", 8))),                          # last before first
    genl.nest(genl.A_POOL), b"",
]


@pytest.mark.parametrize("number", range(len(POOL_NONSENSE)))
def test_pool_nonsense(wild, number):
    """A range of the pool is whole and makes sense, or is refused."""
    assert wild.request(genl.POOL_ADD, POOL_NONSENSE[number])[0] in (errno.EINVAL, errno.ERANGE)
    assert not table("pool show")


def test_pool_ranges(wild):
    """Ranges do not overlap, there are no more than 64, and they go as they
    came."""
    def pool(third, prefixlen=24):
        return genl.pool(2, bytes([10, 50, third, 0]), prefixlen)
    for third in range(64):
        assert wild.request(genl.POOL_ADD, pool(third))[0] == 0
    assert wild.request(genl.POOL_ADD, pool(64))[0] == errno.ENOSPC
    assert wild.request(genl.POOL_ADD, pool(0, 16))[0] == errno.EEXIST
    assert wild.request(genl.POOL_ADD, pool(5, 25))[0] == errno.EEXIST
    assert wild.request(genl.POOL_DEL, pool(5, 25))[0] == errno.ENOENT
    assert len(table("pool show")) == 64
    done = ctl("pool add 10.50.3.0/24", check=False)
    assert done.returncode == 1 and "overlaps" in done.stderr
    done = ctl("pool del 10.51.0.0/24", check=False)
    assert done.returncode == 1 and "pool show" in done.stderr
    ctl("pool del 10.50.5.0/24")
    assert wild.request(genl.POOL_ADD, pool(5))[0] == 0
    ctl("pool flush")
    assert not table("pool show")


def test_truncated(wild):
    """Each message cut short anywhere, and with each length lying, is refused
    or means something smaller."""
    messages = [
        (genl.UP, settings(u8(2, 1), u32(3, 1000), u8(5, 0), attribute(15, b""))),
        (genl.ACL_ADD, acl(10, b"\xfd" + bytes(15), 8, attribute(genl.ACL_IFNAME, b"eth0\0"))),
        (genl.SESSION_FLUSH, attribute(genl.A_SESSION_ID, bytes(8))),
    ]
    for command, message in messages:
        for length in range(len(message)):
            error, _ = wild.request(command, message[:length])
            assert error or length < 4 or command == genl.SESSION_FLUSH, (command, length)
            wild.request(genl.DOWN)
            wild.request(genl.ACL_FLUSH)
        for at in range(0, len(message) - 3, 4):
            for lie in 0, 1, 3, 4, 5, 0x7fff, 0xffff:
                broken = message[:at] + struct.pack("H", lie) + message[at + 2:]
                wild.request(command, broken)
                wild.request(genl.DOWN)
                wild.request(genl.ACL_FLUSH)
    assert wild.request(genl.SHOW)[0] == 0


def test_random_messages(wild):
    """No message of random octets harms the kernel."""
    state = 1
    for number in range(400):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        command = state >> 33 & 31
        octets = b"".join(struct.pack("!Q", state * odd & (1 << 64) - 1)
                          for odd in range(1, 2 + number % 16, 2))
        wild.request(command, octets)
    down()
    assert wild.request(genl.SHOW)[0] == 0


def test_unknown_commands(wild):
    """Commands that there are not, and events as commands, are refused."""
    for command in (0, genl.SESSION_EVENT, genl.MAPPING_EVENT, 31, 100, 255):
        assert wild.request(command)[0] == errno.EOPNOTSUPP
    for command in (genl.ACL_GET, genl.SESSION_GET, genl.STATS_GET, genl.POOL_GET, genl.PEER_GET,
                    genl.INTERCEPT_GET, genl.FORWARD_GET):
        assert wild.request(command)[0] == errno.EOPNOTSUPP     # only as a dump
    for command in (genl.UP, genl.DOWN, genl.SHOW):
        assert wild.dump(command)[0] == errno.EOPNOTSUPP
    assert wild.request(genl.SESSION_FLUSH, attribute(genl.A_SESSION_ID, bytes(8)))[0] \
        == errno.ENOENT
    for number in 1, 1 << 32, (1 << 64) - 1:
        identity = attribute(genl.A_SESSION_ID, struct.pack("Q", number))
        assert wild.request(genl.SESSION_FLUSH, identity)[0] == errno.ENOENT


UNPRIVILEGED = ["mcp up", "mcp set echo off", "mcp down", "acl add all", "acl del all",
                "acl flush", "acl show", "session show", "session flush", "monitor", "monitor mapping",
                "pool add 10.50.0.0/24", "pool del 10.50.0.0/24", "pool flush", "pool show",
                "peer add net 10.50.0.1", "peer del net", "peer flush", "peer show",
                "intercept add via direct", "intercept del 1", "intercept flush", "intercept show",
                "mapping add 10.50.0.1:80 to 10.50.0.2", "mapping del 10.50.0.1:80", "mapping flush",
                "mapping show", "doctor"]


def test_privileges(mcp):
    """Who may not administer the network sees how many there are and what was
    counted, and changes nothing."""
    mcp()
    for words, allowed in [(words, False) for words in UNPRIVILEGED] + \
            [("mcp show", True), ("session count", True), ("stats show", True)]:
        done = subprocess.run(
            ["ip", "netns", "exec", "m", "setpriv", "--reuid=65534", "--regid=65534",
             "--clear-groups", "--bounding-set=-all", CTL, *words.split()],
            capture_output=True, text=True, check=False)
        assert done.returncode == (0 if allowed else 1), (words, done)
        if not allowed:
            assert "CAP_NET_ADMIN" in done.stderr or "ermission" in done.stderr, done.stderr
    assert "mcp up" in ctl("mcp show").stdout and table("acl show")


def test_user_namespace(machines):
    """In a namespace of his own anybody may have an MCP."""
    child = os.fork()
    if child == 0:
        done = 1
        try:
            os.setresuid(65534, 65534, 65534)
            if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0:
                own = Genl(None)
                errors = [own.request(genl.UP)[0], own.request(genl.ACL_ADD, acl())[0],
                          own.request(genl.SHOW)[0], own.dump(genl.ACL_GET)[0],
                          own.request(genl.DOWN)[0], own.request(genl.UP)[0]]
                done = 3 if any(errors) else 0
            else:
                done = 2
        finally:
            os._exit(done)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) == 2:
        pytest.skip("this kernel gives no user namespaces to everybody")
    assert os.waitstatus_to_exitcode(status) == 0
    assert "mcp down" in ctl("mcp show").stdout     # another namespace's


REFUSALS = [
    # what comes before, the words, the exit code, and what is said
    ("mcp up", "mcp up", 1, "up already"),
    ("", "mcp set echo off", 1, "not up"),
    ("", "mcp down", 1, "not up"),
    ("acl add 10.0.0.0/8", "acl add 10.0.0.0/8", 1, "there already"),
    ("", "acl del 10.0.0.0/8", 1, "no entry"),
    ("acl add 10.0.0.0/8", "acl del 10.0.0.0/8 dev mc0", 1, "no entry"),
    ("mcp up", "session flush id 77", 1, "77"),
    ("", "mcp up established-idle 1h", 1, "RFC 5382"),
    ("", "mcp up transitory-idle 1s", 1, "RFC 5382"),
    ("mcp up", "mcp set port 99", 2, "port"),
    ("", "mcp up port 0", 2, "port"),
    ("", "mcp up echo maybe", 2, "echo"),
    ("", "mcp up nonsense 1", 2, "nonsense"),
    ("", "acl add 10.0.0.0/33", 2, ""),
    ("", "acl add nowhere", 2, "nowhere"),
    ("", "nonsense", 2, "nonsense"),
    ("", "mcp nonsense", 2, "nonsense"),
]


@pytest.mark.parametrize("before, words, code, said", REFUSALS)
def test_exit_codes(wild, before, words, code, said):
    """A refusal is exit code 1 and a wrong usage 2, with one line that says
    why."""
    if before:
        ctl(before)
    done = ctl(words, check=False)
    assert done.returncode == code, done
    assert said in done.stderr and done.stderr.count("\n") == 1 and not done.stdout, done


def test_port_in_use(wild):
    """A port that another program has is said to be taken."""
    for family in socket.AF_INET, socket.AF_INET6:
        with inside("m"), socket.socket(family) as other:
            # Connections of the tests before may still be in TIME_WAIT.
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("", 5124))
            other.listen()
            done = ctl("mcp up", check=False)
            assert done.returncode == 1 and "taken by another program" in done.stderr, done
    assert ctl("mcp up", check=False).returncode == 0


def test_mptcp_off(wild):
    """Without MPTCP there is no MCP, and it is said how to mend that."""
    run("m", "sysctl", "-qw", "net.mptcp.enabled=0")
    try:
        done = ctl("mcp up", check=False)
        assert done.returncode == 1 and "net.mptcp.enabled" in done.stderr, done
        assert "mcp down" in ctl("mcp show").stdout
    finally:
        run("m", "sysctl", "-qw", "net.mptcp.enabled=1")
    assert ctl("mcp up", check=False).returncode == 0


def test_set_takes_effect(mcp, client_wire):
    """What is set holds for the next request."""
    mcp("late-request off")
    client = raw_client(client_wire)
    assert play(client_wire, [(client, b"")], patience=0.6) == ["silence"]
    ctl("mcp set late-request on")
    assert play(client_wire, [(raw_client(client_wire), b"")]) == ["accepted"]
    ctl("mcp set cookie required")
    error = play(client_wire, [(raw_client(client_wire), codec.convert(SERVER4, 80))])[0]
    assert codec.read_error(error)[0] == codec.MISSING_COOKIE
    shown = ctl("mcp show").stdout
    assert "cookie required" in " ".join(shown.split())


def test_session_show(mcp, client_wire):
    """A session is shown with both its connections, its state and its counts."""
    mcp()
    with Server():
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(SERVER4, 80) + b"early")
        client.establish(client.answer())
        client.stream(5, lambda octets: len(octets) == 5)
        shown = until(lambda: [row for row in sessions() if row["bytes_down"] == 5])[0]
        assert shown["client"] == {"address": client.address, "port": client.port}
        assert shown["mcp"] == {"address": MCP4, "port": 5124}
        assert shown["server"] == {"address": SERVER4, "port": 80}
        assert shown["external"]["address"] == "10.0.9.1" and shown["external"]["port"] > 1023
        assert shown["state"] == "established" and shown["codec"] == "mp-convert"
        assert shown["upstream"] in ("tcp", "fallback")
        assert (shown["bytes_up"], shown["bytes_down"]) == (5, 5)
        assert 0 <= shown["age_ms"] < 60000 and shown["id"] > 0
        assert table("session show client", client.address)
        assert not table("session show client 192.0.2.1")
        assert table("session show state established")
        client.reset()
    all_quiet()


def test_dump_of_many(mcp, client_wire, server_wire):
    """Thousands of sessions are shown in many messages while others come and
    go: each at most once, and all that were there all the time."""
    mcp("hold-timeout 60s syn-timeout 300s max-half-open 16384 session-rate 0 "
        "max-half-open-client 16384")
    requests = [raw_client(client_wire) for _ in range(3000)]
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]):
        for client in requests:
            client.syn(codec.mp_convert(RAW_SERVER4, 80))
        until(lambda: count()["total"] == 3000, 30)
        stay = {client.port for client in requests[::2]}
        control = Genl()
        seen = []
        control.send(genl.SESSION_GET, flags=genl.NLM_F_REQUEST | genl.NLM_F_DUMP)
        for client in requests[1::2]:
            client.send(RST, seq=client.seq)
        for _ in range(200):
            raw_client(client_wire).syn(codec.mp_convert(RAW_SERVER4, 80))
        error, replies = control.receive()
        control.close()
        assert error == 0
        for reply in replies:
            session = genl.attributes(genl.attributes(reply[4:])[genl.A_SESSION])
            endpoint = genl.attributes(session[2])
            seen.append((struct.unpack("Q", session[1])[0],
                         struct.unpack("!H", endpoint[3])[0]))
        assert len({number for number, _ in seen}) == len(seen)
        assert stay <= {port for _, port in seen}
        rows = sessions()
        assert len(rows) >= 1500 and stay <= {row["client"]["port"] for row in rows}
    ctl("session flush")
    all_quiet()


class Monitor:
    """mptcpproxyctl monitor -j."""

    def __enter__(self):
        self.process = subprocess.Popen([CTL, "-n", "m", "-j", "monitor"], text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # It listens when the kernel has a listener more.
        until(self.listens, 10, "a listener")
        return self

    @staticmethod
    def listens():
        rows = [line.split() for line in run("m", "cat", "/proc/net/netlink").splitlines()[1:]]
        return any(row[1] == "16" and int(row[3], 16) for row in rows)

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=20)
        assert self.process.returncode == 0 and not err, err
        return [json.loads(line) for line in out.splitlines()]


def test_events(mcp, client_wire):
    """A session is reported when it begins, when it is bound and when it ends,
    with the reason and what it carried."""
    mcp(acl=("10.77.64.0/18", "10.77.128.0/17"))
    with Server(), Monitor() as monitor:
        # Who is not served is no news, whatever it sends.
        stranger = raw_client(client_wire, address="10.77.0.9")
        stranger.syn(codec.convert(SERVER4, 80))
        assert is_synack_of(stranger.answer(), stranger)
        stranger.reset()
        all_quiet()
        client = raw_client(client_wire)
        client.syn(codec.mp_convert(SERVER4, 80) + b"early")
        client.establish(client.answer())
        client.stream(5, lambda octets: len(octets) == 5)
        client.send(FIN | ACK)
        client.seq += 1
        client.stream()
        all_quiet()
        refused = raw_client(client_wire)
        refused.syn(codec.mp_convert(SERVER4, 81))
        assert refused.answer().flags & RST
        all_quiet()
        events = monitor.stop()
    assert [event["event"] for event in events] == ["new", "bound", "end", "new", "end"]
    assert len({event["id"] for event in events}) == 2
    new, _, end, _, other = events
    assert new["client"]["port"] == client.port and new["server"]["port"] == 80
    assert end["end"] == "closed" and (end["bytes_up"], end["bytes_down"]) == (5, 5)
    assert other["end"] == "refused" and other["client"]["port"] == refused.port
    assert all("end" not in event for event in events if event["event"] != "end")


def tracing(path, value=None):
    path = "/sys/kernel/tracing/" + path
    if value is None:
        with open(path) as file:
            return file.read()
    with open(path, "w") as file:
        file.write(value)
    return None


def test_tracepoints(mcp, client_wire):
    """A session leaves its track in the kernel's trace."""
    mcp()
    tracing("trace", "")
    tracing("events/mptcpproxy/enable", "1")
    try:
        with Server():
            client = raw_client(client_wire)
            client.syn(codec.mp_convert(SERVER4, 80) + b"early")
            client.establish(client.answer())
            client.stream(5, lambda octets: len(octets) == 5)
            number = sessions()[0]["id"]
            client.reset()
            all_quiet()
    finally:
        tracing("events/mptcpproxy/enable", "0")
    lines = [line.split(": ", 1)[1] for line in tracing("trace").splitlines()
             if "mcp_" in line and not line.startswith("#")]
    lines = [line.strip() for line in lines if f"id={number} " in line]
    assert [line.split(":")[0] for line in lines] == \
        ["mcp_request", "mcp_dial", "mcp_bind", "mcp_end"]
    assert f"client=[::ffff:{client.address}]:{client.port}" in lines[0]
    assert f"server=[::ffff:{SERVER4}]:80 codec=mp_convert late=0" in lines[0]
    assert "outcome=accepted" in lines[1] and "early_data=5" in lines[2]
    assert "up=5 down=5" in lines[3]
