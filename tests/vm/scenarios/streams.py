"""Connections that carry known data.

The data of a stream depends on its size and seed alone, and no two blocks of it
are alike: what is lost, doubled, exchanged or changed alters its SHA-256.
"""

import concurrent.futures
import functools
import hashlib
import random
import select
import socket
import struct

from netns import TIMEOUT

BLOCK = 262_139  # prime: no boundary of ours falls on one of theirs
MB = 1 << 20

pool = concurrent.futures.ThreadPoolExecutor(600, "background")


def background(function, *args, **kwargs):
    """Calls a function in another thread; see finish()."""
    return pool.submit(function, *args, **kwargs)


def finish(future, timeout=None):
    """What a function called in the background returned, or raised."""
    return future.result(timeout or 20 * TIMEOUT)


@functools.lru_cache(maxsize=64)
def body(seed):
    return random.Random(seed).randbytes(BLOCK)


def blocks(size, seed=1):
    """The data of a stream, piece by piece."""
    number = 0
    while size > 0:
        block = struct.pack("!II", seed, number) + body(seed)
        yield block if len(block) <= size else block[:size]
        size -= len(block)
        number += 1


@functools.lru_cache(maxsize=4096)
def digest(size, seed=1):
    """SHA-256 of such a stream."""
    sha = hashlib.sha256()
    for block in blocks(size, seed):
        sha.update(block)
    return sha.hexdigest()


def connection_is_over(sock):
    """A connection has ended, or was reset, after whatever it had to read."""
    try:
        while sock.recv(65536, socket.MSG_DONTWAIT):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


class Connection(socket.socket):
    """A stream socket whose calls fail after a time, and what tests do with it.

    reply: what a Convert client was told before the stream, [(type, value), ...]
    """

    reply = None

    def read_exactly(self, size):
        got = bytearray()
        while len(got) < size:
            piece = self.recv(size - len(got))
            assert piece, f"the stream ended after {len(got)} octets: {bytes(got[:100])!r}"
            got += piece
        return bytes(got)

    def read_all(self):
        """Everything up to the end of the stream; for small streams."""
        got = bytearray()
        while piece := self.recv(65536):
            got += piece
        return bytes(got)

    def at_end(self):
        """True at the end of the stream; waits for data or that end."""
        return self.recv(1, socket.MSG_PEEK) == b""

    def is_silent(self, seconds=0.3):
        """Neither data nor an end nor an error comes within that time."""
        return not select.select([self], [], [], seconds)[0]

    def send_stream(self, size, seed=1):
        for block in blocks(size, seed):
            self.sendall(block)

    def receive_stream(self, size=None, before=b""):
        """Reads so many octets, or to the end: (octets read, their SHA-256).
        What was read `before` counts."""
        sha, count = hashlib.sha256(before), len(before)
        while size is None or count < size:
            piece = self.recv(262144 if size is None else min(262144, size - count))
            if not piece:
                break
            sha.update(piece)
            count += len(piece)
        return count, sha.hexdigest()

    def receive_known(self, size, seed=1, before=b""):
        """Reads a stream of send_stream(size, seed), and holds it against it."""
        assert self.receive_stream(size, before) == (size, digest(size, seed))

    def half_close(self):
        self.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with RST, or MP_FASTCLOSE."""
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def error(self):
        """The OSError that the connection has come to, or None at its end; waits for it."""
        try:
            while True:
                if not self.recv(65536):
                    return None
        except TimeoutError:
            raise
        except OSError as error:
            return error

    def tcp_info(self, offset, form="I"):
        """A field of struct tcp_info."""
        info = self.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return struct.unpack_from(form, info, offset)[0]


def as_connection(sock, timeout=TIMEOUT):
    """The same socket, as a Connection."""
    connection = Connection(fileno=sock.detach())
    connection.settimeout(timeout)
    return connection


def transfer(source, sink, size, seed=1):
    """One direction carries a known stream; checks that it is intact."""
    sending = background(source.send_stream, size, seed)
    sink.receive_known(size, seed)
    finish(sending)


def end_both(client, server):
    """Both sides end their stream, and see the other's end."""
    client.half_close()
    assert server.at_end()
    server.half_close()
    assert client.at_end()
    client.close()
    server.close()


class Listener:
    """A server's listening socket."""

    def __init__(self, sock, address, port, keep):
        self.sock = sock
        self.address = address
        self.port = port
        self.keep = keep
        self.serving = None

    def accept(self, timeout=TIMEOUT):
        """The next connection; it is closed at the end of the test."""
        self.sock.settimeout(timeout)
        sock, _ = self.sock.accept()
        connection = as_connection(sock)
        self.keep.append(connection)
        return connection

    def is_idle(self, seconds=0.3):
        """Nobody connects within that time."""
        return not select.select([self.sock], [], [], seconds)[0]

    def serve(self, handler, connections):
        """Calls handler(connection) for so many connections, side by side;
        the future of the list of what they returned."""
        def accept_all():
            futures = []
            for _ in range(connections):
                futures.append(background(self._handle, handler, self.accept()))
            return [finish(future) for future in futures]
        self.serving = background(accept_all)
        return self.serving

    @staticmethod
    def _handle(handler, connection):
        with connection:
            return handler(connection)
