"""What carries connections from the client through the gateway to the server."""

import contextlib
import os
import pathlib
import subprocess
import tempfile
import time

from world import (GATEWAY, GATEWAY_ADDRESS, MPTCP_PORT, PROXY_PORT, SERVER_ADDRESS, TCP_PORT,
                   ctl, run, start)


class Way:
    """A context, in which the load's client reaches the server with these words."""

    # So does who measures compare with: the same ends, and a gateway that only routes.
    baseline = "routed, MPTCP client"

    def __init__(self, name, mptcp=True, port=TCP_PORT):
        self.name, self.mptcp, self.port = name, mptcp, port

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def target(self, port=None):
        """Where the client connects to, or whom it asks for the server."""
        return [SERVER_ADDRESS, str(port or self.port)]

    def words(self, load, port=None):
        """The command line of a client, but for what it shall do."""
        return [load, *["--mptcp"] * self.mptcp, "get", *self.target(port)]


class Routed(Way):
    """The gateway routes."""


class Masqueraded(Way):
    """The gateway routes, and translates addresses: conntrack and nftables."""

    def __enter__(self):
        run("nft -f -", GATEWAY, text="""table ip bench { chain post {
            type nat hook postrouting priority 100; oifname "server" masquerade;
        }
        }\n""")
        return self

    def __exit__(self, *exc):
        run("nft flush ruleset", GATEWAY)


class Mcp(Way):
    """This module."""

    def __init__(self, name, settings="", port=TCP_PORT):
        super().__init__(name, port=port)
        self.settings = settings
        if port == MPTCP_PORT:
            self.baseline = "routed, MPTCP both"

    def __enter__(self):
        # Linux' MPTCP sockets take no data in a SYN/ACK.
        ctl(f"mcp up echo off session-rate 1000000 session-burst 1000000 max-ports-client 1000000 "
            f"max-half-open-client 65536 max-half-open 65536 {self.settings}")
        ctl("acl add 10.0.0.0/14")
        # The server routes it to the gateway.
        ctl("pool add 10.10.0.0/26")
        return self

    def __exit__(self, *exc):
        ctl("mcp down")
        ctl("acl flush")
        ctl("pool flush")

    def target(self, port=None):
        return [*super().target(port), "--by", "mp-convert",
                "--proxy", GATEWAY_ADDRESS, "--proxy-port", str(PROXY_PORT)]


class Program(Way):
    """A proxy in userspace, which is made to speak MPTCP and forwards all to the server."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.directory = stack.enter_context(tempfile.TemporaryDirectory())
            config = pathlib.Path(self.directory) / "config"
            config.write_text(self.config())
            self.process = start(["mptcpize", "run", *self.command(str(config))], GATEWAY,
                                 cwd=self.directory, start_new_session=True,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(self._end)
            deadline = time.monotonic() + 30
            while f":{PROXY_PORT} " not in run("ss -Hltn", GATEWAY):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError(f"{self.name} does not listen")
                time.sleep(0.05)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *exc):
        self.stack.close()

    def _end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 15)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()

    def target(self, port=None):
        return [GATEWAY_ADDRESS, str(PROXY_PORT)]

    def config(self):
        """Its configuration."""
        return ""

    def command(self, config):
        """Its command line."""
        raise NotImplementedError


class Nginx(Program):
    """nginx' stream module, a worker per CPU, its listener shared out by the kernel."""

    def config(self):
        return f"""daemon off; worker_processes {os.cpu_count()}; pid nginx.pid;
            error_log stderr crit; user root;
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            events {{ worker_connections 60000; }}
            worker_rlimit_nofile 200000;
            stream {{ tcp_nodelay on; proxy_buffer_size 64k;
                server {{ listen {GATEWAY_ADDRESS}:{PROXY_PORT} reuseport backlog=65535;
                    proxy_pass {SERVER_ADDRESS}:{TCP_PORT}; }} }}\n"""

    def command(self, config):
        return ["nginx", "-p", self.directory, "-c", config]


class Haproxy(Program):
    """HAProxy, a thread per CPU, splicing where it finds it worth while."""

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

    def command(self, config):
        return ["haproxy", "-db", "-f", config]


class Dante(Program):
    """dante, a SOCKS5 server: the client names the server."""

    def config(self):
        return f"""internal: {GATEWAY_ADDRESS} port = {PROXY_PORT}
external: server
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0/0 to: 0/0 }}
socks pass {{ from: 0/0 to: 0/0 }}\n"""

    def command(self, config):
        return ["danted", "-f", config]

    def target(self, port=None):
        return [SERVER_ADDRESS, str(port or self.port), "--by", "socks5",
                "--proxy", GATEWAY_ADDRESS, "--proxy-port", str(PROXY_PORT)]


class Socat(Program):
    """socat, a process for each connection."""

    def command(self, config):
        return ["socat", "-b", "65536",
                f"TCP-LISTEN:{PROXY_PORT},bind={GATEWAY_ADDRESS},reuseaddr,fork,backlog=65535",
                f"TCP:{SERVER_ADDRESS}:{TCP_PORT}"]


PEERS = ("nginx", "HAProxy", "dante", "socat")
WAYS = {way.name: way for way in (
    Routed("routed, TCP", mptcp=False),
    Routed("routed, MPTCP client"),
    Routed("routed, MPTCP both", port=MPTCP_PORT),
    Masqueraded("masquerading, MPTCP client"),
    Masqueraded("masquerading, MPTCP both", port=MPTCP_PORT),
    Mcp("mptcpproxy"),
    Mcp("mptcpproxy, withdrawn", "mptcp withdraw", MPTCP_PORT),
    Nginx("nginx"),
    Haproxy("HAProxy"),
    Dante("dante"),
    Socat("socat"),
)}
