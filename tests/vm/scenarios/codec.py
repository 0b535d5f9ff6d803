"""Requests and answers of both formats, octet by octet."""

import struct
from ipaddress import ip_address

MAGIC = 0xfaa8faa8
LAST, ORIGIN = 1, 2                 # M and D of an MP_CONVERT element

INFO, CONNECT, EXTENDED_TCP_HEADER, SUPPORTED, COOKIE, ERROR = 1, 10, 20, 21, 22, 30

UNSUPPORTED_VERSION, MALFORMED, UNSUPPORTED_MESSAGE, MISSING_COOKIE = range(4)
NOT_AUTHORIZED, UNSUPPORTED_OPTION = 32, 33
RESOURCE_EXCEEDED, NETWORK_FAILURE = 64, 65
CONNECTION_RESET, UNREACHABLE = 96, 97


def element(address, port=None, flags=LAST, magic=MAGIC, kind=0, length=None):
    """One MP_CONVERT Information Element; `length` lies about its length."""
    value = ip_address(address).packed
    if port is not None:
        value += struct.pack("!H", port)
    if length is None:
        length = 4 + len(value)
    value += bytes(-len(value) % 4)
    return struct.pack("!IBBH", magic, kind, length, flags) + value


def mp_convert(server, port=None, origin=None, origin_port=None):
    """An MP_CONVERT request, with the originator behind it if there is one."""
    if origin is None:
        return element(server, port)
    return element(server, port, 0) + element(origin, origin_port, ORIGIN | LAST)


def tlv(kind, value=b"", length=None):
    """A TLV, padded; `length` (in words) lies about its length."""
    value += bytes(-(2 + len(value)) % 4)
    return struct.pack("!BB", kind, length if length is not None
                       else (2 + len(value)) // 4) + value


def info():
    return tlv(INFO, b"\0\0")


def cookie(octets):
    return tlv(COOKIE, b"\0\0" + octets)


def connect(server, port, options=b""):
    address = ip_address(server)
    mapped = address.packed if address.version == 6 else \
        bytes(10) + b"\xff\xff" + address.packed
    return tlv(CONNECT, struct.pack("!H", port) + mapped + options)


def message(*tlvs, version=1, total=None, magic=0x2263):
    """A Convert message; `total` (in words) lies about its length."""
    body = b"".join(tlvs)
    if total is None:
        total = 1 + len(body) // 4
    return struct.pack("!BBH", version, total, magic) + body


def convert(server, port, options=b""):
    """A Convert request for a connection."""
    return message(connect(server, port, options))


def read_message(stream):
    """A Convert message at the start of a stream: its TLVs as (type, value),
    padding included, and what is behind it."""
    version, total, magic = struct.unpack("!BBH", stream[:4])
    assert (version, magic) == (1, 0x2263)
    assert len(stream) >= total * 4, "the message is cut short"
    at, tlvs = 4, []
    while at < total * 4:
        kind, words = stream[at], stream[at + 1]
        assert words and at + words * 4 <= total * 4
        tlvs.append((kind, stream[at + 2:at + words * 4]))
        at += words * 4
    return tlvs, stream[at:]


def read_error(stream):
    """The code and value of the Error TLV that is all of a stream, or None."""
    if len(stream) < 8:
        return None
    tlvs, rest = read_message(stream)
    if len(tlvs) != 1 or tlvs[0][0] != ERROR or rest:
        return None
    return tlvs[0][1][0], tlvs[0][1][1:]
