"""The laboratory of the dual proxy: hosts behind a gateway that has two uplinks, two
network MCPs, and a server, each in a network namespace.

	          lan0      u0 ----- nu0
	gw-h h0 ----- gw-g                  gw-n  ns0 ----- s0
	                    u1 ----- nu1                        gw-s
	                    u2 ----- pu0    gw-p  ps0 ----- s1

    hosts         10.1.0.2, fd01::2 (h0)            10.1.0.1, fd01::1 (lan0)
                  10.1.0.3 to 10.1.0.250, fd01::3   and more on h0
    uplink n      10.2.N.2, fd02:N::2 (gateway)     10.2.N.1, fd02:N::1       N = n + 1
    server        10.9.0.2, fd09::2 (s0)            10.9.0.1, fd09::1 (network MCP)
                  10.9.1.2, fd09:1::2 (s1)          10.9.1.1, fd09:1::1 (the second one)
    by hand       10.77.0.0/16, fd77::/48 behind h0;  10.99.0.0/16, fd99::/48 behind s0

Both network MCPs convert, and route what is not converted; the gateway routes by uplink
0. All tests share the namespaces; the fixture `gw` gives them back as they were.

    gw.up()                         gateway and network MCPs are up, peer "net" is both
    gw.take()                       and the gateway takes what its hosts open
    listener = gw.listen()          a server
    host = gw.connect(listener)     a host's connection to it, plain TCP
    gw.stats("g"), gw.wait("g", intercepted=1), gw.sessions("g"), gw.table("g", "peer show")
"""

import json
import os
import socket
import struct
import subprocess

import control
import genl
from capture import Capture
from netns import TIMEOUT, Namespace, wait_for
from streams import Connection, Listener

TOP = os.path.abspath(os.path.dirname(__file__) + "/../../..")
CTL = os.environ.get("MCP_CTL", TOP + "/build/mptcpproxyctl")
# Kernels that detect paths which swallow MPTCP have it.
BLACKHOLE = "/proc/sys/net/mptcp/blackhole_timeout"
DEBUG = os.environ.get("MCP_KERNEL") == "debug"

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PROTOCOL = {"tcp": socket.IPPROTO_TCP, "mptcp": 262}
PORT = 5124
SO_BINDTODEVICE = 25

# Interface, its peer, the network between them, and the namespaces.
LINKS = [("h0", "lan0", "1", "h", "g"), ("u0", "nu0", "2.1", "g", "n"),
         ("u1", "nu1", "2.2", "g", "n"), ("u2", "pu0", "2.3", "g", "p"),
         ("s0", "ns0", "9.0", "s", "n"), ("s1", "ps0", "9.1", "s", "p")]


def address(network, host, family=4):
    """address("2.1", 2) is 10.2.1.2 or fd02:1::2."""
    parts = network.split(".")
    if family == 4:
        return ".".join(["10", *parts, *["0"] * (2 - len(parts)), str(host)])
    rest = parts[1] if len(parts) > 1 and parts[1] != "0" else ""
    return f"fd0{parts[0]}:{rest}::{host}" if rest else f"fd0{parts[0]}::{host}"


class Gateway:
    """The namespaces and what a test does with them; see above."""

    def __init__(self):
        self.ns = {}
        self.captures = []
        self.touched = {}       # interfaces with a qdisc, or "nft", by namespace
        self.stripped = set()
        self.rules = []
        try:
            for name in "hgnps":
                self.ns[name] = Namespace("gw-" + name)
            self._build()
        except BaseException:
            self.remove()
            raise

    def _build(self):
        lines = {name: ["link set lo up"] for name in self.ns}
        for near, far, network, left, right in LINKS:
            lines[right].append(
                f"link add {far} type veth peer name {near} netns {self.ns[left].name}")
            for name, iface, host in (left, near, 2), (right, far, 1):
                lines[name] += [f"addr add {address(network, host)}/24 dev {iface}",
                                f"addr add {address(network, host, 6)}/64 dev {iface} nodad",
                                f"link set {iface} up"]
        lines["h"] += [f"addr add 10.1.0.{host}/24 dev h0" for host in range(3, 251)]
        lines["h"] += ["addr add fd01::3/64 dev h0 nodad preferred_lft 0"]
        for name in "hgnp":
            lines[name].append("mptcp limits set subflow 4 add_addr_accepted 4")
        for name in "npghs":
            self.ns[name].ip(*lines[name])
            for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
                self.ns[name].sysctl(key, 1)
            self.ns[name].sysctl("net.ipv4.conf.all.rp_filter", 0)
            # One test's silent server would switch MPTCP off for all others.
            if os.path.exists(BLACKHOLE):
                self.ns[name].sysctl("net.mptcp.blackhole_timeout", 0)
        self.routes()
        for near, far, _, left, right in LINKS:
            wait_for(lambda n=near, f=far, l=left, r=right: self.ns[l].is_running(n)
                     and self.ns[r].is_running(f), what="links")

    def routes(self):
        """Also once a link has been down, which takes its routes with it."""
        for family in (4, 6):
            def add(name, *lines):
                self.ns[name].run("ip", f"-{family}", "-batch", "-",
                                  input="\n".join(lines) + "\n")

            def addr(network, host):
                return address(network, host, family)
            lan, hand, servers, fab = (
                ("10.1.0.0/24", "10.77.0.0/16", "10.99.0.0/16", "10.9.0.0/24") if family == 4 else
                ("fd01::/64", "fd77::/48", "fd99::/48", "fd09::/64"))
            add("h", f"route replace default via {addr('1', 1)}")
            add("g", f"route replace default via {addr('2.1', 1)}",
                f"route replace default via {addr('2.2', 1)} table 2",
                f"route replace default via {addr('2.3', 1)} table 3",
                f"route replace {addr('9.1', 0)}/{24 if family == 4 else 64} via {addr('2.3', 1)}",
                f"route replace {hand} via {addr('1', 2)}")
            for table in (2, 3):
                self.ns["g"].run("ip", f"-{family}", "rule", "del", "from",
                                 addr(f"2.{table}", 2), check=False)
            add("g", *(f"rule add from {addr(f'2.{table}', 2)} table {table}"
                       for table in (2, 3)))
            add("n", f"route replace {lan} via {addr('2.1', 2)}",
                f"route replace {hand} via {addr('2.1', 2)}",
                f"route replace {servers} via {addr('9.0', 2)}",
                f"route replace default via {addr('2.1', 2)}")
            add("p", f"route replace {lan} via {addr('2.3', 2)}",
                f"route replace {hand} via {addr('2.3', 2)}",
                f"route replace {fab} via {addr('9.1', 2)}",
                f"route replace {servers} via {addr('9.1', 2)}",
                f"route replace default via {addr('2.3', 2)}")
            add("s", f"route replace default via {addr('9.0', 1)}")

    def remove(self):
        for capture in self.captures:
            capture.close()
        for namespace in self.ns.values():
            namespace.remove()
        self.ns.clear()

    def rebuild(self):
        """New machines, after a test has removed the gateway."""
        self.ns.pop("g")
        self.remove()
        self.__init__()

    def reset(self):
        """As it was: no MCP, nothing configured, no delay, no rule."""
        for capture in self.captures:
            capture.close()
        self.captures.clear()
        for namespace in self.ns.values():
            namespace.close_sockets()
            for process in namespace.processes:
                if process.poll() is None:
                    process.kill()
                process.communicate()
            namespace.processes.clear()
        for name in "gnp":
            with control.asking(self.ns[name].name) as asking:
                for command in (genl.DOWN, genl.ACL_FLUSH, genl.POOL_FLUSH, genl.INTERCEPT_FLUSH,
                                genl.FORWARD_FLUSH, genl.PEER_FLUSH):
                    asking.request(command)
        for name in "hgnp":
            control.forget_mptcp_endpoints(self.ns[name].name)
        for name, ifaces in self.touched.items():
            if "nft" in ifaces:
                self.ns[name].nft("flush ruleset\n")
            for iface in ifaces - {"nft"}:
                self.ns[name].run("tc", "qdisc", "del", "dev", iface, "root", check=False)
        self.touched = {}
        for family, words in self.rules:
            self.ns["g"].run("ip", f"-{family}", "rule", "del", *words.split())
        self.rules.clear()
        for name in self.stripped:
            self.ns[name].write("net/mcp_client", "strip 0")
        self.stripped.clear()

    # --------------------------------------------------------------- tools

    def ctl(self, name, *words, check=True):
        """mptcpproxyctl -j in a namespace: the rows it prints, or None."""
        words = [word for phrase in words for word in str(phrase).split()]
        done = subprocess.run([CTL, "-n", self.ns[name].path, "-j", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
        if not check:
            return done
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def stats(self, name):
        return control.stats(self.ns[name].name)

    def wait(self, name, timeout=TIMEOUT, **wanted):
        """Waits until counters of a namespace stand just so much higher than at the
        beginning of the test: gw.wait("g", intercepted=1)."""
        wanted = {key.replace("_", "-"): value for key, value in wanted.items()}

        def reached():
            now = self.counted(name)
            return all(now.get(key, 0) == value for key, value in wanted.items())
        try:
            return wait_for(reached, timeout, wanted)
        except AssertionError as error:
            raise AssertionError(f"{error}; {name}: {self.counted(name)}") from None

    def counted(self, name):
        """Counters since the beginning of the test, but for zeros."""
        now = self.stats(name)
        return {key: value - self.before[name].get(key, 0) for key, value in now.items()
                if value != self.before[name].get(key, 0)}

    def sessions(self, name):
        return self.ctl(name, "session show")

    def peers(self, name="g"):
        return self.ctl(name, "peer show")

    def idle(self, timeout=2 * TIMEOUT):
        """Waits until no MCP has a session."""
        def quiet():
            return all(control.count(self.ns[name].name)["total"] == 0 for name in "gnp")
        try:
            wait_for(quiet, timeout)
        except AssertionError:
            raise AssertionError(
                f"sessions are left: { {name: self.sessions(name) for name in 'gnp'} }") from None

    def describe(self):
        try:
            lines = [f"{name}: {self.counted(name)}" for name in "gnp"]
            lines += [f"{name}: {session}" for name in "gnp"
                      for session in self.sessions(name)[:5]]
            lines += map(str, self.peers())
        except AssertionError as error:
            lines = [str(error)]
        return "\n".join(lines)

    def begin(self):
        self.touched = {}
        self.before = {name: self.stats(name) for name in "gnp"}

    # --------------------------------------------------------------- MCPs

    def up(self, settings="", network="", peer="", family=4, second=True):
        """Gateway and network MCPs are up; of them `settings`, `network`; how the gateway
        asks: `peer`."""
        control.up(self.ns["g"].name, settings, ())
        control.up(self.ns["n"].name, network, ("all",))
        self.ctl("g", f"peer add net {address('2.1', 1, family)} {peer}")
        if second:
            control.up(self.ns["p"].name, network, ("all",))
            self.ctl("g", f"peer add net {address('2.3', 1, family)} prio 1 {peer}")

    def take(self, *rules, via="net"):
        """The gateway takes what its hosts open, or what the rules say."""
        for rule in rules or ("dev lan0",):
            self.ctl("g", "intercept add", rule, f"via {via}")

    def rule(self, words, family=4):
        """A rule of the gateway's routing, until the end of the test."""
        self.ns["g"].run("ip", f"-{family}", "rule", "add", *words.split())
        self.rules.append((family, words))

    def two_paths(self, family=4):
        """The gateway's MPTCP connections to the first network MCP use both uplinks."""
        self.ns["g"].ip(f"mptcp endpoint add {address('2.2', 2, family)} dev u1 subflow")

    # --------------------------------------------------------------- ends

    def listen(self, family=4, port=80, protocol="tcp", where="9.0", name="s", backlog=4096):
        """A server's listening socket, or that of another namespace: `where` is its
        network."""
        sock = self.ns[name].socket(FAMILY[family], socket.SOCK_STREAM, PROTOCOL[protocol])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address(where, 2, family), port))
        sock.listen(backlog)
        return Listener(sock, address(where, 2, family), port, self.ns[name].sockets)

    def socket(self, name="h", family=4, protocol="tcp", source=None):
        """A socket of a host, not connected."""
        sock = self.ns[name].call(Connection, FAMILY[family], socket.SOCK_STREAM,
                                  PROTOCOL[protocol])
        self.ns[name].sockets.append(sock)
        sock.settimeout(TIMEOUT)
        if source:
            sock.bind(source if isinstance(source, tuple) else (source, 0))
        return sock

    def connect(self, server, name="h", protocol="tcp", source=None):
        """A host's connection to a server: a Listener, or (address, port)."""
        where = (server.address, server.port) if isinstance(server, Listener) else server
        sock = self.socket(name, 6 if ":" in where[0] else 4, protocol, source)
        # In the way of connect() itself: an ICMP error wakes who polls before the socket has
        # it (Linux from 5.14 on), and SO_ERROR is 0 still.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", TIMEOUT, 0))
        sock.settimeout(None)
        sock.connect(where)
        sock.settimeout(TIMEOUT)
        return sock

    def capture(self, name, iface, expression="", snap=65535):
        capture = Capture(self.ns[name], iface, expression, snap)
        self.captures.append(capture)
        return capture

    def netem(self, name, iface, *words):
        self.touched.setdefault(name, set()).add(iface)
        self.ns[name].netem(iface, *words)

    def tbf(self, name, iface, *words):
        self.touched.setdefault(name, set()).add(iface)
        self.ns[name].tc(f"qdisc replace dev {iface} root tbf {' '.join(words)}")

    def strip(self, name, port=PORT):
        """SYNs to that port, and SYN/ACKs from it, lose their payload when they come in
        there."""
        self.stripped.add(name)
        self.ns[name].write("net/mcp_client", f"strip {port}")

    def drop(self, name, match, verdict="drop"):
        """What comes in there and fits is lost, or what the verdict says."""
        self.nft(name, "table inet lost { chain c { type filter hook input priority 0; "
                       f"{match} {verdict}; }}\n}}\n")

    def nft(self, name, rules):
        self.touched.setdefault(name, set()).add("nft")
        self.ns[name].nft(rules)
