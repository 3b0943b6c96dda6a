# Copyright (c) 2026, the imagesync.registry contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A forwarder before a registry that adds latency, and nothing else.

latency.py PORT MILLISECONDS

It prints the port on which it listens, and ends when its standard input does. Every round trip
takes so much longer, and so does the opening of a connection. It is a process of its own, so that
it takes no time from what measures; as it waits for all connections at once, one thread will do.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

READ = 1 << 18
LIMIT = 1 << 26  # bytes on their way to one end before no more are read for it


class End:
    """One end of a forwarded connection, with what is on its way to it."""

    def __init__(self, loop: Loop, connection: socket.socket, delay: float) -> None:
        """Wrap a connection; what comes from it is passed on after the delay, in seconds."""
        self.loop, self.connection, self.delay = loop, connection, delay
        self.peer = self
        self.outbox: deque[bytes] = deque()
        self.coming = 0
        self.reading = False
        self.paused = False  # too much of what came from it isn't sent yet
        self.finished = False  # all was sent to it, the end too
        self.closed = False
        self.mask = 0
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.add(connection, self.ready)

    def start(self) -> None:
        """Read from now on."""
        self.reading = True
        self._watch()

    def ready(self, mask: int) -> None:
        """Do what the connection is ready for."""
        try:
            if mask & select.EPOLLOUT:
                self._send()
            if mask & select.EPOLLIN and self.reading:
                self._read()
            elif mask & (select.EPOLLHUP | select.EPOLLERR):
                self.close()
        except OSError:
            self.close()

    def deliver(self, data: bytes) -> None:
        """Send this; nothing stands for the end."""
        if self.closed:
            return
        self.outbox.append(data)
        try:
            self._send()
        except OSError:
            self.close()

    def close(self) -> None:
        """Close both ends."""
        for end in (self, self.peer):
            if not end.closed:
                end.closed = True
                self.loop.remove(end.connection)
                end.connection.close()

    def _read(self) -> None:
        data = self.connection.recv(READ)
        self.peer.coming += len(data)
        self.paused = bool(data) and self.peer.coming > LIMIT
        if self.paused or not data:
            self.reading = False
            self._watch()
        if self.delay:
            self.loop.later(self.delay, self.peer, data)
        else:
            self.peer.deliver(data)

    def _send(self) -> None:
        while self.outbox:
            data = self.outbox[0]
            if not data:
                self._finish()
                return
            try:
                sent = self.connection.send(data)
            except BlockingIOError:
                break
            self.coming -= sent
            if sent < len(data):
                self.outbox[0] = data[sent:]
                break
            self.outbox.popleft()
        if self.peer.paused and self.coming <= LIMIT:
            self.peer.paused = False
            self.peer.start()
        self._watch()

    def _finish(self) -> None:
        self.outbox.clear()
        self.finished = True
        if self.peer.finished:
            self.close()
            return
        self.connection.shutdown(socket.SHUT_WR)
        self._watch()

    def _watch(self) -> None:
        mask = select.EPOLLIN * self.reading | select.EPOLLOUT * bool(self.outbox)
        if mask != self.mask and not self.closed:
            self.mask = mask
            self.loop.epoll.modify(self.connection, mask)


class Loop:
    """Waits for connections and for the time at which delayed data is due."""

    def __init__(self, upstream: tuple[str, int], delay: float) -> None:
        """Listen on a free port; the delay is in seconds."""
        self.upstream, self.delay = upstream, delay
        self.epoll = select.epoll()
        self.handlers: dict[int, Callable[[int], None]] = {}
        # All wait for equally long, so what came first is due first.
        self.waiting: deque[tuple[float, End, bytes | None]] = deque()
        self.running = True
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.add(self.listener, self._accept, select.EPOLLIN)
        self.handlers[0] = self._stop
        with contextlib.suppress(PermissionError):  # standard input is a file
            self.epoll.register(0, select.EPOLLIN)

    def add(self, connection: socket.socket, handler: Callable[[int], None], mask: int = 0) -> None:
        """Call the handler with what the connection is ready for."""
        self.handlers[connection.fileno()] = handler
        self.epoll.register(connection, mask)

    def remove(self, connection: socket.socket) -> None:
        """Forget the connection."""
        del self.handlers[connection.fileno()]
        self.epoll.unregister(connection)

    def later(self, delay: float, end: End, data: bytes | None) -> None:
        """Deliver data to an end after the delay; None: begin to read from it."""
        self.waiting.append((time.monotonic() + delay, end, data))

    def run(self) -> None:
        """Forward until standard input ends."""
        while self.running:
            timeout = max(self.waiting[0][0] - time.monotonic(), 0) if self.waiting else -1
            for number, mask in self.epoll.poll(timeout):
                # A connection may have been closed while another was served.
                if handler := self.handlers.get(number):
                    handler(mask)
            now = time.monotonic()
            while self.waiting and self.waiting[0][0] <= now:
                _due, end, data = self.waiting.popleft()
                if data is not None:
                    end.deliver(data)
                elif not end.closed:
                    end.start()

    def _accept(self, _mask: int) -> None:
        connection, _address = self.listener.accept()
        try:
            upstream = socket.create_connection(self.upstream)
        except OSError:
            connection.close()
            return
        # The way back has all of the delay: for who waits for an answer it is the same.
        client, server = End(self, connection, 0), End(self, upstream, self.delay)
        client.peer, server.peer = server, client
        self.later(self.delay, client, None)  # as if the handshake took a round trip
        server.start()

    def _stop(self, _mask: int) -> None:
        self.running = False


def main() -> None:
    """Forward to the port that the command line names."""
    port, milliseconds = int(sys.argv[1]), float(sys.argv[2])
    loop = Loop(("127.0.0.1", port), milliseconds / 1000)
    print(loop.listener.getsockname()[1], flush=True)
    loop.run()


if __name__ == "__main__":
    main()
