#!/usr/bin/python3
"""What an MCP gives its clients, measured here and now.

Needs the module loaded and root; scripts/demo sees to both. Prints a table, a
look at the MCP during a transfer, and its counters. The exit status is 1 if
one of the promises did not hold: the file arrives whole over both paths and
when one is cut, both paths together are faster than the faster one, a refused
port is refused; and the same for a host that knows nothing, behind a gateway.
"""

import hashlib
import signal
import statistics
import sys
import time

import scene
from scene import PATHS

FILE_SIZE = 8_000_000
CONNECTS = 25
STALL = 3                       # seconds without an octet that make a stall

BROKEN = []                     # promises that did not hold


def promise(held, what):
    if not held:
        BROKEN.append(what)


def row(what, direct, mcp):
    print(f"  {what:<40}{direct:<20}{mcp}", flush=True)


class Download:
    """The server's file, read to the end or until it stalls."""

    def __init__(self, connect, at=None, then=None, patience=30):
        """Calls then() once `at` octets are there."""
        began = time.monotonic()
        self.octets, self.stalled, digest = 0, False, hashlib.sha256()
        with connect() as sock:
            scene.set_timeout(sock, patience)
            while True:
                try:
                    piece = sock.recv(65536)
                except BlockingIOError:
                    self.stalled = True
                    break
                if not piece:
                    break
                digest.update(piece)
                self.octets += len(piece)
                if at and self.octets >= at:
                    at = None
                    then()
        self.seconds = time.monotonic() - began
        self.mbit = self.octets * 8 / self.seconds / 1e6
        self.sha256 = digest.hexdigest()

    def rate(self):
        return f"{self.mbit:.1f} Mbit/s"


def show_rates(server):
    single = []
    for path in PATHS:
        direct = Download(lambda path=path: scene.connect_directly(scene.FILE_PORT, path))
        promise(direct.sha256 == server.sha256, "the file arrives whole without the MCP")
        row(f"{FILE_SIZE // 10**6} MB over path {path.number} alone", direct.rate(), "")
        single.append(direct.mbit)

    seen = []
    both = Download(lambda: scene.connect_through_mcp(scene.FILE_PORT), FILE_SIZE // 2,
                    lambda: seen.append(scene.ctl("session show")))
    promise(both.sha256 == server.sha256, "the file arrives whole over both paths")
    promise(both.mbit > max(single), "both paths are faster than one")
    row(f"{FILE_SIZE // 10**6} MB over both paths", "-", both.rate())
    return "".join(seen)


def connect_times(connect):
    """Milliseconds: the median, and between what half of them lie."""
    times = []
    for _ in range(CONNECTS):
        began = time.monotonic()
        with connect(scene.HELLO_PORT) as sock:
            times.append(time.monotonic() - began)
            promise(sock.recv(100) == b"hello\n", "a connection leads to the server")
    low, median, high = (time * 1000 for time in statistics.quantiles(times, n=4))
    return median, f"{median:.1f} ms ({low:.1f}-{high:.1f})"


def show_connect_times():
    direct, direct_text = connect_times(scene.connect_directly)
    mcp, mcp_text = connect_times(scene.connect_through_mcp)
    row(f"connect, median of {CONNECTS} (quartiles)", direct_text, mcp_text)
    # Where the request goes with the SYN. An emulated machine's noise is a part of it.
    promise(not scene.SYN_DATA or mcp < 1.3 * direct,
            "a connection takes no longer than through a masquerading router")


def refusal(connect):
    began = time.monotonic()
    try:
        with connect(scene.CLOSED_PORT) as sock:
            # Behind a handshake that did not wait for the server, it shows here.
            sock.recv(1)
        refused = False
    except (ConnectionRefusedError, ConnectionResetError):
        refused = True
    except OSError:
        refused = False
    took = time.monotonic() - began
    return refused, f"{'refused' if refused else 'NOT refused'}, {took * 1000:.0f} ms"


def show_refusal():
    _, direct = refusal(scene.connect_directly)
    refused, mcp = refusal(scene.connect_through_mcp)
    promise(refused, "a port on which nobody listens is refused")
    row("a port on which nobody listens", direct, mcp)


def show_cut(server):
    """Path 1, on which the connection began, is cut when a third has arrived."""
    path, third = PATHS[0], FILE_SIZE // 3
    direct = Download(lambda: scene.connect_directly(scene.FILE_PORT), third, path.cut, STALL)
    path.mend()
    mcp = Download(lambda: scene.connect_through_mcp(scene.FILE_PORT), third, path.cut)
    path.mend()

    whole = mcp.sha256 == server.sha256
    promise(whole, "the file arrives whole although a path is cut")
    what = f"stalls at {direct.octets / 1e6:.1f} MB" if direct.stalled else "complete"
    row(f"path 1 cut after {third / 1e6:.1f} MB", what,
        f"{mcp.octets / 1e6:.1f} MB in {mcp.seconds:.1f} s, " +
        ("SHA-256 equal" if whole else "SHA-256 NOT equal"))


def show_host(server):
    """The second act: nothing is changed on the host, and nothing on the server."""
    routed = Download(lambda: scene.connect_from_host(scene.FILE_PORT))
    routed_time, routed_text = connect_times(scene.connect_from_host)
    scene.open_gateway()
    seen = []
    taken = Download(lambda: scene.connect_from_host(scene.FILE_PORT), FILE_SIZE // 2,
                     lambda: seen.append(scene.ctl("session show", scene.CLIENT)))
    taken_time, taken_text = connect_times(scene.connect_from_host)
    promise(routed.sha256 == taken.sha256 == server.sha256, "the host's file arrives whole")
    promise(taken.mbit > routed.mbit, "a host is faster over both paths than by routing")
    promise(taken_time < 1.3 * routed_time, "a host's connection takes no longer")
    row(f"{FILE_SIZE // 10**6} MB to a host that knows nothing", routed.rate(), taken.rate())
    row(f"its connect, median of {CONNECTS} (quartiles)", routed_text, taken_text)
    refused, text = refusal(scene.connect_from_host)
    promise(refused, "a host's connection to a port on which nobody listens is refused")
    row("a port on which nobody listens", "", text)
    return "".join(seen)


def show():
    server = scene.Server(FILE_SIZE)
    print(scene.__doc__.split("\n\n")[1])
    print()
    if not scene.SYN_DATA:
        print("  MPTCP of this kernel sends no data in a SYN: the request goes behind the handshake,\n"
              "  which therefore does not wait for the server.\n")
    row("", "masqueraded (TCP)", "through the MCP (MPTCP)")
    sessions = show_rates(server)
    show_connect_times()
    show_refusal()
    show_cut(server)
    print("\nDuring the transfer over both paths:\n\n$ mptcpproxyctl session show")
    print(sessions)
    print("The second act: the client is the gateway of a host, and takes its connections off\n"
          "the path.\n")
    row("", "routed (TCP)", "taken, and carried to the MCP")
    sessions = show_host(server)
    print("\nDuring that transfer, on the gateway:\n\n$ mptcpproxyctl session show")
    print(sessions)
    print("In the end:\n\n$ mptcpproxyctl stats show nonzero")
    print(scene.ctl("stats show nonzero"))


def main():
    if scene.exists():
        sys.exit(f"demo: there are namespaces {', '.join(scene.exists())}: another demo? "
                 "Else: ip netns del NAME")
    # As Ctrl-C does: clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        scene.build()
        show()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        scene.tear_down()
    for what in sorted(set(BROKEN)):
        print(f"demo: did not hold: {what}")
    if not BROKEN:
        print("All promises held.")
    return 1 if BROKEN else 0


if __name__ == "__main__":
    sys.exit(main())
