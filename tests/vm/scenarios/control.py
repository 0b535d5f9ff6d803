"""What every scenario asks of the module, without a program: starting one takes
the emulated machine longer than most scenarios do. The tool has scenarios of its
own, and does all that is not here.
"""

import contextlib
import re
import socket
import struct

import genl

ON_OFF = {"off": 0, "on": 1}
MILLISECONDS = {"ms": 1, "s": 1000, "m": 60000}

# Settings by name: their number, and their type or the words they take.
SETTINGS = {
    "handshake": (2, {"held": 0, "early": 1}), "hold-timeout": (3, "ms"),
    "hold-expiry": (4, {"early": 0, "refuse": 1}), "echo": (5, ON_OFF),
    "require-mptcp": (6, ON_OFF), "late-request": (7, ON_OFF), "request-timeout": (8, "ms"),
    "syn-timeout": (9, "ms"), "cookie": (10, {"off": 0, "required": 1}),
    "refusal": (12, {"reset": 0, "silent": 1}), "established-idle": (13, "ms"),
    "transitory-idle": (14, "ms"), "i-know": (15, "flag"), "max-sessions": (16, "number"),
    "max-half-open": (17, "number"), "max-half-open-client": (18, "number"),
    "session-rate": (19, "number"), "session-burst": (20, "number"),
    "error-rate": (21, "number"), "max-ports-client": (22, "number"),
    "relay-mp-capable": (23, ON_OFF), "mptcp": (24, {"maintain": 0, "withdraw": 1}),
    "server-leg": (25, {"tcp": 0, "mptcp": 1}), "source": (26, {"share": 0, "preserve": 1}),
    "filtering": (27, {"endpoint-independent": 0, "address-dependent": 1}),
    "refresh": (28, {"any": 0, "outbound": 1}), "max-subflows": (29, "number"),
    "port-block": (30, "number"), "peer-timeout": (31, "ms"), "peer-retry": (32, "ms"),
    "capability-ttl": (33, "ms"), "fallback": (34, {"pass": 0, "direct": 1}),
    "implicit": (35, {"marked": 0, "all": 1, "off": 2}),
}
COUNTS = {1: "total", 2: "half_open", 3: "clients"}


def encode(words):
    """The settings that these words of the tool mean, as attributes."""
    words = words.split()
    octets = b""
    while words:
        number, kind = SETTINGS[words.pop(0)]
        if kind == "flag":
            octets += genl.attribute(number, b"")
        elif isinstance(kind, dict):
            octets += genl.attribute(number, bytes([kind[words.pop(0)]]))
        else:
            value, unit = re.fullmatch(r"(\d+)(ms|s|m|)", words.pop(0)).groups()
            scale = MILLISECONDS[unit] if kind == "ms" else 1
            octets += genl.attribute(number, struct.pack("I", int(value) * scale))
    return octets


@contextlib.contextmanager
def asking(netns, *family):
    control = genl.Genl(netns, *family)
    try:
        yield control
    finally:
        control.close()


def up(netns, settings="", acl=("all",)):
    """mcp up, and acl add for each entry; True if all of it could be done here."""
    if set(acl) - {"all"} or {"port", "cookie-lifetime"} & set(settings.split()):
        return False
    with asking(netns) as control:
        error, _ = control.request(genl.UP, genl.nest(genl.A_SETTINGS, encode(settings)))
        assert not error, f"mcp up {settings}: error {error}"
        for family in (socket.AF_INET, socket.AF_INET6) if acl else ():
            octets = bytes(4 if family == socket.AF_INET else 16)
            error, _ = control.request(genl.ACL_ADD, genl.acl(family, octets, 0))
            assert not error, f"acl add all: error {error}"
    return True


def forget_mptcp_endpoints(netns):
    """`ip mptcp endpoint flush`, without starting a program."""
    with asking(netns, b"mptcp_pm") as control:
        error, _ = control.request(genl.MPTCP_PM_CMD_FLUSH_ADDRS)
    assert not error, f"{netns}: error {error}"


def stats(netns):
    """All counters."""
    with asking(netns) as control:
        _, replies = control.dump(genl.STATS_GET)
    rows = [genl.attributes(genl.attributes(reply[4:])[genl.A_STAT]) for reply in replies]
    return {row[1][:-1].decode(): struct.unpack("Q", row[2])[0] for row in rows}


def count(netns):
    """How many sessions there are: total, half_open and clients."""
    with asking(netns) as control:
        _, replies = control.request(genl.SESSION_COUNT)
    row = genl.attributes(genl.attributes(replies[0][4:])[genl.A_COUNT])
    return {COUNTS[kind]: struct.unpack("I", value)[0] for kind, value in row.items()}
