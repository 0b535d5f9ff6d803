"""TCP by hand: clients and servers that no stack would play, many at once.

A Wire is a raw socket on one link. Its addresses belong to nobody's stack, so
that nothing but the test answers what is sent to them. Packets are built and
read with struct: scapy would take minutes for what is sent here in bulk.
"""

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

MP_CAPABLE = b"\x1e\x04\x01\x01"            # version 1, HMAC-SHA256
SYN_OPTIONS = b"\x02\x04\x05\xb4" + MP_CAPABLE
PLAIN_OPTIONS = b"\x02\x04\x05\xb4"

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SIOCGIFHWADDR = 0x8927
SO_RCVBUFFORCE = 33

# What a link that went away with a namespace says.
GONE = errno.ENETDOWN, errno.ENXIO, errno.ENODEV

libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(netns):
    """The calling thread is in that namespace for a while."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        assert libc.setns(there, CLONE_NEWNET) == 0
        yield
    finally:
        assert libc.setns(here, CLONE_NEWNET) == 0
        os.close(here)
        os.close(there)


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo_header(src, dst, length, protocol):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, protocol, length)
    return src + dst + struct.pack("!II", length, protocol)


def ip_packet(src, dst, protocol, body, tos=0):
    """An IPv4 or IPv6 packet; addresses as octets."""
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(body), protocol,
                           64) + src + dst + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(body), 0, 0x4000,
                       64, protocol, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def tcp_packet(src, sport, dst, dport, flags, seq, ack=0, payload=b"",
               options=b"", window=65535, tos=0, spoil=False):
    """An IP packet with a TCP segment; addresses as text or octets."""
    src, dst = octets(src), octets(dst)
    options += b"\1" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32,
                       (5 + len(options) // 4) << 4, flags, window, 0, 0)
    segment = head + options + payload
    total = checksum(pseudo_header(src, dst, len(segment), 6) + segment)
    if spoil:
        total ^= 0x5555
    segment = segment[:16] + struct.pack("!H", total) + segment[18:]
    return ip_packet(src, dst, 6, segment, tos)


def icmp_packet(src, kind, code, about, mtu=0):
    """An ICMP error from src about an IP packet, back to its sender."""
    if about[0] >> 4 == 4:
        dst, src = about[12:16], octets(src)
        body = struct.pack("!BBHI", kind, code, 0, mtu) + about[:576]
        total = checksum(body)
        protocol = 1
    else:
        dst, src = about[8:24], octets(src)
        body = struct.pack("!BBHI", kind, code, 0, mtu) + about[:1200]
        total = checksum(pseudo_header(src, dst, len(body), 58) + body)
        protocol = 58
    body = body[:2] + struct.pack("!H", total) + body[4:]
    return ip_packet(src, dst, protocol, body)


def octets(address):
    return address if isinstance(address, bytes) else ip_address(address).packed


@dataclass
class Segment:
    """A TCP segment that was seen, or an ICMP error (kind, code)."""
    src: str
    dst: str
    sport: int
    dport: int
    flags: int
    seq: int
    ack: int
    options: bytes
    payload: bytes
    tos: int
    raw: bytes
    when: float = field(default_factory=time.monotonic)

    @property
    def end(self):
        """The sequence number behind it."""
        return (self.seq + len(self.payload) + bool(self.flags & SYN) +
                bool(self.flags & FIN)) % 2**32

    @property
    def sum_is_right(self):
        """Its TCP checksum is one that anybody accepts; no device is to make it so."""
        off = (self.raw[0] & 15) * 4 if self.raw[0] >> 4 == 4 else 40
        segment = self.raw[off:]
        return checksum(pseudo_header(octets(self.src), octets(self.dst), len(segment), 6) +
                        segment) == 0

    def option(self, kind):
        """The octets of that option behind kind and length, or None."""
        return find_option(self.options, kind)


def find_option(options, kind):
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1]
        if options[at] == kind:
            return options[at + 2:at + length]
        at += length
    return None


def parse(raw):
    """The TCP segment in an IP packet, or None."""
    version = raw[0] >> 4 if raw else 0
    if version == 4:
        off, protocol = (raw[0] & 15) * 4, raw[9]
        src, dst, tos = raw[12:16], raw[16:20], raw[1]
        raw = raw[:struct.unpack("!H", raw[2:4])[0]]
    elif version == 6:
        off, protocol = 40, raw[6]
        src, dst = raw[8:24], raw[24:40]
        tos = struct.unpack("!H", raw[:2])[0] >> 4 & 255
        raw = raw[:40 + struct.unpack("!H", raw[4:6])[0]]
    else:
        return None
    if protocol != 6 or len(raw) < off + 20:
        return None
    sport, dport, seq, ack, doff, flags = struct.unpack("!HHIIBB", raw[off:off + 14])
    data = off + (doff >> 4) * 4
    return Segment(str(ip_address(src)), str(ip_address(dst)), sport, dport,
                   flags, seq, ack, raw[off + 20:data], raw[data:], tos, raw)


class Wire:
    """A raw socket on one link; what it sends goes to the link's other end."""

    def __init__(self, netns, device, peer_netns, peer_device):
        with inside(netns):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                        socket.htons(ETH_P_ALL))
            self.mac = hardware_address(device)
            self.socket.bind((device, ETH_P_ALL))
        with inside(peer_netns):
            self.peer_mac = hardware_address(peer_device)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setblocking(False)

    def close(self):
        self.socket.close()

    def send(self, packet):
        kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
        try:
            self.socket.send(self.peer_mac + self.mac + kind + packet)
        except OSError as error:
            if error.errno not in GONE:
                raise

    def tcp(self, *args, **kwargs):
        self.send(tcp_packet(*args, **kwargs))

    def receive(self, deadline):
        """The next IP packet from the other end, or None at the deadline."""
        while True:
            try:
                frame, address = self.socket.recvfrom(65536)
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                    return None
                continue
            except OSError as error:
                if error.errno not in GONE:
                    raise
                return None
            if address[2] != socket.PACKET_OUTGOING:
                return frame[14:]

    def segments(self, seconds, wanted=lambda segment: True):
        """TCP segments from the other end, as they come, for that long."""
        deadline = time.monotonic() + seconds
        while (raw := self.receive(deadline)) is not None:
            segment = parse(raw)
            if segment and wanted(segment):
                yield segment

    def first(self, seconds, wanted):
        """The first such segment, or None."""
        return next(self.segments(seconds, wanted), None)

    def drain(self):
        """Forgets what came so far."""
        while self.receive(0) is not None:
            pass


def hardware_address(device):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16s24x", device.encode())
        return fcntl.ioctl(sock.fileno(), SIOCGIFHWADDR, request)[18:24]


class Peer:
    """One end of a TCP connection, played segment by segment."""

    def __init__(self, wire, address, port, other, other_port, isn=None):
        self.wire = wire
        self.address, self.port = address, port
        self.other, self.other_port = other, other_port
        self.isn = struct.unpack("!I", os.urandom(4))[0] if isn is None else isn
        self.seq = self.isn
        self.ack = 0

    def mine(self, segment):
        return ((segment.src, segment.sport) == (self.other, self.other_port) and
                (segment.dst, segment.dport) == (self.address, self.port))

    def packet(self, flags, payload=b"", seq=None, **kwargs):
        return tcp_packet(self.address, self.port, self.other, self.other_port,
                          flags, self.seq if seq is None else seq,
                          self.ack if flags & ACK else 0, payload, **kwargs)

    def send(self, flags, payload=b"", seq=None, **kwargs):
        self.wire.send(self.packet(flags, payload, seq, **kwargs))

    def syn(self, payload=b"", options=SYN_OPTIONS, **kwargs):
        self.send(SYN, payload, self.isn, options=options, **kwargs)
        self.seq = (self.isn + 1 + len(payload)) % 2**32

    def answer(self, seconds=20):
        """The next segment of this connection, or None."""
        return self.wire.first(seconds, self.mine)

    def establish(self, synack, options=b""):
        """Takes a SYN/ACK, with the payload it may have, and completes."""
        self.ack = synack.end
        self.seq = synack.ack
        self.send(ACK, options=options)

    def data(self, payload):
        self.send(ACK | PSH, payload)
        self.seq = (self.seq + len(payload)) % 2**32

    def stream(self, seconds=20, enough=lambda octets: False):
        """Everything the other side says up to its FIN or RST, acknowledged,
        or until it is enough. Returns the octets and FIN, RST or 0."""
        got = b""
        for segment in self.wire.segments(seconds, self.mine):
            if segment.flags & RST:
                return got, RST
            if segment.flags & SYN:
                self.send(ACK)
                continue
            if segment.seq != self.ack:
                continue
            got += segment.payload
            self.ack = segment.end
            if segment.payload or segment.flags & FIN:
                self.send(ACK)
            if segment.flags & FIN:
                return got, FIN
            if enough(got):
                break
        return got, 0

    def reset(self):
        self.send(RST, seq=self.seq)


class Answering(threading.Thread):
    """Servers on a wire, at any address and port nobody else has.

    `on_syn` decides what becomes of a SYN: it gets the segment and the number
    of SYNs of that connection seen before, and returns None (nothing), seconds
    to wait before a SYN/ACK, RST, or an IP packet to send. Established
    connections say `greeting` and repeat what they hear. `on_raw` is called with
    each packet that comes, whoever it is for.
    """

    def __init__(self, wire, on_syn, addresses, greeting=b""):
        super().__init__(daemon=True)
        self.wire = wire
        self.on_syn = on_syn
        self.addresses = set(addresses)
        self.greeting = greeting
        self.syns = []
        self.resets = []
        self.received = {}
        self.next = {}
        self.seq = {}
        self.later = []
        self.going = True
        self.on_raw = lambda packet: None

    def __enter__(self):
        self.wire.drain()               # what was for others
        self.start()
        return self

    def __exit__(self, *exc):
        self.going = False
        self.join()

    def run(self):
        while self.going:
            now = time.monotonic()
            for due in [item for item in self.later if item[0] <= now]:
                self.later.remove(due)
                self.wire.send(due[1])
            raw = self.wire.receive(time.monotonic() + 0.02)
            if raw:
                self.on_raw(raw)
            segment = parse(raw) if raw else None
            if segment and segment.dst in self.addresses:
                self.take(segment)

    def accept(self, syn):
        """Answers a SYN that was left waiting."""
        self.wire.send(self.synack(syn))

    def synack(self, syn):
        return self.noted(syn, self.reply(syn, SYN | ACK, 1000, options=PLAIN_OPTIONS))

    def noted(self, syn, answer):
        """The answer to a SYN; where the stream begins is known from here on, if it
        accepts the SYN."""
        said = parse(answer)
        if said and said.flags & SYN and said.flags & ACK and said.ack == syn.end:
            key = syn.src, syn.sport, syn.dst, syn.dport
            self.next[key] = syn.end
            self.seq.pop(key, None)     # of a connection before this one
        return answer

    def reply(self, segment, flags, seq, payload=b"", options=b""):
        return tcp_packet(segment.dst, segment.dport, segment.src, segment.sport,
                          flags, seq, segment.end, payload, options)

    def take(self, segment):
        key = segment.src, segment.sport, segment.dst, segment.dport
        if segment.flags & RST:
            self.resets.append(segment)
        elif segment.flags & SYN:
            before = sum(1 for syn in self.syns if (syn.src, syn.sport) == key[:2])
            self.syns.append(segment)
            what = self.on_syn(segment, before)
            if isinstance(what, bytes):
                self.wire.send(self.noted(segment, what))
            elif what == "rst":
                self.wire.send(self.reply(segment, RST | ACK, 0))
            elif what is not None:
                self.later.append((time.monotonic() + what, self.synack(segment)))
        else:
            self.data(key, segment)

    def data(self, key, segment):
        # What two CPUs have sent may change its order on the way; it comes again.
        if segment.seq != self.next.setdefault(key, segment.seq):
            return
        if key not in self.seq:
            self.received.setdefault(key, b"")
            self.seq[key] = segment.ack
            self.say(key, segment, ACK | PSH, self.greeting)
        if segment.end == segment.seq:
            return
        self.next[key] = segment.end
        self.received[key] += segment.payload
        self.say(key, segment, ACK | PSH | segment.flags & FIN, segment.payload)

    def say(self, key, segment, flags, payload):
        self.wire.send(self.reply(segment, flags, self.seq[key], payload))
        self.seq[key] += len(payload) + bool(flags & FIN)
