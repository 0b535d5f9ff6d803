"""The machines of the benchmark, and what carries connections between them.

    client ==== two paths ====  gateway  ----  server

Each is a network namespace. The gateway routes, masquerades, or runs what is measured.
"""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

CLIENT, GATEWAY, SERVER = "bench-client", "bench-gateway", "bench-server"
PATHS = (1, 2)
GATEWAY_ADDRESS, SERVER_ADDRESS = "10.1.0.1", "10.9.0.2"
TCP_PORT, MPTCP_PORT, PROXY_PORT = 80, 81, 5124

CTL = os.environ.get("MCP_CTL", "mptcpproxyctl")
LOAD = os.environ["BENCH_LOAD"]


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
    return run(f"{CTL} -n {GATEWAY} {command}")


def start(words, netns, **kwargs):
    return subprocess.Popen(["ip", "netns", "exec", netns, *words], text=True, **kwargs)


class World:
    """with World(): the machines, with a server of TCP and one of MPTCP."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.stack.close()

    def _build(self):
        for netns in CLIENT, GATEWAY, SERVER:
            run(f"ip netns add {netns}")
            self.stack.callback(run, f"ip netns del {netns}")
            run(f"ip -n {netns} link set lo up")
            for setting in ("net.ipv4.tcp_no_metrics_save=1", "net.ipv4.conf.all.rp_filter=0",
                            "net.ipv4.conf.default.rp_filter=0", "net.core.somaxconn=65535",
                            "net.ipv4.tcp_max_syn_backlog=65535", "net.ipv4.tcp_syncookies=0",
                            "net.ipv4.tcp_fin_timeout=5",
                            "net.ipv4.ip_local_port_range=1024 61000"):
                name, value = setting.split("=")
                subprocess.run(["ip", "netns", "exec", netns, "sysctl", "-qw", f"{name}={value}"],
                               check=True)
        run("sysctl -qw net.ipv4.ip_forward=1", GATEWAY)
        for path in PATHS:
            self._link((CLIENT, f"path{path}", f"10.{path}.0.2"),
                       (GATEWAY, f"client{path}", f"10.{path}.0.1"))
            run(f"ip -n {CLIENT} route add default via 10.{path}.0.1 table {path}")
            run(f"ip -n {CLIENT} rule add from 10.{path}.0.2 table {path}")
        run(f"ip -n {CLIENT} route add default via {GATEWAY_ADDRESS}")
        self._link((SERVER, "router", SERVER_ADDRESS), (GATEWAY, "server", "10.9.0.1"))
        run(f"ip -n {SERVER} route add default via 10.9.0.1")
        run(f"ip -n {CLIENT} mptcp endpoint add 10.2.0.2 dev path2 subflow")
        for netns in CLIENT, GATEWAY, SERVER:
            run(f"ip -n {netns} mptcp limits set subflows 2 add_addr_accepted 2")
        for port, words in (TCP_PORT, []), (MPTCP_PORT, ["--mptcp"]):
            server = start([LOAD, *words, "serve", SERVER_ADDRESS, str(port)], SERVER)
            self.stack.callback(self._kill, server)

    @staticmethod
    def _kill(process):
        process.kill()
        process.wait()

    @staticmethod
    def _link(one, other):
        run(f"ip -n {one[0]} link add {one[1]} type veth peer name {other[1]} netns {other[0]}")
        for netns, dev, address in one, other:
            run(f"ip -n {netns} addr add {address}/24 dev {dev}")
            run(f"ip -n {netns} link set {dev} up")


class Way:
    """How connections get from the client to the server: a context, in which clients
    are called with `options`."""

    port = TCP_PORT
    options = ()

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


class Routed(Way):
    pass


class Masqueraded(Way):
    def __init__(self, name, options=(), port=TCP_PORT):
        super().__init__(name)
        self.options, self.port = options, port

    def __enter__(self):
        run("nft -f -", GATEWAY, text="""table ip bench { chain post {
            type nat hook postrouting priority 100; oifname "server" masquerade;
        }
        }\n""")
        return self

    def __exit__(self, *exc):
        run("nft flush ruleset", GATEWAY)
        # The table of connection tracking is the next one's, too.
        run("conntrack -F", GATEWAY, check=False)


class Mcp(Way):
    """This module."""

    options = ("--mptcp", "--by", "mp-convert")

    def __init__(self, name, settings="", port=TCP_PORT):
        super().__init__(name)
        self.settings, self.port = settings, port

    def __enter__(self):
        ctl(f"mcp up echo off session-rate 1000000 session-burst 1000000 "
            f"max-half-open-client 65536 max-half-open 65536 {self.settings}")
        ctl("acl add 10.0.0.0/14")
        ctl("pool add 10.9.0.64/26")
        return self

    def __exit__(self, *exc):
        ctl("mcp down")
        ctl("acl flush")
        ctl("pool flush")


class Program(Way):
    """A proxy in userspace, which is made to speak MPTCP."""

    options = ("--mptcp",)

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        config = pathlib.Path(self.directory.name) / "config"
        config.write_text(self.config())
        self.process = start(["mptcpize", "run", *self.words(str(config))], GATEWAY,
                             cwd=self.directory.name, start_new_session=True,
                             stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while f":{PROXY_PORT} " not in run("ss -Hltn", GATEWAY):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} does not listen")
            time.sleep(0.05)
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 15)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        self.directory.cleanup()

    def config(self):
        return ""


class Nginx(Program):
    def config(self):
        return f"""daemon off; worker_processes {os.cpu_count()}; pid nginx.pid;
            error_log stderr crit; user root;
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            events {{ worker_connections 60000; }}
            worker_rlimit_nofile 200000;
            stream {{ tcp_nodelay on; proxy_buffer_size 64k;
                server {{ listen {GATEWAY_ADDRESS}:{PROXY_PORT} reuseport backlog=65535;
                    proxy_pass {SERVER_ADDRESS}:{TCP_PORT}; }} }}\n"""

    def words(self, config):
        return ["nginx", "-p", self.directory.name, "-c", config]


class Haproxy(Program):
    def config(self):
        return f"""global
    nbthread {os.cpu_count()}
    maxconn 60000
    tune.bufsize 65536
defaults
    mode tcp
    option splice-auto
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen bench
    bind {GATEWAY_ADDRESS}:{PROXY_PORT} backlog 65535
    server s {SERVER_ADDRESS}:{TCP_PORT}\n"""

    def words(self, config):
        return ["haproxy", "-db", "-f", config]


class Dante(Program):
    options = ("--mptcp", "--by", "socks5")

    def config(self):
        return f"""internal: {GATEWAY_ADDRESS} port = {PROXY_PORT}
external: server
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0/0 to: 0/0 }}
socks pass {{ from: 0/0 to: 0/0 }}\n"""

    def words(self, config):
        return ["danted", "-f", config]


class Socat(Program):
    def words(self, _):
        return ["socat", "-b", "65536",
                f"TCP-LISTEN:{PROXY_PORT},bind={GATEWAY_ADDRESS},reuseaddr,fork,backlog=65535",
                f"TCP:{SERVER_ADDRESS}:{TCP_PORT}"]


WITHDRAW = "mptcp withdraw"
WAYS = {way.name: way for way in (
    Routed("routed"),
    Masqueraded("masqueraded"),
    Masqueraded("masqueraded-mptcp", ("--mptcp",), MPTCP_PORT),
    Mcp("mptcpproxy"),
    Mcp("mptcpproxy-withdraw", WITHDRAW, MPTCP_PORT),
    Nginx("nginx"),
    Haproxy("haproxy"),
    Dante("dante"),
    Socat("socat"),
)}
