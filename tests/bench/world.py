"""The machines of the benchmark.

    client ==== two paths ====  gateway  ----  server

Each is a network namespace. What carries connections through the gateway is in ways.py.
"""

import contextlib
import os
import subprocess

CLIENT, GATEWAY, SERVER = "bench-client", "bench-gateway", "bench-server"
PATHS = (1, 2)
GATEWAY_ADDRESS, SERVER_ADDRESS = "10.1.0.1", "10.9.0.2"
TCP_PORT, MPTCP_PORT, PROXY_PORT, SILENT_PORT = 80, 81, 5124, 82
# Both ends of each link between the gateway and another machine.
LINKS = {f"path{path}": ((CLIENT, f"path{path}", f"10.{path}.0.2"),
                         (GATEWAY, f"client{path}", f"10.{path}.0.1")) for path in PATHS}
LINKS["server"] = ((SERVER, "router", SERVER_ADDRESS), (GATEWAY, "server", "10.9.0.1"))

CTL = os.environ.get("MCP_CTL", "mptcpproxyctl")
LOAD = os.environ.get("BENCH_LOAD", "bench-load")

SYSCTLS = {
    "net.core.somaxconn": 65535,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.ip_local_port_range": "1024 61000",
    "net.ipv4.tcp_fin_timeout": 5,
    "net.ipv4.tcp_max_syn_backlog": 65535,
    "net.ipv4.tcp_no_metrics_save": 1,
    "net.ipv4.tcp_syncookies": 0,
}


def run(command, netns=None, check=True, text=None):
    """Runs a command; its output."""
    words = command.split()
    if netns:
        words = ["ip", "netns", "exec", netns, *words]
    done = subprocess.run(words, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.stdout}")
    return done.stdout


def ctl(command):
    """mptcpproxyctl on the gateway; its output."""
    return run(f"{CTL} -n {GATEWAY} {command}")


def start(words, netns, **kwargs):
    """Starts a program on a machine."""
    return subprocess.Popen(["ip", "netns", "exec", netns, *words], text=True, **kwargs)


def exists():
    """Those of the namespaces that there are."""
    return sorted({CLIENT, GATEWAY, SERVER} & set(os.listdir("/run/netns"))
                  if os.path.isdir("/run/netns") else ())


@contextlib.contextmanager
def shaped(links, words):
    """Meanwhile both ends of these links send through a netem that does this."""
    ends = [end for link in links for end in LINKS[link]]
    for netns, dev, _ in ends:
        run(f"tc -n {netns} qdisc add dev {dev} root netem {words}")
    try:
        yield
    finally:
        for netns, dev, _ in ends:
            run(f"tc -n {netns} qdisc del dev {dev} root")


@contextlib.contextmanager
def one_path():
    """Meanwhile the client opens no second subflow."""
    run(f"ip -n {CLIENT} mptcp limits set subflows 0 add_addr_accepted 0")
    try:
        yield
    finally:
        run(f"ip -n {CLIENT} mptcp limits set subflows 2 add_addr_accepted 2")


class World:
    """with World(): the machines, with a server of TCP and one of MPTCP."""

    # By port. There is one world at a time.
    servers = {}

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *exc):
        self.stack.close()

    def _build(self):
        for netns in CLIENT, GATEWAY, SERVER:
            run(f"ip netns add {netns}")
            self.stack.callback(run, f"ip netns del {netns}")
            run(f"ip -n {netns} link set lo up")
            for name, value in SYSCTLS.items():
                subprocess.run(["ip", "netns", "exec", netns, "sysctl", "-qw", f"{name}={value}"],
                               check=True)
            # A server that is silent on purpose must not switch MPTCP off.
            run("sysctl -qw net.mptcp.blackhole_timeout=0", netns, check=False)
        run("sysctl -qw net.ipv4.ip_forward=1", GATEWAY)
        for link, ends in LINKS.items():
            (near, near_dev, _), (far, far_dev, _) = ends
            run(f"ip -n {near} link add {near_dev} type veth peer name {far_dev} netns {far}")
            for netns, dev, address in ends:
                run(f"ip -n {netns} addr add {address}/24 dev {dev}")
                run(f"ip -n {netns} link set {dev} up")
            if link == "server":
                run(f"ip -n {SERVER} route add default via {ends[1][2]}")
            else:
                table = link.removeprefix("path")
                run(f"ip -n {CLIENT} route add default via {ends[1][2]} table {table}")
                run(f"ip -n {CLIENT} rule add from {ends[0][2]} table {table}")
        run(f"ip -n {CLIENT} route add default via {GATEWAY_ADDRESS}")
        run(f"ip -n {CLIENT} mptcp endpoint add {LINKS['path2'][0][2]} dev path2 subflow")
        for netns in CLIENT, GATEWAY, SERVER:
            run(f"ip -n {netns} mptcp limits set subflows 2 add_addr_accepted 2")
        for port, words in (TCP_PORT, []), (MPTCP_PORT, ["--mptcp"]):
            server = start([LOAD, *words, "serve", SERVER_ADDRESS, str(port)], SERVER)
            self.stack.callback(end, server)
            self.servers[port] = server
        run("nft -f -", SERVER, text=f"""table ip bench {{ chain in {{
            type filter hook input priority 0; tcp dport {SILENT_PORT} drop;
        }}
        }}\n""")


def arrived(process):
    """Octets that have come to the namespace of a process, over links: with their headers,
    of which there is one for a whole train of segments."""
    with open(f"/proc/{process.pid}/net/dev") as file:
        return sum(int(line.split(":")[1].split()[0]) for line in file
                   if ":" in line and line.split(":")[0].strip() != "lo")


def end(process):
    """Ends a program that has nothing to lose."""
    process.kill()
    process.wait()
