"""Downloads from a real HTTP server on this machine: whole, resumed, cut short, wrong, absent."""

import re
import socket
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from srscene.console import BadInput
from srscene.sr.download import Remote, fetch

CONTENT = np.random.default_rng(0).bytes(3 << 20)


class Server(ThreadingHTTPServer):
    ranges = True
    """Whether it honours Range."""
    cut = 0
    """Bytes after which it hangs up, or 0."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.sent: list[int] = []
        """Bytes of each answer's body."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path != "/weights.pth":
            self.send_error(404)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        body = CONTENT[start : start + self.server.cut] if self.server.cut else CONTENT[start:]
        self.server.sent.append(len(body))
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def remote(server: Server, sha: str = sha256(CONTENT).hexdigest(), path: str = "weights.pth") -> Remote:
    url = f"http://127.0.0.1:{server.server_port}/{path}"
    return Remote("weights.pth", sha, (url,), "Apache-2.0", "https://example.org/models")


def test_a_file_arrives_once(server: Server, tmp_path: Path) -> None:
    path = fetch(remote(server), tmp_path / "checkpoints")
    assert path == tmp_path / "checkpoints/weights.pth"
    assert path.read_bytes() == CONTENT
    assert fetch(remote(server), tmp_path / "checkpoints") == path
    assert server.sent == [len(CONTENT)]


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.ranges, server.cut = ranges, 2 << 20
    with pytest.raises(BadInput, match=r"ended after 2097152 of 3145728 bytes; run again to continue"):
        fetch(remote(server), tmp_path)
    assert not (tmp_path / "weights.pth").exists()
    server.cut = 0
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.sent[1] == (1 << 20 if ranges else len(CONTENT))
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pth"]


def test_a_whole_part_needs_no_byte_more(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT)
    assert fetch(remote(server), tmp_path).read_bytes() == CONTENT
    assert server.sent == []


def test_the_first_digits_of_a_hash_are_enough(server: Server, tmp_path: Path) -> None:
    assert fetch(remote(server, sha256(CONTENT).hexdigest()[:8]), tmp_path).exists()


def test_wrong_content_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"sha256 is [0-9a-f]{64}, expected 00; the download was deleted"
    ) as error:
        fetch(remote(server, "00"), tmp_path)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_of_the_users_is_refused_and_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"other")
    with pytest.raises(
        BadInput, match=r"weights.pth: its sha256 is .* delete it, and get it again from https"
    ):
        fetch(remote(server), tmp_path)
    assert (tmp_path / "weights.pth").read_bytes() == b"other"


def test_absent_file_says_what_to_put_where(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as error:
        fetch(remote(server, path="gone.pth"), tmp_path)
    said = str(error.value)
    assert "\n" not in said
    for part in (str(tmp_path / "weights.pth"), "Not Found", "https://example.org/models", "sha256"):
        assert part in said


def test_the_next_address_is_tried(server: Server, tmp_path: Path) -> None:
    good = remote(server)
    urls = (f"http://127.0.0.1:{server.server_port}/gone", *good.urls)
    assert fetch(good._replace(urls=urls), tmp_path).read_bytes() == CONTENT


def test_no_server_at_all(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pth"
        with pytest.raises(BadInput, match=r"not to be downloaded \(.*Connection refused"):
            fetch(Remote("weights.pth", "00", (url,), "MIT", "https://example.org"), tmp_path)
