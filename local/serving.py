"""Servers that wake up for requests alone and still end at once; `serve_forever` looks for its end after each wait."""

import contextlib
import socket
import threading
from socketserver import TCPServer

SELECT_SECONDS = 60.0
"""How long a server waits for a request before it looks around."""


def stop_serving(server: TCPServer) -> None:
    """Returns when its `serve_forever` has; for a server that serves."""
    stopping = threading.Thread(target=server.shutdown, daemon=True)
    stopping.start()
    while stopping.is_alive():
        # Whatever connects ends the wait; what comes before the end is noted does not, so another follows.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=1).close()
        stopping.join(0.01)
