"""Packets that pass a link.

A packet is in the capture as soon as it is on the link, so that a test need not
wait for any program to have written it.
"""

import ctypes
import hashlib
import socket
import struct
import subprocess

from wire import ACK, FIN, RST, SYN, parse

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
SO_ATTACH_FILTER = 26
MPTCP = 30

(MP_CAPABLE, MP_JOIN, DSS, ADD_ADDR, REMOVE_ADDR, MP_PRIO, MP_FAIL, MP_FASTCLOSE,
 MP_TCPRST) = range(9)


def compile_filter(expression, snap):
    """A filter in the words of tcpdump(8), for packets on an Ethernet."""
    words = ["tcpdump", "-ddd", "-y", "EN10MB", "-s", str(snap)]
    done = subprocess.run([*words, expression], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()[1:]]
    return rows


class Capture:
    """What passes a link, both ways, from here to close()."""

    def __init__(self, namespace, iface, expression="", snap=65535):
        self.seen = []
        rows = compile_filter(expression, snap) if expression else None
        self.sock = namespace.call(self._open, iface, rows)

    @staticmethod
    def _open(iface, rows):
        # Bound to no protocol it receives nothing until the filter is there.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
        if rows:
            code = b"".join(struct.pack("HBBI", *row) for row in rows)
            buffer = ctypes.create_string_buffer(code, len(code))
            program = struct.pack("HxxxxxxP", len(rows), ctypes.addressof(buffer))
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        sock.bind((iface, ETH_P_ALL))
        sock.setblocking(False)
        return sock

    def close(self):
        self.sock.close()

    def segments(self, wanted=lambda segment: True):
        """All TCP segments so far that are wanted, as wire.Segment."""
        while True:
            try:
                frame = self.sock.recv(262144)
            except BlockingIOError:
                break
            segment = parse(frame[14:])
            if segment:
                self.seen.append(segment)
        return [segment for segment in self.seen if wanted(segment)]

    def syns(self):
        return self.segments(is_syn)

    def synacks(self):
        return self.segments(is_synack)

    def resets(self):
        return self.segments(lambda segment: segment.flags & RST)


def is_syn(segment):
    return segment.flags & (SYN | ACK) == SYN


def is_synack(segment):
    return segment.flags & (SYN | ACK) == SYN | ACK


def is_fin(segment):
    return bool(segment.flags & FIN)


def mptcp_subtypes(segment):
    """The subtypes of all MPTCP options of a segment."""
    subtypes, options, at = [], segment.options, 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == MPTCP:
            subtypes.append(options[at + 2] >> 4)
        at += options[at + 1]
    return subtypes


def mptcp_option(segment, subtype):
    """The first MPTCP option of a subtype, or None."""
    options, at = segment.options, 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == MPTCP and options[at + 2] >> 4 == subtype:
            return options[at:at + options[at + 1]]
        at += options[at + 1]
    return None


def has_mptcp(*subtypes):
    """A condition for segments(): one of these MPTCP options is there."""
    return lambda segment: set(mptcp_subtypes(segment)) & set(subtypes)


def token(key):
    """The token of an MPTCP key of 8 octets."""
    return hashlib.sha256(key).digest()[:4]

