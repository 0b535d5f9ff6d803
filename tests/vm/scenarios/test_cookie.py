"""The cookie that proves that a client can receive at its address."""

import os
import time

import pytest

import codec
from scene import SERVER4, SERVER6, Server, all_quiet, is_reset_of, is_synack_of, raw_client
from wire import FIN

pytest_plugins = ["scene"]

SERVER = {4: SERVER4, 6: SERVER6}


def served(stream):
    """No error: the server's options are told."""
    return len(stream) > 4 and stream[4] == codec.EXTENDED_TCP_HEADER


def answer(client, request):
    """The Error TLV's code and value, or the TLVs of another answer."""
    client.syn(request)
    synack = client.answer()
    assert is_synack_of(synack, client), synack
    client.establish(synack)
    stream, end = client.stream(5, served)
    client.reset()
    if codec.read_error(stream):
        assert end == FIN
        return codec.read_error(stream)
    return codec.read_message(stream)[0]


def request(server, cookie=None):
    tlvs = [codec.connect(server, 80)]
    if cookie is not None:
        tlvs.append(codec.cookie(cookie))
    return codec.message(*tlvs)


@pytest.mark.parametrize("family", [4, 6])
def test_cookie(mcp, client_wire, family):
    """A client without a cookie gets one, and with it is served, from any
    port; whatever else it sends is wrong."""
    counted = mcp("cookie required")
    with Server(family=10, greeting=b"hi") as server:
        client = raw_client(client_wire, family)
        code, value = answer(client, request(SERVER[family]))
        assert code == codec.MISSING_COOKIE
        cookie = value[1:9]
        assert value[:1] == b"\0" and len(cookie) == 8
        counted.wait(refused_cookie_missing=1, reply_error=1, dial=0)
        for number, wrong in enumerate((cookie[:7] + bytes([cookie[7] ^ 1]), b"", cookie[:4],
                                        cookie + bytes(4), bytes(8))):
            client.port += 1
            assert answer(client, request(SERVER[family], wrong)) == \
                (codec.NOT_AUTHORIZED, b"\0")
            counted.wait(refused_cookie_wrong=number + 1, dial=0)
        client.port += 1
        assert [kind for kind, _ in answer(client, request(SERVER[family], cookie))] == \
            [codec.EXTENDED_TCP_HEADER]
        counted.wait(dial=1, session_bound=1)
        other = raw_client(client_wire, family)
        assert answer(other, request(SERVER[family], cookie)) == (codec.NOT_AUTHORIZED, b"\0")
    all_quiet()


def test_cookie_lifetime(mcp, client_wire):
    """A cookie outlives one change of keys, and not a second one."""
    counted = mcp("cookie required cookie-lifetime 3s error-rate 1000")
    with Server(family=10):
        client = raw_client(client_wire)
        began = time.monotonic()
        code, value = answer(client, request(SERVER4))
        cookie, fresh = value[1:9], value[1:9]
        while fresh == cookie:
            assert time.monotonic() - began < 10
            client.port += 1
            fresh = answer(client, request(SERVER4))[1][1:9]
        for accepted in cookie, fresh:
            client.port += 1
            assert isinstance(answer(client, request(SERVER4, accepted)), list)
        newer = fresh
        while newer == fresh:
            assert time.monotonic() - began < 20
            client.port += 1
            newer = answer(client, request(SERVER4))[1][1:9]
        client.port += 1
        assert answer(client, request(SERVER4, cookie)) == (codec.NOT_AUTHORIZED, b"\0")
        client.port += 1
        assert isinstance(answer(client, request(SERVER4, newer)), list)
    all_quiet()


def test_cookie_forgotten(mcp, client_wire):
    """After two lifetimes without anybody asking, no old cookie is taken."""
    mcp("cookie required cookie-lifetime 1s")
    client = raw_client(client_wire)
    cookie = answer(client, request(SERVER4))[1][1:9]
    time.sleep(2.2)                             # what the lifetime is about
    client.port += 1
    assert answer(client, request(SERVER4, cookie)) == (codec.NOT_AUTHORIZED, b"\0")
    all_quiet()


def test_mp_convert(mcp, client_wire):
    """MP_CONVERT has no room for a cookie, and is refused where one is
    required."""
    counted = mcp("cookie required")
    client = raw_client(client_wire)
    client.syn(codec.mp_convert(SERVER4, 80))
    assert is_reset_of(client.answer(), client)
    counted.wait(refused_cookie_missing=1, session_new=0)


def test_info_needs_cookie(mcp, client_wire):
    """Info is only for who has a cookie as well."""
    mcp("cookie required")
    client = raw_client(client_wire)
    code, value = answer(client, codec.message(codec.info()))
    assert code == codec.MISSING_COOKIE
    client.port += 1
    tlvs = answer(client, codec.message(codec.info(), codec.cookie(value[1:9])))
    assert [kind for kind, _ in tlvs] == [codec.SUPPORTED]


def test_malformed_first(mcp, client_wire):
    """A message that cannot be read is told so, cookie or not."""
    mcp("cookie required")
    client = raw_client(client_wire)
    assert answer(client, codec.message(codec.connect(SERVER4, 80), version=2))[0] == \
        codec.UNSUPPORTED_VERSION


def test_cookie_off(mcp, client_wire):
    """A cookie that nobody asked for does no harm."""
    counted = mcp()
    with Server():
        client = raw_client(client_wire)
        assert isinstance(answer(client, request(SERVER4, os.urandom(8))), list)
    counted.wait(session_bound=1)
    all_quiet()
