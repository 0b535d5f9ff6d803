"""How connections end: one side passes on what the other one does."""

import errno

import pytest

from capture import MP_FASTCLOSE, is_fin, mptcp_subtypes
from netns import wait_for
from streams import MB, background, digest, finish, transfer
from wire import RST

PROTOCOLS = ["mptcp", "tcp"]
RESET = (errno.ECONNRESET, errno.EPIPE)


@pytest.fixture(params=PROTOCOLS)
def pair(lab, request):
    """A laboratory, and both ends of a connection that data has passed."""
    lab.up("require-mptcp off")
    lab.near = lab.capture(lab.client, "c0", "tcp port 5124", snap=200)
    lab.far = lab.capture(lab.server, "s0", "tcp port 80", snap=200)
    listener = lab.listen()
    client = lab.connect(listener, b"early", protocol=request.param)
    server = listener.accept()
    assert server.read_exactly(5) == b"early"
    lab.protocol = request.param
    # MPTCP is not fully established before data was acknowledged both ways.
    transfer(client, server, 10_000)
    transfer(server, client, 10_000)
    return lab, client, server


def test_client_ends_first(pair):
    """A client that has said everything still gets the whole answer."""
    lab, client, server = pair
    transfer(client, server, MB)
    client.half_close()
    assert server.at_end()
    assert lab.session()["state"] == "internal-fin"
    transfer(server, client, MB)
    assert client.is_silent()
    server.half_close()
    assert client.at_end()
    lab.wait_stats(session_closed=1, session_client_reset=0, session_server_reset=0)
    assert not lab.near.resets() and not lab.far.resets()


def test_server_ends_first(pair):
    """A server that has said everything still hears the client out."""
    lab, client, server = pair
    transfer(server, client, MB)
    server.half_close()
    assert client.at_end()
    assert lab.session()["state"] == "external-fin"
    transfer(client, server, MB)
    assert server.is_silent()
    client.half_close()
    assert server.at_end()
    lab.wait_stats(session_closed=1, session_client_reset=0, session_server_reset=0)
    assert not lab.near.resets() and not lab.far.resets()


def test_everything_before_the_end(pair):
    """What was written right before a close arrives before the end."""
    lab, client, server = pair
    sending = background(send_and_close, client, MB, 1)
    assert server.receive_stream() == receive_result(MB, 1)
    finish(sending)
    sending = background(send_and_close, server, MB, 2)
    assert client.receive_stream() == receive_result(MB, 2)
    finish(sending)
    lab.wait_stats(session_closed=1)


def send_and_close(sock, size, seed):
    sock.send_stream(size, seed)
    sock.half_close()


def receive_result(size, seed):
    return size, digest(size, seed)


def test_both_end_at_once(pair):
    """Both sides may end at the same moment."""
    lab, client, server = pair
    client.half_close()
    server.half_close()
    assert client.at_end()
    assert server.at_end()
    lab.wait_stats(session_closed=1)


def test_client_resets(pair):
    """A client's reset reaches the server as a reset."""
    lab, client, server = pair
    client.reset()
    assert server.error().errno in RESET
    lab.wait_stats(session_client_reset=1, session_closed=0, session_server_reset=0)
    assert lab.far.segments(lambda segment: segment.flags & RST and segment.dport == 80)
    assert not lab.far.segments(is_fin)
    if lab.protocol == "mptcp":
        assert any(MP_FASTCLOSE in mptcp_subtypes(segment) for segment in lab.near.segments())


def test_server_resets(pair):
    """A server's reset reaches the client as a reset, or MP_FASTCLOSE."""
    lab, client, server = pair
    server.reset()
    assert client.error().errno in RESET
    lab.wait_stats(session_server_reset=1, session_closed=0, session_client_reset=0)
    from_mcp = lab.near.segments(lambda segment: segment.sport == 5124)
    assert any(segment.flags & RST for segment in from_mcp)
    assert not any(is_fin(segment) for segment in from_mcp)
    if lab.protocol == "mptcp":
        assert any(MP_FASTCLOSE in mptcp_subtypes(segment) for segment in from_mcp)


def test_client_resets_after_its_end(pair):
    """A reset is passed on in a half-closed connection as well."""
    lab, client, server = pair
    client.half_close()
    assert server.at_end()
    client.reset()
    wait_for(lambda: is_reset(server), what="the server's reset")
    lab.wait_stats(session_client_reset=1)


def is_reset(sock):
    try:
        sock.sendall(b"x")
    except OSError as error:
        return error.errno in RESET
    return False


def test_server_resets_after_the_client_ended(pair):
    """A client that waits for its answer hears that the server is gone."""
    lab, client, server = pair
    client.half_close()
    assert server.at_end()
    server.reset()
    assert client.error().errno in RESET
    lab.wait_stats(session_server_reset=1)


def test_client_resets_in_mid_transfer(pair):
    """A reset in the middle of a stream ends it: nobody takes it for complete."""
    lab, client, server = pair
    sending = background(swallow_errors, client.send_stream, 100 * MB)
    server.receive_stream(MB)
    client.reset()
    assert server.error().errno in RESET
    finish(sending)
    lab.wait_stats(session_client_reset=1, session_closed=0)


def test_server_resets_in_mid_transfer(pair):
    """A download that the server breaks off is an error, not the end of a file."""
    lab, client, server = pair
    sending = background(swallow_errors, server.send_stream, 100 * MB)
    client.receive_stream(MB)
    server.reset()
    assert client.error().errno in RESET
    finish(sending)
    lab.wait_stats(session_server_reset=1, session_closed=0)


def swallow_errors(function, *args):
    try:
        function(*args)
    except (OSError, ValueError):
        pass


def test_server_closes_unread(pair):
    """A server that closes without reading resets, and the client learns it."""
    lab, client, server = pair
    client.sendall(b"x" * 10_000)
    wait_for(lambda: not server.is_silent(0), what="data")
    server.close()
    error = client.error()
    assert error and error.errno in RESET
    lab.wait_stats(session_server_reset=1)


def test_flush(pair):
    """An operator's flush resets both sides of all sessions."""
    lab, client, server = pair
    lab.ctl("session flush")
    assert client.error().errno in RESET
    assert server.error().errno in RESET
    lab.wait_stats(session_flushed=1)
