"""Who reads slowly, slows down the other side: the MCP keeps little."""

import hashlib
import time

import pytest

from lab import DEBUG
from netns import SLOW, wait_for
from streams import MB, background, blocks, digest, finish, transfer

PROTOCOLS = ["mptcp", "tcp"]
BUFFER = MB                 # each socket's, at most
# Four sockets hold data on the way, and the kernel counts its own overhead, or
# not, up to a factor of two.
LIMIT = 10 * MB
SIZE = 16 * MB


@pytest.fixture(params=PROTOCOLS)
def pair(lab, request):
    """A laboratory of small buffers, and both ends of a connection."""
    lab.limit_buffers(BUFFER)
    lab.up("require-mptcp off")
    listener = lab.listen()
    client = lab.connect(listener, protocol=request.param)
    return lab, client, listener.accept()


class Sender:
    """Sends a known stream in the background and tells how far it has come."""

    def __init__(self, sock, size):
        self.sent = 0
        self.future = background(self._send, sock, size)

    def _send(self, sock, size):
        for block in blocks(size):
            view = memoryview(block)
            while view:
                sent = sock.send(view)
                view = view[sent:]
                self.sent += sent

    def wait_stalled(self):
        """Waits until nothing more was sent for a while; how much it was."""
        def stalled():
            before = self.sent
            time.sleep(1.5 * SLOW)      # the length of the silence, not a wait for something
            return before if before and before == self.sent else None
        return wait_for(stalled, what="a sender that stalls")


def check_slow_reader(lab, source, sink, counter, size=SIZE):
    source.settimeout(600)
    sender = Sender(source, size)
    sent = sender.wait_stalled()
    assert sent < LIMIT
    session = lab.session()
    assert session[counter] <= sent
    # Half of what the sink did not read may be in its own buffer.
    assert sent - session[counter] < 5 * MB
    assert sink.receive_stream(size) == (size, digest(size))
    finish(sender.future)
    wait_for(lambda: lab.session()[counter] == size)


def test_slow_client(pair):
    """A client that does not read stops the server, and loses nothing."""
    lab, client, server = pair
    check_slow_reader(lab, server, client, "bytes_down", (16 if DEBUG else 50) * MB)


def test_slow_server(pair):
    """A server that does not read stops the client, and loses nothing."""
    lab, client, server = pair
    check_slow_reader(lab, client, server, "bytes_up")


def test_one_direction_stalled(pair):
    """While nobody reads one direction, the other one goes on."""
    lab, client, server = pair
    server.settimeout(600)
    sender = Sender(server, SIZE)
    sender.wait_stalled()
    transfer(client, server, 5 * MB, seed=2)
    assert client.receive_stream(SIZE) == (SIZE, digest(SIZE))
    finish(sender.future)


def test_both_directions_stalled(pair):
    """When nobody reads, both directions wait, and go on afterwards."""
    lab, client, server = pair
    client.settimeout(600)
    server.settimeout(600)
    senders = [Sender(server, SIZE), Sender(client, SIZE)]
    assert all(sender.wait_stalled() < LIMIT for sender in senders)
    reading = background(client.receive_stream, SIZE)
    assert server.receive_stream(SIZE) == (SIZE, digest(SIZE))
    assert finish(reading) == (SIZE, digest(SIZE))
    for sender in senders:
        finish(sender.future)


def test_reset_while_stalled(pair):
    """A client that never reads and then goes away leaves nothing behind."""
    lab, client, server = pair
    server.settimeout(600)
    sender = Sender(server, SIZE)
    sender.wait_stalled()
    client.reset()
    with pytest.raises(OSError):
        finish(sender.future)
    lab.wait_stats(session_client_reset=1)


def test_reset_while_server_stalled(pair):
    """A client that goes away while its server reads nothing is not forgotten:
    the server gets what was acknowledged, or is given up."""
    lab, client, server = pair
    lab.ctl("mcp set transitory-idle 2s i-know")
    client.settimeout(3 * SLOW)
    sender = Sender(client, SIZE)
    with pytest.raises(TimeoutError):
        finish(sender.future)
    client.reset()
    lab.wait_stats(session_client_reset=1)
    lab.wait_idle()
    got = server.recv(MB)
    expected = b"".join(blocks(SIZE))[:sender.sent]
    assert got and expected.startswith(got)


def test_half_close_while_stalled(pair):
    """The end of one direction passes a stalled one."""
    lab, client, server = pair
    server.settimeout(600)
    sender = Sender(server, SIZE)
    sender.wait_stalled()
    transfer(client, server, 10_000, seed=2)
    client.half_close()
    assert server.at_end()
    assert client.receive_stream(SIZE) == (SIZE, digest(SIZE))
    finish(sender.future)
    server.half_close()
    assert client.at_end()
    lab.wait_stats(session_closed=1)


def test_memory_taken_back(pair):
    """The kernel may take back the pages that the relay fills again and again, between two
    transfers and in the middle of one."""
    _lab, client, server = pair
    transfer(client, server, 4 * MB)
    going = True

    def drop(what):
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write(what)

    def scarce():
        times = 0
        drop("4")                       # no word of it in the kernel's log
        while going:
            drop("2")                   # what shrinkers give back
            times += 1
            time.sleep(0.05)            # how often, not a wait for something
        return times

    shrinking = background(scarce)
    try:
        transfer(client, server, SIZE, seed=2)
        transfer(server, client, 4 * MB, seed=3)
    finally:
        going = False
    assert finish(shrinking)


def test_trickle(pair):
    """A client that reads a little at a time gets everything."""
    lab, client, server = pair
    sending = background(server.send_stream, 2 * MB)
    sha, count = hashlib.sha256(), 0
    while count < 2 * MB:
        piece = client.recv(1000)
        sha.update(piece)
        count += len(piece)
    assert (count, sha.hexdigest()) == (2 * MB, digest(2 * MB))
    finish(sending)
