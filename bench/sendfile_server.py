"""The barest server of one file: the kernel's sendfile on a blocking socket; prints its port."""

import os
import socket
import sys
from pathlib import Path


def serve(path: str) -> None:
    """Answer every request with the file, one connection at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener, Path(path).open("rb") as file:
        print(listener.getsockname()[1], flush=True)
        size = os.fstat(file.fileno()).st_size
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while _request(connection):
                    connection.sendall(head)
                    sent = 0
                    while sent < size:
                        sent += os.sendfile(connection.fileno(), file.fileno(), sent, size - sent)


def _request(connection: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        piece = connection.recv(65536)
        if not piece:
            return b""
        got += piece
    return got


if __name__ == "__main__":
    serve(sys.argv[1])
