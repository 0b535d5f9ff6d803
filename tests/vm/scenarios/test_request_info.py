"""What a Convert client can ask and learn."""

import pytest

import codec
from scene import (RAW_SERVER4, SERVER4, Server, all_quiet, is_synack_of, raw_client,
                   until)
from wire import ACK, FIN, RST, SYN, Answering, find_option, tcp_packet

pytest_plugins = ["scene"]

KINDS = b"\4\x08\x1e\x22"


def answer(client, request, behind=0):
    """The stream that a request opens, and how it ends; the message that it
    begins with and so many octets are enough."""
    def enough(stream):
        return len(stream) >= 4 and len(stream) >= stream[1] * 4 + behind

    client.syn(request)
    synack = client.answer()
    assert is_synack_of(synack, client), synack
    client.establish(synack)
    heard = client.stream(5, enough)
    client.reset()
    return heard


@pytest.mark.parametrize("family", [4, 6])
def test_info(mcp, client_wire, family):
    """Info is answered with the options that a Connect may ask for."""
    counted = mcp()
    stream, end = answer(raw_client(client_wire, family), codec.message(codec.info()), 1)
    tlvs, rest = codec.read_message(stream)
    assert tlvs == [(codec.SUPPORTED, b"\0\0" + KINDS)]
    assert (rest, end) == (b"", FIN)
    counted.wait(request_info_only=1, request_convert=1, dial=0, reply_error=0)
    all_quiet()


@pytest.mark.parametrize("order", [1, -1])
def test_info_and_connect(mcp, client_wire, order):
    """Info and Connect in one message are answered in one message."""
    counted = mcp()
    with Server(greeting=b"hello"):
        stream, _ = answer(raw_client(client_wire), codec.message(
            *[codec.info(), codec.connect(SERVER4, 80)][::order]) + b"x", 6)
        tlvs, rest = codec.read_message(stream)
        assert sorted(kind for kind, _ in tlvs) == [codec.EXTENDED_TCP_HEADER, codec.SUPPORTED]
        assert dict(tlvs)[codec.SUPPORTED] == b"\0\0" + KINDS
        assert rest == b"hellox"
    counted.wait(request_convert=1, session_bound=1)
    all_quiet()


@pytest.mark.parametrize("options", [
    b"\2\4\5\xb4", b"\2\4\5\xb4\1\3\3\7\4\2\1\1", b"", b"\2\4\5\xb4\x1e\x0c\1\1" + bytes(8)])
def test_extended_tcp_header(mcp, client_wire, server_wire, options):
    """A Convert client is told the options of its server's SYN/ACK."""
    mcp()
    synack = []

    def on_syn(syn, before):
        synack.append(tcp_packet(syn.dst, syn.dport, syn.src, syn.sport, SYN | ACK, 1000,
                                 syn.end, options=options))
        return synack[-1]

    with Answering(server_wire, on_syn, [RAW_SERVER4]):
        stream, _ = answer(raw_client(client_wire), codec.convert(RAW_SERVER4, 80))
    tlvs, _ = codec.read_message(stream)
    padded = options + b"\1" * (-len(options) % 4)
    assert tlvs == [(codec.EXTENDED_TCP_HEADER, b"\0\0" + padded)]
    all_quiet()


ACCEPTED = {
    "sack": b"\4\2", "timestamps": b"\x08\2", "mptcp": b"\x1e\2", "tfo": b"\x22\2",
    "tfo-cookie": b"\x22\x0a" + b"cookie!!", "all": b"\4\2\x08\2\x1e\2\x22\2",
    "ignored": b"\2\4\5\xb4\1\3\3\7", "padded": b"\4\2\0\0",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_options_accepted(mcp, client_wire, name):
    """Options that can be sent, or may be ignored, do not keep a client from
    its server."""
    counted = mcp()
    options = ACCEPTED[name]
    with Server():
        stream, _ = answer(raw_client(client_wire), codec.convert(
            SERVER4, 80, options + bytes(-len(options) % 4)) + b"x", 1)
        tlvs, rest = codec.read_message(stream)
        assert [kind for kind, _ in tlvs] == [codec.EXTENDED_TCP_HEADER] and rest == b"x"
    counted.wait(session_bound=1, refused_option=0)
    all_quiet()


@pytest.mark.parametrize("options, kind, wanted", [
    (b"\x22\x0a" + b"cookie!!", 34, b"cookie!!"), (b"\x22\2", 34, b""),
    (b"\x1e\2", 30, b"\1\1")])
def test_options_sent(mcp, client_wire, server_wire, options, kind, wanted):
    """What a Connect asks for is in the SYN to the server: a Fast Open cookie
    as it is, other options with the MCP's own values."""
    mcp()
    with Answering(server_wire, lambda syn, before: None, [RAW_SERVER4]) as server:
        client = raw_client(client_wire)
        client.syn(codec.convert(RAW_SERVER4, 80, options + bytes(-len(options) % 4)))
        syn = until(lambda: server.syns and server.syns[0])
        client.send(4, seq=client.seq)
    assert find_option(syn.options, kind) == wanted


REFUSED = {
    "tcp-ao": (b"\x1d\4\0\0", b"\x1d"), "md5": (b"\x13\x12" + bytes(16), b"\x13"),
    "unknown": (b"\xc8\2", b"\xc8"), "two": (b"\x1d\4\0\0\xc8\2\xc8\2", b"\x1d\xc8"),
    "mptcp-with-content": (b"\x1e\4\0\0", b"\x1e"), "good-and-bad": (b"\4\2\xfe\2", b"\xfe"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_options_refused(mcp, client_wire, name):
    """Options that cannot be sent are named in the refusal."""
    counted = mcp()
    options, kinds = REFUSED[name]
    stream, end = answer(raw_client(client_wire), codec.convert(
        SERVER4, 80, options + bytes(-len(options) % 4)), 1)
    code, value = codec.read_error(stream)
    assert (code, end) == (codec.UNSUPPORTED_OPTION, FIN)
    assert value.rstrip(b"\0") == kinds
    counted.wait(refused_option=1, dial=0, session_error_sent=1)
    all_quiet()


def test_error_ends_stream_without_reset(mcp, client_wire):
    """After an Error TLV the MCP waits for the client to leave, and takes
    what it still says; in the end it leaves itself."""
    counted = mcp("request-timeout 4s")
    client = raw_client(client_wire)
    client.syn(codec.message(codec.tlv(99)))
    client.establish(client.answer())
    stream, end = client.stream()
    assert codec.read_error(stream)[0] == codec.UNSUPPORTED_MESSAGE and end == FIN
    client.data(b"more of it")
    ack = client_wire.first(5, lambda seen: client.mine(seen) and (
        seen.ack == client.seq or seen.flags & RST))
    assert not ack.flags & RST and ack.ack == client.seq
    counted.wait(session_error_sent=1)
    all_quiet()
