"""Weights from a server that does all kinds of wrong: right to the byte, or refused by name."""

from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from threading import Thread

from numpy.random import Generator, default_rng

from dev.robustness.judge import Attempt
from dev.robustness.mutations import BYTES, remove
from srscene.sr.weights.download import Remote, fetch
from tests.sr.file_server import File, Handler, Server

CONTENT = default_rng(0).bytes(20_000)
SHA = sha256(CONTENT).hexdigest()
FILE = "weights.pth"
PAGE = b"<!DOCTYPE html><title>log in</title>"
NOWHERE = (
    "http://127.0.0.1:1/", "http://127.0.0.1:99999/", "ftp://127.0.0.1/a", "file:///etc/hostname",
    "http://[::1/", "\x1b[31m", "//", "http:///",
)  # fmt: skip
HEADERS = {
    "Content-Length": ("0", "-1", "19999", "20001", "9" * 12, "9" * 30, "1e4", "\x1b[2J", ""),
    "Content-Range": ("bytes 0-1/2", "bytes 100-19999/20000", "bytes */5", "\x07" * 50, "x" * 5000),
    "Content-Encoding": ("gzip", "br", "\x1b]0;title\x07"),
    "Transfer-Encoding": ("chunked", "gzip", "\x00"),
    "ETag": ('"two"', 'W/"one"', "\x1b[31m", "e" * 30_000, ""),
    "X-Long": ("x" * 70_000, "\x1b" * 100),
}
"""What a server may say in place of what is so."""


class Answer(File):
    """What the server has, and how it answers otherwise than with a file."""

    status: int = 0
    raw: bytes = b""
    """Sent instead of HTTP."""


class HostileHandler(Handler):
    def answer(self, file: File) -> None:
        if isinstance(file, Answer) and file.raw:
            self.wfile.write(file.raw)
        elif isinstance(file, Answer) and file.status:
            self.send_response(file.status, "gone\x1b[31m" * 20)
            self.end_headers()
            self.wfile.write(PAGE)
        else:
            super().answer(file)


def hostile(folder: Path, seed: int) -> Iterator[Attempt]:
    """One or two of the wrongs at a time, with and without the part of an earlier download."""
    with Server() as server:
        server.RequestHandlerClass = HostileHandler
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            for number in count():
                rng = default_rng([seed, number])
                wrongs = [str(kind) for kind in rng.choice([*WRONGS], int(rng.integers(1, 3)), replace=False)]
                server.files[FILE] = file = Answer(CONTENT)
                for kind in wrongs:
                    WRONGS[kind](file, rng)
                before = _begun(folder / "checkpoints", server.url(FILE), rng)
                digits = int(rng.choice([8, 64]))
                remote = Remote(FILE, SHA[:digits], (server.url(FILE),), "MIT", "https://example.org")
                words = f"{', '.join(wrongs)}; {before}, {digits} digits, seed {[seed, number]}"
                yield Attempt(words, partial(_fetched, remote, folder / "checkpoints"), CONTENT, (FILE,))
        finally:
            server.closing.set()
            server.shutdown()


def _fetched(remote: Remote, folder: Path) -> bytes:
    path, found = fetch(remote, folder)
    assert found == SHA
    return path.read_bytes()


def _begun(folder: Path, url: str, rng: Generator) -> str:
    """Leave what an earlier download may have left."""
    remove(folder)
    if rng.random() < 0.5:
        return "anew"
    folder.mkdir()
    part, etag = folder / f"{FILE}.part", folder / f"{FILE}.part.etag"
    part.write_bytes(CONTENT[: int(rng.integers(len(CONTENT) + 1))])
    etag.write_text(f'{url}\n"one"')
    if rng.random() < 0.3:
        damaged = part if rng.random() < 0.5 else etag
        data = damaged.read_bytes() or b"x"
        damaged.write_bytes(BYTES[str(rng.choice([*BYTES]))](data, rng))
        return f"{damaged.name} damaged"
    return "begun"


def _damaged(file: Answer, rng: Generator) -> None:
    file.content = BYTES[str(rng.choice([*BYTES]))](CONTENT, rng)


def _cut(file: Answer, rng: Generator) -> None:
    file.cuts = [int(cut) for cut in rng.integers(0, len(CONTENT), int(rng.integers(1, 8)))]


def _page(file: Answer, rng: Generator) -> None:
    file.content = PAGE


def _longer(file: Answer, rng: Generator) -> None:
    file.content, file.length = CONTENT + rng.bytes(1000), bool(rng.integers(2))


def _header(file: Answer, rng: Generator) -> None:
    name = str(rng.choice([*HEADERS]))
    file.headers[name] = HEADERS[name][int(rng.integers(len(HEADERS[name])))]


def _many_headers(file: Answer, rng: Generator) -> None:
    file.headers |= {f"X-{number}": "x" for number in range(200)}


def _status(file: Answer, rng: Generator) -> None:
    file.status = int(rng.choice([204, 206, 304, 403, 404, 416, 429, 500, 503, 599, 999]))


def _raw(file: Answer, rng: Generator) -> None:
    file.raw = [rng.bytes(500), b"\0" * 500, b"HTTP/1.1 \x1b[31m\r\n\r\n", b"\r\n" * 50][int(rng.integers(4))]


def _nowhere(file: Answer, rng: Generator) -> None:
    file.location = NOWHERE[int(rng.integers(len(NOWHERE)))]


def _in_circles(file: Answer, rng: Generator) -> None:
    file.location = FILE


def _shifted(file: Answer, rng: Generator) -> None:
    file.shift = int(rng.integers(1, 100))


def _no_ranges(file: Answer, rng: Generator) -> None:
    file.ranges, file.if_range = False, bool(rng.integers(2))


WRONGS: dict[str, Callable[[Answer, Generator], None]] = {
    "body damaged": _damaged,
    "cut short": _cut,
    "an HTML page": _page,
    "longer than announced": _longer,
    "wrong header": _header,
    "200 headers": _many_headers,
    "error": _status,
    "no HTTP": _raw,
    "redirect to nowhere": _nowhere,
    "redirect to itself": _in_circles,
    "another range": _shifted,
    "no ranges": _no_ranges,
}
