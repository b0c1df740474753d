"""An HTTP server on this machine that serves files, well or badly."""

import re
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any


@dataclass
class File:
    """What the server has under a path, and how it behaves."""

    content: bytes
    etag: str = '"one"'
    ranges: bool = True
    """Whether it honours Range, and If-Range."""
    if_range: bool = True
    length: bool = True
    """Whether it says how long the file is."""
    cuts: list[int] = field(default_factory=list)
    """Bytes after which it hangs up, for the next answers."""
    stalls: bool = False
    """Whether it falls silent instead of hanging up."""
    location: str = ""
    """Where it sends the client instead."""
    headers: dict[str, str] = field(default_factory=dict)
    """What it says in place of what is so."""
    shift: int = 0
    """How much further back than asked a range starts."""


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, File] = {}
        self.sent: list[tuple[str, int, int]] = []
        """Path, first byte and number of bytes of each body."""
        self.closing = Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # clients may hang up
            super().handle_error(request, client_address)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        file = self.server.files.get(self.path[1:])
        if file is None:
            self.send_error(404)
        elif file.location:
            self.send_response(302)
            self.send_header("Location", file.location)
            self.send_header("ETag", file.etag)
            self.end_headers()
        else:
            self.answer(file)

    def answer(self, file: File) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = not file.if_range or self.headers.get("If-Range", file.etag) == file.etag
        partial = bool(wanted) and file.ranges and same
        start = int(wanted[1]) - file.shift if wanted and partial else 0
        whole = len(file.content)
        if partial and start >= whole:
            self.send_response(416)
            if file.length:
                self.send_header("Content-Range", f"bytes */{whole}")
            self.end_headers()
            return
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole if file.length else '*'}")
        if file.length and "Content-Length" not in file.headers:
            self.send_header("Content-Length", str(whole - start))
        if file.etag:
            self.send_header("ETag", file.etag)
        for name, value in file.headers.items():
            self.send_header(name, value)
        body = file.content[start:]
        cut = file.cuts.pop(0) if file.cuts else len(body)
        self.server.sent.append((self.path[1:], start, len(body[:cut])))
        self.end_headers()  # only now does anything leave: the client finds `sent` up to date
        self.wfile.write(body[:cut])
        if file.stalls and cut < len(body):
            self.server.closing.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        pass
