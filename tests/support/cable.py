"""A proxy between a client and a server that can cut the network."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from typing import cast
from urllib.parse import urlsplit


class Cable:
    """Forwards a port to another one. `cut` resets every connection and refuses new ones until
    `mend`. `url` is the URL through the proxy."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        assert there.port is not None
        self._there = (str(there.hostname), there.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._whole = True
        self.connections = self.refused = 0
        port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}{there.path}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *error: object) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join()

    def cut(self) -> None:
        """Reset all connections, on both sides."""
        with self._lock:
            self._whole = False
            for end in self._ends:
                # Closing with a linger time of zero sends a reset.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the other side has closed it already

    def mend(self) -> None:
        """Accept new connections."""
        with self._lock:
            self._whole = True

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._whole:
                    self.refused += 1
                    here.close()
                    continue
                there = socket.create_connection(self._there)
                self._ends |= {here, there}
                self.connections += 1
            thread = threading.Thread(target=self._carry, args=(here, there))
            self._threads.append(thread)
            thread.start()

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        other = {here: there, there: here}
        with selectors.DefaultSelector() as ready:
            for end in other:
                ready.register(end, selectors.EVENT_READ)
            try:
                while True:
                    for key, _ in ready.select():
                        end = cast("socket.socket", key.fileobj)
                        data = end.recv(65536)
                        if not data:
                            return
                        other[end].sendall(data)
            except OSError:
                return  # cut
            finally:
                with self._lock:
                    self._ends -= {here, there}
                    here.close()
                    there.close()
