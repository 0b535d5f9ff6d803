"""Every way to get a request wrong, and what its sender is told."""

import struct

import pytest

import codec
from codec import LAST, ORIGIN
from scene import (MCP4, MCP6, PORT, RAW_SERVER4, RAW_SERVER6, all_quiet, down, is_reset_of,
                   is_synack_of, play, raw_client, until)
from wire import PLAIN_OPTIONS, Answering

pytest_plugins = ["scene"]

MP_CONVERT = codec.mp_convert(RAW_SERVER4, 80)
CONVERT = codec.convert(RAW_SERVER4, 80)


@pytest.fixture
def servers(server_wire):
    with Answering(server_wire, lambda syn, before: 0, [RAW_SERVER4, RAW_SERVER6]) as server:
        yield server


def outcomes(wire, requests, **kwargs):
    """What becomes of each request; v4 and v6 clients take turns."""
    results = play(wire, [(raw_client(wire, 4 + 2 * (number % 2)), request)
                          for number, request in enumerate(requests)], **kwargs)
    return [result if isinstance(result, str) else codec.read_error(result) for result in results]


def codes(results):
    return [result[0] if isinstance(result, tuple) else result for result in results]


def test_cut_short(mcp, client_wire, servers):
    """A request cut short anywhere is refused; with its last octet it is
    served."""
    counted = mcp("error-rate 1000000")
    two = codec.mp_convert(RAW_SERVER6, 80, "192.0.2.1", 7)
    for request in MP_CONVERT, two:
        results = outcomes(client_wire, [request[:n] for n in range(1, len(request) + 1)])
        assert results == ["reset"] * (len(request) - 1) + ["accepted"]
    full = codec.message(codec.info(), codec.connect(RAW_SERVER4, 80, b"\x22\2\0\0"),
                         codec.cookie(b"12345678"))
    results = codes(outcomes(client_wire, [full[:n] for n in range(1, len(full) + 1)]))
    assert results == ["reset"] * 3 + [codec.MALFORMED] * (len(full) - 4) + ["accepted"]
    refused = len(MP_CONVERT) + len(two) + len(full) - 3
    counted.wait(refused_malformed=refused, dial=3, session_bound=3,
                 reply_error=len(full) - 4, reply_reset=refused - (len(full) - 4))
    all_quiet()


def test_m_and_d(mcp, client_wire, servers):
    """M and D in every combination, for one and two elements."""
    counted = mcp()
    requests, wanted = [], []
    for first in range(4):
        one = codec.element(RAW_SERVER4, 80, first)
        requests.append(one)
        wanted.append("accepted" if first == LAST else "reset")
        for second in range(4):
            requests.append(one + codec.element(RAW_SERVER6, 80, second))
            if first & LAST:        # what follows is data
                good = not first & ORIGIN
            else:
                good = second & LAST and (first ^ second) & ORIGIN
            wanted.append("accepted" if good else "reset")
            # A third one is never an element: of two, the D are different.
            requests.append(requests[-1] + codec.element(RAW_SERVER4, 80, LAST))
            wanted.append(wanted[-1])
    results = outcomes(client_wire, requests)
    assert results == wanted
    counted.wait(refused_malformed=wanted.count("reset"), dial=wanted.count("accepted"))
    all_quiet()


def test_element_fields(mcp, client_wire, servers):
    """All values of Length and of Type; reserved bits are nothing."""
    counted = mcp()
    body = struct.pack("!16sHH", bytes([10, 99, 0, 1, 0, 80]), 80, 0)
    lengths = [struct.pack("!IBBH", codec.MAGIC, 0, length, LAST) + body for length in range(256)]
    results = outcomes(client_wire, lengths)
    # 20 and 22 make an IPv6 address to which there is no way.
    assert [n for n, result in enumerate(results) if result != "reset"] == [8, 10]
    counted.wait(refused_malformed=252, dial=4, dial_unreachable=2, dial_accepted=2)
    results = outcomes(client_wire, [codec.element(RAW_SERVER4, 80, kind=kind)
                                     for kind in range(256)])
    assert results == ["accepted"] + ["reset"] * 255
    results = outcomes(client_wire, [codec.element(RAW_SERVER4, 80, LAST | 4 << bit)
                                     for bit in range(14)])
    assert results == ["accepted"] * 14
    counted.wait(refused_malformed=252 + 255, dial=4 + 1 + 14)
    assert outcomes(client_wire, [codec.mp_convert(RAW_SERVER4, 0)]) == ["reset"]
    counted.wait(refused_malformed=252 + 255 + 1)
    all_quiet()


def test_no_request(mcp, client_wire):
    """What begins with another magic number is no request."""
    counted = mcp()
    flipped = [bytes([*MP_CONVERT[:bit // 8], MP_CONVERT[bit // 8] ^ 1 << bit % 8,
                      *MP_CONVERT[bit // 8 + 1:]]) for bit in range(32)]
    flipped += [codec.message(codec.info(), magic=0x2263 ^ 1 << bit) for bit in range(16)]
    flipped += [b"GET / HTTP/1.1\r\n\r\n", b"\x16\3\1\2\0\1", bytes(100), b"\xff" * 1000]
    assert outcomes(client_wire, flipped) == ["reset"] * len(flipped)
    counted.wait(refused_not_a_request=len(flipped), reply_reset=len(flipped), session_new=0)


def test_header(mcp, client_wire, servers):
    """All versions and all total lengths."""
    counted = mcp("error-rate 1000000")
    results = outcomes(client_wire, [codec.message(codec.connect(RAW_SERVER4, 80), version=version)
                                     for version in range(256)])
    assert results.pop(1) == "accepted"
    assert results == [(codec.UNSUPPORTED_VERSION, b"\1")] * 255
    results = codes(outcomes(client_wire, [
        codec.message(codec.connect(RAW_SERVER4, 80), total=total) for total in range(256)]))
    assert results == ["reset"] + [codec.MALFORMED] * 5 + ["accepted"] + [codec.MALFORMED] * 249
    counted.wait(refused_malformed=255 + 255, dial=2, reply_reset=1, reply_error=255 + 254)
    all_quiet()


def test_tlvs(mcp, client_wire, servers):
    """All types and lengths of a TLV."""
    counted = mcp("error-rate 1000000")
    value = codec.connect(RAW_SERVER4, 80)[2:]
    results = codes(outcomes(client_wire, [codec.message(codec.tlv(kind, value))
                                           for kind in range(256)]))
    wanted = [codec.UNSUPPORTED_MESSAGE] * 256
    wanted[codec.INFO] = codec.MALFORMED        # it is too long
    wanted[codec.COOKIE] = codec.MALFORMED      # for nothing
    wanted[codec.CONNECT] = "accepted"
    assert results == wanted
    results = codes(outcomes(client_wire, [
        codec.message(codec.tlv(codec.CONNECT, value, length)) for length in range(256)]))
    assert results == [codec.MALFORMED] * 5 + ["accepted"] + [codec.MALFORMED] * 250
    counted.wait(refused_malformed=510, dial=2, reply_error=510)
    all_quiet()


CONNECT = codec.connect(RAW_SERVER4, 80)


def with_options(options):
    return codec.message(codec.connect(RAW_SERVER4, 80, options + bytes(-len(options) % 4)))


MALFORMED = {
    "no TLV": codec.message(),
    "Connect twice": codec.message(CONNECT, CONNECT),
    "Info twice": codec.message(codec.info(), CONNECT, codec.info()),
    "Cookie twice": codec.message(codec.cookie(b"1234"), CONNECT, codec.cookie(b"1234")),
    "Cookie alone": codec.message(codec.cookie(b"12345678")),
    "Info with a value": codec.message(codec.tlv(codec.INFO, bytes(6)), CONNECT),
    "port 0": codec.convert(RAW_SERVER4, 0),
    "option without length": codec.message(codec.connect(RAW_SERVER4, 80, b"\1\1\1\4")),
    "option of length 0": with_options(b"\4\0\0\0"),
    "option of length 1": with_options(b"\4\1\0\0"),
    "option beyond the TLV": with_options(b"\1\1\4\3"),
    "MSS beyond the TLV": with_options(b"\1\2\4\5"),
    "option twice": with_options(b"\4\2\4\2"),
    "Fast Open twice": with_options(b"\x22\2\x22\2"),
    "TLV behind the end": codec.message(codec.info())[:1] + b"\3" + codec.message(codec.info())[2:]
                          + struct.pack("!BBH", codec.CONNECT, 5, 80) + bytes(16),
}
UNSUPPORTED = {
    "padding": codec.message(CONNECT, bytes(4)),
    "TLV 0 first": codec.message(bytes(4), CONNECT),
    "unknown behind": codec.message(CONNECT, codec.tlv(99)),
    "Error from a client": codec.message(CONNECT, codec.tlv(codec.ERROR, b"\x60\0")),
    "Supported from a client": codec.message(codec.tlv(codec.SUPPORTED, b"\0\0\x1e"), CONNECT),
    "Extended TCP Header from a client": codec.message(codec.tlv(codec.EXTENDED_TCP_HEADER,
                                                                 b"\0\0"), CONNECT),
}


def test_messages(mcp, client_wire, servers):
    """Malformed and unsupported messages are sent back in the Error TLV."""
    counted = mcp("error-rate 1000000")
    for cases, code in (MALFORMED, codec.MALFORMED), (UNSUPPORTED, codec.UNSUPPORTED_MESSAGE):
        results = outcomes(client_wire, cases.values())
        for (name, request), result in zip(cases.items(), results):
            assert result[0] == code, (name, result)
            # A zero octet, the message, and padding to whole words.
            size = request[1] * 4 if request[1] * 4 < len(request) else len(request)
            assert result[1][0] == 0 and result[1][1:1 + size] == request[:size], name
    counted.wait(refused_malformed=len(MALFORMED) + len(UNSUPPORTED), dial=0)
    all_quiet()


def test_error_value_is_the_message(mcp, client_wire):
    """Data behind a refused message is not sent back with it."""
    mcp("error-rate 1000000")
    bad = codec.message(CONNECT, codec.tlv(99))
    results = outcomes(client_wire, [bad + b"early data", bad + bytes(900)])
    assert [result[1] for result in results] == [b"\0" + bad] * 2
    all_quiet()


def test_longest(mcp, client_wire, servers):
    """The longest message that there can be is read; the Error about it is
    cut to what fits."""
    counted = mcp("error-rate 1000000")
    longest = codec.message(codec.connect(RAW_SERVER4, 80), codec.cookie(bytes(992)))
    assert len(longest) == 1020 and longest[1] == 255
    bad = codec.message(codec.connect(RAW_SERVER4, 80), codec.tlv(99, bytes(994)))
    accepted, (code, value) = outcomes(client_wire, [longest + b"x", bad])
    assert accepted == "accepted" and code == codec.UNSUPPORTED_MESSAGE
    assert value == b"\0" + bad[:1020 - 8]
    counted.wait(dial=1, early_data_octets=1, refused_malformed=1)
    all_quiet()


@pytest.mark.parametrize("request_", [MP_CONVERT, CONVERT])
def test_trailing_octets(mcp, client_wire, servers, request_):
    """Whatever is behind a request is early data, even if it looks like
    another one."""
    counted = mcp()
    behind = [b"x", b"\0", MP_CONVERT, CONVERT, bytes(400), codec.message(total=0)]
    results = outcomes(client_wire, [request_ + octets for octets in behind])
    assert not {"reset", "silence"} & set(map(str, results))
    counted.wait(dial=len(behind), session_bound=len(behind),
                 early_data_octets=sum(map(len, behind)), refused_malformed=0)
    until(lambda: sorted(servers.received.values()) == sorted(behind))
    all_quiet()


FORBIDDEN = [
    "0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "169.254.1.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "10.0.9.255", "10.0.1.255",                 # broadcast of the MCP's own subnets
    "::", "::1", "ff02::1", "ff0e::1", "fe80::1",
    "::ffff:127.0.0.1", "::ffff:224.0.0.1", "::ffff:0.0.0.0", "::ffff:255.255.255.255",
    "::ffff:10.0.9.255",
]
OWN = [MCP4, MCP6, "10.0.9.1", "fd00:9::1", "10.0.2.1", "::ffff:10.0.1.1"]
PLACES = [(address, 80) for address in FORBIDDEN] + [(address, PORT) for address in OWN]


def test_forbidden_mp_convert(mcp, client_wire):
    """A request for an address that nobody may name is torn down silently."""
    counted = mcp()
    results = outcomes(client_wire, [codec.mp_convert(*place) for place in PLACES],
                       patience=0.6)
    assert dict(zip(PLACES, results)) == {place: "silence" for place in PLACES}
    counted.wait(refused_destination=len(PLACES), dial=0, session_new=0)


def test_forbidden_convert(mcp, client_wire):
    """In a Convert request it is a Malformed Message."""
    counted = mcp("error-rate 1000000")
    results = codes(outcomes(client_wire, [codec.convert(*place) for place in PLACES]))
    assert dict(zip(PLACES, results)) == {place: codec.MALFORMED for place in PLACES}
    counted.wait(refused_destination=len(PLACES), dial=0)
    all_quiet()


def test_forbidden_without_port(mcp, client_wire):
    """Without a port, an element means the MCP's: its own address is a loop."""
    counted = mcp()
    assert outcomes(client_wire, [codec.element(MCP4), codec.element(MCP6)],
                    patience=0.6) == ["silence"] * 2
    counted.wait(refused_destination=2)


def test_own_address_other_port(mcp, client_wire):
    """Another port of the MCP's machine is a server like others."""
    counted = mcp()
    assert outcomes(client_wire, [codec.mp_convert(MCP4, 81), codec.mp_convert("fd00:9::1", 81)]) \
        == ["reset"] * 2
    counted.wait(dial=2, dial_refused=2, refused_destination=0)


def test_require_mptcp(mcp, client_wire, servers):
    """MP_CONVERT in a SYN without MP_CAPABLE counts only with require-mptcp
    off; Convert needs none."""
    for require in "on", "off":
        counted = mcp(f"require-mptcp {require}")
        for family in 4, 6:
            for request in MP_CONVERT, CONVERT:
                client = raw_client(client_wire, family)
                client.syn(request, options=PLAIN_OPTIONS)
                if request == CONVERT or require == "off":
                    assert is_synack_of(client.answer(), client)
                    client.reset()
                else:
                    assert is_reset_of(client.answer(), client)
        counted.wait(refused_not_mptcp=2 * (require == "on"), dial=2 + 2 * (require == "off"))
        all_quiet()
        down()
