"""The hosts of the demo, and what runs on them.

                     path 1: 20 Mbit/s, 20 ms
    host ---- client ==========================  MCP  ----------  server
                     path 2: 10 Mbit/s, 40 ms          10 ms

Each is a network namespace. The MCP's host is a router too, which masquerades: so
the client can reach the server without the MCP as most clients do. In the second act
the client is the gateway of a host that knows nothing of MPTCP.
"""

import contextlib
import ctypes
import hashlib
import os
import socket
import struct
import subprocess
import threading

HOST, CLIENT, MCP, SERVER = "demo-host", "demo-client", "demo-mcp", "demo-server"

MCP_ADDRESS = ("10.1.0.1", 5124)
SERVER_ADDRESS = "10.9.0.2"
FILE_PORT, HELLO_PORT, CLOSED_PORT = 80, 7, 81

CTL = os.environ.get("MCP_CTL", "mptcpproxyctl")

# Constants of Linux that Python 3.9 does not know.
IPPROTO_MPTCP = 262
TCP_FASTOPEN_NO_COOKIE = 34
CLONE_NEWNET = 0x40000000

# Before Linux 6.2, MPTCP sockets cannot send data in a SYN.
SYN_DATA = tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 2)


class Path:
    """A link to the MCP's host, with the same rate and delay both ways."""

    def __init__(self, number, mbit, round_trip):
        self.number, self.mbit, self.round_trip = number, mbit, round_trip
        self.client, self.router = f"10.{number}.0.2", f"10.{number}.0.1"
        self.ends = (CLIENT, f"path{number}"), (MCP, f"client{number}")

    def shape(self, command, loss=0):
        """Each end delays by half the round trip; the queue holds about 60 ms."""
        for netns, dev in self.ends:
            run(f"tc -n {netns} qdisc {command} dev {dev} root netem rate {self.mbit}mbit "
                f"delay {self.round_trip / 2}ms limit {6 * self.mbit} loss {loss}%")

    def cut(self):
        """Every packet is lost from now on, and nobody is told."""
        self.shape("change", loss=100)

    def mend(self):
        self.shape("change")


PATHS = Path(1, 20, 20), Path(2, 10, 40)


def run(command):
    """Runs a command; its output."""
    done = subprocess.run(command.split(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}")
    return done.stdout


def ctl(command, netns=MCP):
    """mptcpproxyctl in a namespace; its output."""
    return run(f"{CTL} -n {netns} {command}")


def build():
    for netns in HOST, CLIENT, MCP, SERVER:
        run(f"ip netns add {netns}")
        run(f"ip -n {netns} link set lo up")
        # No measurement is to learn from the one before.
        for setting in "tcp_no_metrics_save=1", "conf.all.rp_filter=0", "conf.default.rp_filter=0":
            run(f"ip netns exec {netns} sysctl -qw net.ipv4.{setting}")
    for netns in CLIENT, MCP:
        run(f"ip netns exec {netns} sysctl -qw net.ipv4.ip_forward=1")

    for path in PATHS:
        connect_hosts(*path.ends, path.client, path.router)
        path.shape("add")
        # What has the path's source address takes the path.
        run(f"ip -n {CLIENT} route add default via {path.router} table {path.number}")
        run(f"ip -n {CLIENT} rule add from {path.client} table {path.number}")
    run(f"ip -n {CLIENT} route add default via {PATHS[0].router}")
    run(f"ip -n {CLIENT} mptcp endpoint add {PATHS[1].client} dev {PATHS[1].ends[0][1]} subflow")

    connect_hosts((SERVER, "router"), (MCP, "server"), SERVER_ADDRESS, "10.9.0.1")
    for netns, dev in (SERVER, "router"), (MCP, "server"):
        run(f"tc -n {netns} qdisc add dev {dev} root netem delay 5ms")
    run(f"ip -n {SERVER} route add default via 10.9.0.1")

    connect_hosts((HOST, "gateway"), (CLIENT, "lan"), "10.8.0.2", "10.8.0.1")
    run(f"ip -n {HOST} route add default via 10.8.0.1")
    masquerade(MCP, "server")
    masquerade(CLIENT, PATHS[0].ends[0][1])

    ctl("acl add 10.0.0.0/14")
    # MPTCP sockets of Linux take no echo in the SYN/ACK.
    ctl("mcp up echo off")


def masquerade(netns, dev):
    run(f"ip netns exec {netns} nft add table ip demo")
    run(f"ip netns exec {netns} nft add chain ip demo post "
        "{ type nat hook postrouting priority 100 ; }")
    run(f"ip netns exec {netns} nft add rule ip demo post oifname {dev} masquerade")


def open_gateway():
    """The client takes what its host opens, and has the MCP dial."""
    ctl("mcp up", CLIENT)
    ctl(f"peer add net {MCP_ADDRESS[0]}", CLIENT)
    ctl("intercept add dev lan via net", CLIENT)
    # A peer knows an MCP by its echo.
    ctl("mcp set echo on")


def connect_hosts(one, other, address, other_address):
    run(f"ip -n {one[0]} link add {one[1]} type veth peer name {other[1]} netns {other[0]}")
    for (netns, dev), addr in (one, address), (other, other_address):
        run(f"ip -n {netns} addr add {addr}/24 dev {dev}")
        # netem counts packets: let each be one of the wire.
        run(f"ip -n {netns} link set {dev} up gso_max_segs 1")


def exists():
    return [netns for netns in (HOST, CLIENT, MCP, SERVER) if os.path.exists(f"/run/netns/{netns}")]


def tear_down():
    """The module ends the MCP with its namespace."""
    for netns in exists():
        run(f"ip netns del {netns}")


@contextlib.contextmanager
def inside(netns):
    """A socket belongs to the namespace in which it was made."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as home:
        with open(f"/run/netns/{netns}", "rb") as other:
            if libc.setns(other.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {netns}")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


class Server:
    """Gives a file to whoever connects to one port, and says hello on another."""

    def __init__(self, size):
        self.content = os.urandom(size)
        self.sha256 = hashlib.sha256(self.content).hexdigest()
        self.serve(FILE_PORT, self.content)
        self.serve(HELLO_PORT, b"hello\n")

    def serve(self, port, what):
        with inside(SERVER):
            listener = socket.create_server((SERVER_ADDRESS, port), backlog=100)
        threading.Thread(target=self.accept, args=(listener, what), daemon=True).start()

    def accept(self, listener, what):
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=self.give, args=(conn, what), daemon=True).start()

    @staticmethod
    def give(conn, what):
        with contextlib.suppress(OSError), conn:
            conn.sendall(what)
            conn.shutdown(socket.SHUT_WR)
            while conn.recv(4096):      # until the client has it all
                pass


def set_timeout(sock, seconds=30):
    """Not settimeout(): the socket is to stay a blocking one."""
    limit = struct.pack("ll", seconds, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def connect_directly(port, path=PATHS[0]):
    """A TCP connection to the server over one path."""
    with inside(CLIENT):
        sock = socket.socket()
    set_timeout(sock)
    sock.bind((path.client, 0))
    sock.connect((SERVER_ADDRESS, port))
    return sock


def connect_from_host(port):
    """A TCP connection to the server from the host that knows nothing."""
    with inside(HOST):
        sock = socket.socket()
    set_timeout(sock)
    sock.connect((SERVER_ADDRESS, port))
    return sock


def connect_through_mcp(port):
    """An MPTCP connection to the MCP, which is asked for the server in the SYN."""
    request = struct.pack("!IBBH4sHH", 0xFAA8FAA8, 0, 10, 1, socket.inet_aton(SERVER_ADDRESS),
                          port, 0)
    with inside(CLIENT):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    set_timeout(sock)
    if SYN_DATA:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
        sock.sendto(request, socket.MSG_FASTOPEN, MCP_ADDRESS)
    else:
        sock.connect(MCP_ADDRESS)
        sock.sendall(request)
    return sock
