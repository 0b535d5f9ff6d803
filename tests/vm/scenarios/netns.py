"""Network namespaces: sockets and commands in them.

A namespace is an attribute of a thread. Each Namespace has a thread of its own
that lives in it. A socket belongs for ever to the namespace of the thread that
made it, so that it can be used from any other thread afterwards.
"""

import concurrent.futures
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time

CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MNT_DETACH = 2
SIOCGIFFLAGS = 0x8913
SIOCGIFHWADDR = 0x8927
IFF_RUNNING = 0x40
SO_RCVBUFFORCE = 33

# Emulated processors are slow, those of the debug kernel slower still. Nothing
# that works waits this long.
SLOW = 3 if os.environ.get("MCP_KERNEL") == "debug" else 1
TIMEOUT = 30 * SLOW

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def wait_for(condition, timeout=TIMEOUT, what=None, interval=0.05):
    """Polls until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what or condition}: {result!r}")
        time.sleep(interval)


class Namespace:
    """A network namespace that exists from here to remove()."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"
        self.sockets = []
        self.processes = []
        self.thread = concurrent.futures.ThreadPoolExecutor(1, f"netns-{name}")
        try:
            self.call(self._enter)
        except BaseException:
            self.thread.shutdown()
            raise

    def _enter(self):
        check(libc.unshare(CLONE_NEWNET))
        with open(self.path, "x"):
            pass
        check(libc.mount(b"/proc/thread-self/ns/net", self.path.encode(), None, MS_BIND, None))

    def call(self, function, *args, **kwargs):
        """Calls a function that does not block in the namespace."""
        return self.thread.submit(function, *args, **kwargs).result()

    def remove(self):
        """Ends what was begun here, and the namespace with it."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.close_sockets()
        self.thread.shutdown()
        check(libc.umount2(self.path.encode(), MNT_DETACH))
        os.unlink(self.path)

    # ------------------------------------------------------------- sockets

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        """A socket of this namespace; it is closed at the end of the test."""
        sock = self.call(socket.socket, family, kind, protocol)
        self.sockets.append(sock)
        return sock

    def close_sockets(self):
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()

    # ------------------------------------------------------------ commands

    def start(self, *words, **kwargs):
        """Starts a program in the namespace; it is killed at the end of the test."""
        process = self.call(
            subprocess.Popen, [str(word) for word in words], text=True, **kwargs)
        self.processes.append(process)
        return process

    def run(self, *words, check=True, input=None, timeout=TIMEOUT):
        """Runs a program in the namespace: CompletedProcess with stdout, stderr."""
        words = [str(word) for word in words]
        process = self.call(
            subprocess.Popen, words, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE)
        try:
            out, err = process.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        done = subprocess.CompletedProcess(words, process.returncode, out, err)
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stderr or done.stdout}"
        return done

    def ip(self, *lines):
        """ip(8), one command a line: ns.ip("link set c0 up", "addr add ...")."""
        self.run("ip", "-batch", "-", input="\n".join(lines) + "\n")

    def tc(self, *lines):
        """tc(8), one command a line."""
        self.run("tc", "-batch", "-", input="\n".join(lines) + "\n")

    def nft(self, rules):
        """Loads nftables rules."""
        self.run("nft", "-f", "-", input=rules)

    def sysctl(self, name, value=None):
        """Reads or writes a sysctl of the namespace: ns.sysctl("net.ipv4.ip_forward", 1)."""
        def access():
            path = "/proc/sys/" + name.replace(".", "/")
            if value is None:
                with open(path) as file:
                    return file.read().strip()
            with open(path, "w") as file:
                file.write(str(value))
            return None
        return self.call(access)

    def read(self, path):
        """A file of /proc as this namespace sees it, such as "net/sockstat"."""
        def read():
            with open("/proc/thread-self/" + path) as file:
                return file.read()
        return self.call(read)

    def write(self, path, text):
        """Writes such a file, in one piece."""
        def write():
            fd = os.open("/proc/thread-self/" + path, os.O_WRONLY)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
        self.call(write)

    def nstat(self):
        """The counters of net/snmp and net/netstat: {"TcpRetransSegs": 0, ...}."""
        counters = {}
        for name in "snmp", "netstat":
            lines = [line for line in self.read("net/" + name).splitlines() if line]
            for names, values in zip(lines[::2], lines[1::2]):
                prefix, names = names.split(":")
                for key, value in zip(names.split(), values.split(":")[1].split()):
                    counters[prefix + key] = int(value)
        return counters

    # ------------------------------------------------------------ links

    def _ioctl(self, request, iface):
        sock = self.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        with sock:
            return fcntl.ioctl(sock, request, struct.pack("16s24x", iface.encode()))

    def is_running(self, iface):
        return bool(struct.unpack_from("H", self._ioctl(SIOCGIFFLAGS, iface), 16)[0] & IFF_RUNNING)

    def mac(self, iface):
        """Its hardware address, 6 octets."""
        return self._ioctl(SIOCGIFHWADDR, iface)[18:24]

    def link_bytes(self, iface):
        """Octets received and sent on a link so far."""
        for line in self.read("net/dev").splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == iface:
                numbers = numbers.split()
                return int(numbers[0]), int(numbers[8])
        raise KeyError(iface)

    def down(self, iface):
        self.ip(f"link set {iface} down")

    def netem(self, iface, *words):
        """Delay, loss or rate of what leaves by a link: ns.netem("c0", "delay 100ms")."""
        self.tc(f"qdisc replace dev {iface} root netem {' '.join(words)}")

    def blackhole(self, iface):
        """From here on, whatever leaves by a link is lost."""
        self.netem(iface, "loss 100%")
