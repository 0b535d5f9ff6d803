"""The laboratory: a client, an MCP and a server, each in a network namespace.

	lab-c --c0-----mc0-- lab-m --ms0----s0-- lab-s
	      --c1-----mc1--
	      --c2-----mc2--        (as many paths as wanted, two by default)

    path n        10.0.N.2, fd00:N::2 (client)    10.0.N.1, fd00:N::1 (MCP)    N = n + 1
    server's      10.0.9.2, fd00:9::2 (server)    10.0.9.1, fd00:9::1 (MCP)
    by hand       10.77.0.0/16, fd77::/48 behind c0;  10.99.0.0/16, fd99::/48 behind s0
                  (addresses that no stack answers for: play them with wire.py)

Everything is new for each test, and gone after it: counters begin at 0. A test
takes the fixture `lab` (or `make_lab` for another number of paths), and then

    lab.up()                        the MCP is up and serves everybody
    lab.up("echo off", acl=["10.0.1.0/24"])
    listener = lab.listen()         a server, IPv4, port 80
    client = lab.connect(listener, early=b"GET /")
    server = listener.accept()      both ends are streams.Connection
    lab.stats()["session-bound"]    counters; lab.wait_stats(session_closed=1)
    lab.sessions(), lab.count()     what `session show` and `session count` say
    lab.capture(lab.server, "s0", "tcp port 80")    packets, see capture.py
    lab.client.netem("c1", "delay 50ms"), .blackhole("c1"), .down("c1"), .nft(...)

At the end of each test both ends are closed, and the MCP must have no session
left within a minute; mark the test `leaves_sessions` if that is not to be.
"""

import json
import os
import select
import socket
import subprocess
import threading

import codec
import control
from capture import Capture
from netns import TIMEOUT, Namespace, wait_for
from streams import Connection, Listener, background, finish

TOP = os.path.abspath(os.path.dirname(__file__) + "/../../..")
CTL = os.environ.get("MCP_CTL", TOP + "/build/mptcpproxyctl")
KERNEL = os.environ.get("MCP_KERNEL", "6.12")
DEBUG = KERNEL == "debug"
# MPTCP sockets can put data into their SYN since 6.2.
MPTCP_FASTOPEN = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2)

PORT = 5124
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
IPPROTO_MPTCP = 262
MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN_NO_COOKIE = 34
SO_MARK = 36

PROTOCOL = {"mptcp": IPPROTO_MPTCP, "tcp": socket.IPPROTO_TCP}
REQUEST = {"mp-convert": codec.mp_convert, "convert": codec.convert}


# Kernel counters that tell why a test failed.
TELLING = ["TcpRetransSegs", "TcpOutRsts", "TcpEstabResets", "TcpAttemptFails", "TcpInErrs",
           "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPBacklogDrop",
           "TcpExtTCPReqQFullDoCookies", "TcpExtTCPReqQFullDrop", "TcpExtSyncookiesSent",
           "TcpExtSyncookiesFailed", "TcpExtTCPTimeouts", "TcpExtTCPSynRetrans",
           "TcpExtTCPAbortOnData", "TcpExtTCPAbortOnClose", "TcpExtTCPAbortOnTimeout",
           "MPTcpExtMPCapableFallbackACK", "MPTcpExtMPCapableFallbackSYNACK",
           "MPTcpExtMPFastcloseTx", "MPTcpExtMPFastcloseRx", "MPTcpExtMPRstTx", "MPTcpExtMPRstRx"]

# What is behind client and server, for ends that a test plays by hand.
BY_HAND = [("10.77.0.0/16", "10.0.1.2"), ("fd77::/48", "fd00:1::2"),
           ("10.99.0.0/16", "10.0.9.2"), ("fd99::/48", "fd00:9::2")]


def address(network, host, family=4):
    """A host's address: address(1, 2) is 10.0.1.2."""
    return f"10.0.{network}.{host}" if family == 4 else f"fd00:{network}::{host}"


class Lab:
    """The three namespaces and what a test does with them; see above."""

    def __init__(self, paths=2):
        self.paths = paths
        self.marks = {}
        self.marking = threading.Lock()
        self.captures = []
        self.namespaces = []
        try:
            for name in "lab-c", "lab-m", "lab-s":
                self.namespaces.append(Namespace(name))
            self.client, self.mcp, self.server = self.namespaces
            self._build()
            self.wait_links()
        except BaseException:
            self.remove()
            raise

    # ------------------------------------------------------------ topology

    def _build(self):
        """One batch a namespace, and side by side: starting a program is slow in the
        machine."""
        links = [(self.client, f"c{path}", f"mc{path}", path + 1) for path in range(self.paths)]
        links.append((self.server, "s0", "ms0", 9))
        lines = {namespace: ["link set lo up"] for namespace in self.namespaces}
        for near, near_if, far_if, network in links:
            lines[self.mcp] += [
                f"link add {far_if} type veth peer name {near_if} netns {near.name}",
                *self._address_lines(far_if, network, 1)]
            lines[near] += self._address_lines(near_if, network, 2)
        rules = {4: lines[self.client], 6: []}
        for path in range(self.paths):
            for family in (4, 6):
                gateway = address(path + 1, 1, family)
                rules[family].append(
                    f"rule add from {address(path + 1, 2, family)} table {path + 1}")
                lines[self.client] += [
                    f"route add default via {gateway} table {path + 1}",
                    f"route add default via {gateway} metric {100 + path}"]
        lines[self.server] += ["route add default via 10.0.9.1", "route add default via fd00:9::1"]
        lines[self.client] += ["mptcp limits set subflow 8 add_addr_accepted 8"]
        lines[self.mcp] += ["mptcp limits set subflow 8 add_addr_accepted 8"]
        self.mcp.ip(*lines[self.mcp])
        running = [background(self.client.ip, *lines[self.client]),
                   background(self.server.ip, *lines[self.server]),
                   background(self.client.run, "ip", "-6", "-batch", "-",
                              input="\n".join(rules[6]) + "\n")]
        for run in running:
            finish(run)
        # The other end of a link has to be up before there is a route over it.
        self.mcp.ip(*(f"route add {prefix} via {gateway}" for prefix, gateway in BY_HAND))
        self.mcp.sysctl("net.ipv4.conf.all.rp_filter", 0)

    @staticmethod
    def _address_lines(iface, network, host):
        return (f"addr add {address(network, host)}/24 dev {iface}",
                f"addr add {address(network, host, 6)}/64 dev {iface} nodad",
                f"link set {iface} up")

    def limit_buffers(self, octets):
        """No socket's buffer grows beyond that, before connections are made."""
        for namespace in self.namespaces:
            for name in "tcp_rmem", "tcp_wmem":
                namespace.sysctl(f"net.ipv4.{name}", f"4096 {min(131072, octets)} {octets}")

    def wait_links(self):
        for path in range(self.paths):
            wait_for(lambda path=path: self.client.is_running(f"c{path}")
                     and self.mcp.is_running(f"mc{path}"), what="links")
        wait_for(lambda: self.server.is_running("s0") and self.mcp.is_running("ms0"), what="links")

    def close_ends(self):
        """Ends all connections of client and server."""
        self.client.close_sockets()
        self.server.close_sockets()

    def remove(self):
        for capture in self.captures:
            capture.close()
        for namespace in self.namespaces:
            namespace.remove()

    # ------------------------------------------------------------- the MCP

    def ctl(self, *words, check=True, namespace=None):
        """mptcpproxyctl -j: the rows it prints, or None. With check off, what
        subprocess.run() returns, failed or not."""
        words = [word for phrase in words for word in str(phrase).split()]
        done = subprocess.run([CTL, "-n", (namespace or self.mcp).path, "-j", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
        if not check:
            return done
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def up(self, settings="", acl=("all",)):
        """Starts the MCP."""
        if control.up(self.mcp.name, settings, acl):
            return
        self.ctl("mcp up", settings)
        for prefix in acl:
            self.ctl("acl add", prefix)

    def stats(self):
        """All counters."""
        return control.stats(self.mcp.name)

    def wait_stats(self, timeout=TIMEOUT, **wanted):
        """Waits until counters stand so: lab.wait_stats(session_closed=1)."""
        wanted = {name.replace("_", "-"): value for name, value in wanted.items()}

        def reached():
            now = self.stats()
            found = {name: now[name] for name in wanted}
            return now if found == wanted else None
        try:
            return wait_for(reached, timeout, wanted)
        except AssertionError as error:
            now = {name: value for name, value in self.stats().items() if value}
            raise AssertionError(f"{error}; counters: {now}") from None

    def sessions(self):
        """What session show says: a list of dictionaries."""
        return self.ctl("session show")

    def session(self):
        """The only session there is."""
        sessions = self.sessions()
        assert len(sessions) == 1, sessions
        return sessions[0]

    def count(self):
        """total, half_open and clients, as a dictionary."""
        return control.count(self.mcp.name)

    def wait_idle(self, timeout=2 * TIMEOUT):
        """Waits until the MCP has no session."""
        def idle():
            count = self.count()
            return count["total"] == 0 and count["half_open"] == 0
        try:
            wait_for(idle, timeout)
        except AssertionError:
            raise AssertionError(f"sessions are left: {self.sessions()}") from None

    def describe(self):
        """Counters that are not 0, and up to ten sessions, for a report."""
        try:
            lines = [f"{name} {value}" for name, value in self.stats().items() if value]
            lines += [str(session) for session in self.sessions()[:10]]
        except AssertionError as error:
            lines = [str(error)]
        for namespace in self.namespaces:
            counters = namespace.nstat()
            lines.append(f"{namespace.name}: " + ", ".join(
                f"{name} {counters[name]}" for name in TELLING if counters.get(name)))
        return "\n".join(lines)

    # ---------------------------------------------------------------- ends

    def capture(self, namespace, iface, expression="", snap=65535):
        """Records packets from here on; see capture.py."""
        capture = Capture(namespace, iface, expression, snap)
        self.captures.append(capture)
        return capture

    def listen(self, family=4, port=80, protocol="tcp", backlog=4096):
        """A server's listening socket."""
        sock = self.server.socket(FAMILY[family], socket.SOCK_STREAM, PROTOCOL[protocol])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address(9, 2, family), port))
        sock.listen(backlog)
        return Listener(sock, address(9, 2, family), port, self.server.sockets)

    def client_socket(self, family=4, protocol="mptcp", port=0, path=0):
        """A client's socket, not connected; bound if there is a port."""
        sock = self.client.call(Connection, FAMILY[family], socket.SOCK_STREAM,
                                PROTOCOL[protocol])
        self.client.sockets.append(sock)
        sock.settimeout(TIMEOUT)
        if port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address(path + 1, 2, family), port))
        return sock

    def connect(self, server, early=b"", *, codec="mp-convert", protocol="mptcp", family=4,
                via="insert", request=None, port=0, prepare=None):
        """A client's connection to a server, through the MCP.

        server      a Listener, or (address, port)
        early       application data behind the request
        codec       "mp-convert" or "convert"; its answer is read: Connection.reply
        protocol    "mptcp" or "tcp"
        family      4 or 6: how client and MCP speak
        via         how the request gets there:
                    "insert" by the module mcp_client, for programs that know nothing
                    "tfo"    in the SYN's payload, by the client itself (MPTCP: from 6.2
                             on, and with "echo off")
                    "late"   as the first octets of the stream
        request     the octets themselves instead of those of server and codec
        port        the client's port, else any
        prepare     called with the socket before it connects
        """
        if request is None:
            where = (server.address, server.port) if isinstance(server, Listener) else server
            request = REQUEST[codec](*where)
        sock = self.client_socket(family, protocol, port)
        if prepare:
            prepare(sock)
        mcp = address(1, 1, family), PORT
        if via == "insert":
            self.mark(sock, mcp, request + early)
            sock.connect(mcp)
        elif via == "tfo":
            sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
            sock.sendto(request + early, MSG_FASTOPEN, mcp)
            wait_connected(sock)
        else:
            sock.connect(mcp)
            sock.sendall(request + early)
        if codec == "convert":
            sock.reply = read_reply(sock)
        return sock

    def mark(self, sock, mcp, octets):
        """Has the module mcp_client put octets into the SYN of a socket."""
        key = (mcp, octets)
        with self.marking:
            if key not in self.marks:
                self.marks[key] = len(self.marks) + 1
                self.client.write("net/mcp_client",
                                  f"{mcp[0]} {mcp[1]} {self.marks[key]} {octets.hex()}")
        sock.setsockopt(socket.SOL_SOCKET, SO_MARK, self.marks[key])

    def echoes(self):
        """What the module mcp_client counted: {"inserted": 1, "echoed": 1, ...}."""
        words = self.client.read("net/mcp_client").split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def second_path(self, path=1, family=4):
        """Lets the client's MPTCP connections use another path as well."""
        self.client.ip(f"mptcp endpoint add {address(path + 1, 2, family)} dev c{path} subflow")

    def wait_subflows(self, number):
        """Waits until the only session has so many subflows. Linux joins only
        after data was acknowledged: let some pass before."""
        wait_for(lambda: self.session()["subflows"] == number, what=f"{number} subflows")


def wait_connected(sock):
    """Waits for the handshake of a connection that MSG_FASTOPEN began."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    assert poll.poll(TIMEOUT * 1000), "the connection does not come up"
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def read_reply(sock):
    """The Convert message at the head of the MCP's stream."""
    head = sock.read_exactly(4)
    tlvs, rest = codec.read_message(head + sock.read_exactly(head[1] * 4 - 4))
    assert not rest
    return tlvs
