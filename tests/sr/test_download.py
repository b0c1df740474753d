"""Downloads from a real HTTP server on this machine: whole, resumed, changed, cut short, wrong, absent."""

import gzip
import re
import resource
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from srscene.runtime.console import BadInput
from srscene.sr.weights import download
from srscene.sr.weights.download import Remote, fetch
from tests.sr.file_server import File, Server

MIB = 1 << 20
CONTENT = np.random.default_rng(0).bytes(3 * MIB)
CHANGED = np.random.default_rng(1).bytes(3 * MIB)
SHA = sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()


@pytest.fixture
def file(server: Server) -> File:
    server.files["weights.pth"] = File(CONTENT)
    return server.files["weights.pth"]


def remote(server: Server, sha: str = SHA, *paths: str, size: int | None = None) -> Remote:
    urls = tuple(server.url(path) for path in paths or ["weights.pth"])
    return Remote("weights.pth", sha, urls, "Apache-2.0", "https://example.org/models", size)


def refusal(wanted: Remote, folder: Path) -> str:
    with pytest.raises(BadInput) as error:
        fetch(wanted, folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def interrupt(server: Server, file: File, folder: Path, sha: str = "") -> None:
    """Leave a part of 2 MiB: the server hangs up in the middle, and again at once."""
    file.cuts = [2 * MIB, 0]
    assert "ended after" in refusal(remote(server, sha), folder)
    server.sent.clear()


def whole_part(server: Server, file: File, folder: Path, sha: str, content: bytes = CONTENT) -> None:
    """Leave a part of `content`, begun by the server and then completed by someone else."""
    interrupt(server, file, folder, sha)
    (folder / "weights.pth.part").write_bytes(content)


def test_a_file_arrives_once(server: Server, file: File, tmp_path: Path) -> None:
    path = tmp_path / "checkpoints/weights.pth"
    assert fetch(remote(server, size=3 * MIB), path.parent) == (path, SHA)
    assert path.read_bytes() == CONTENT
    assert fetch(remote(server), path.parent) == (path, SHA)
    assert server.sent == [("weights.pth", 0, 3 * MIB)]
    assert list(path.parent.iterdir()) == [path]


def test_the_first_digits_of_a_hash_are_enough(server: Server, file: File, tmp_path: Path) -> None:
    assert fetch(remote(server, SHA[:8]), tmp_path)[1] == SHA


def test_the_same_content_is_resumed(server: Server, file: File, tmp_path: Path) -> None:
    interrupt(server, file, tmp_path)
    path, sha = fetch(remote(server, ""), tmp_path)
    assert (path.read_bytes(), sha) == (CONTENT, SHA)
    assert server.sent == [("weights.pth", 2 * MIB, MIB)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("if_range", [True, False], ids=["says 200", "ignores If-Range"])
def test_changed_content_starts_again(server: Server, file: File, tmp_path: Path, if_range: bool) -> None:
    interrupt(server, file, tmp_path)
    file.content, file.etag, file.if_range = CHANGED, '"two"', if_range
    assert fetch(remote(server, ""), tmp_path)[0].read_bytes() == CHANGED
    assert server.sent[-1] == ("weights.pth", 0, 3 * MIB)
    assert len(server.sent) == (1 if if_range else 2)


def test_a_whole_part_of_what_was_there_before_is_no_use(server: Server, file: File, tmp_path: Path) -> None:
    whole_part(server, file, tmp_path, "")
    file.content, file.etag = CHANGED, '"two"'
    assert fetch(remote(server, ""), tmp_path)[0].read_bytes() == CHANGED


@pytest.mark.parametrize("etag", ["", 'W/"one"'], ids=["none", "weak"])
@pytest.mark.parametrize(("sha", "start"), [("", 0), (SHA[:63], 0), (SHA, 2 * MIB)])
def test_without_a_strong_etag_only_the_hash_lets_it_resume(
    server: Server, file: File, tmp_path: Path, etag: str, sha: str, start: int
) -> None:
    file.etag = etag
    interrupt(server, file, tmp_path, sha)
    assert fetch(remote(server, sha), tmp_path)[1] == SHA
    assert server.sent == [("weights.pth", start, 3 * MIB - start)]


@pytest.mark.parametrize(("sha", "start"), [("", 0), (SHA, 2 * MIB)])
def test_a_mirror_continues_another_only_for_a_known_hash(
    server: Server, file: File, tmp_path: Path, sha: str, start: int
) -> None:
    interrupt(server, file, tmp_path, sha)
    server.files["mirror.pth"] = File(CONTENT if sha else CHANGED)
    path, _ = fetch(remote(server, sha, "mirror.pth"), tmp_path)
    assert path.read_bytes() == server.files["mirror.pth"].content
    assert server.sent == [("mirror.pth", start, 3 * MIB - start)]


def test_the_etag_that_counts_is_behind_the_redirect(server: Server, tmp_path: Path) -> None:
    server.files["weights.pth"] = File(CONTENT, etag='"redirect"', location=server.url("cdn.pth?signed=1"))
    cdn = server.files["cdn.pth?signed=1"] = File(CONTENT, etag='"cdn"')
    interrupt(server, cdn, tmp_path)
    assert fetch(remote(server, ""), tmp_path)[1] == SHA
    assert server.sent == [("cdn.pth?signed=1", 2 * MIB, MIB)]


def test_a_server_without_ranges_sends_all_again(server: Server, file: File, tmp_path: Path) -> None:
    interrupt(server, file, tmp_path, SHA)
    file.ranges = False
    assert fetch(remote(server), tmp_path)[0].read_bytes() == CONTENT


def test_another_range_than_asked_is_refused(server: Server, file: File, tmp_path: Path) -> None:
    interrupt(server, file, tmp_path)
    file.shift = 9
    assert "sent the range 'bytes 2097143-3145727/3145728', expected the bytes from 2097152" in refusal(
        remote(server, ""), tmp_path
    )
    assert (tmp_path / "weights.pth.part").read_bytes() == CONTENT[: 2 * MIB]


@pytest.mark.parametrize("sha", ["", SHA])
def test_another_size_is_refused_before_it_is_loaded(
    server: Server, file: File, tmp_path: Path, sha: str
) -> None:
    server.files["page.html"] = File(b"log in first")
    said = refusal(remote(server, sha, "page.html", size=3 * MIB), tmp_path)
    assert "page.html: has 12 bytes, expected 3145728); get it from https://example.org/models" in said
    path, _ = fetch(remote(server, sha, "page.html", "weights.pth", size=3 * MIB), tmp_path)
    assert path.read_bytes() == CONTENT


def test_a_resumed_file_of_another_size_is_refused(server: Server, file: File, tmp_path: Path) -> None:
    interrupt(server, file, tmp_path)
    assert "has 3145728 bytes, expected 9" in refusal(remote(server, "", size=9), tmp_path)
    assert server.sent[0][1] == 2 * MIB


@pytest.mark.parametrize("known", [{"sha": SHA}, {"sha": "", "size": 3 * MIB}], ids=["hash", "size"])
def test_an_unknown_length_needs_another_proof(
    server: Server, file: File, tmp_path: Path, known: dict[str, str | int]
) -> None:
    file.length = False
    for sha in ("", SHA[:63]):
        assert "does not say how long the file is" in refusal(remote(server, sha), tmp_path)
    assert not (tmp_path / "weights.pth.part").exists()
    assert fetch(remote(server, **known), tmp_path)[1] == SHA


@pytest.mark.parametrize("length", [True, False], ids=["the server said", "we know"])
def test_an_early_end_is_noticed(server: Server, file: File, tmp_path: Path, length: bool) -> None:
    file.length, file.cuts = length, [2 * MIB, 0]
    said = refusal(remote(server, "", size=3 * MIB), tmp_path)
    assert "weights.pth: ended after 2097152 of 3145728 bytes); run again to continue" in said
    assert not (tmp_path / "weights.pth").exists()


@pytest.mark.parametrize(("sha", "length"), [("", True), (SHA, True), (SHA, False), (SHA[:8], False)])
def test_a_whole_part_needs_no_byte_more(
    server: Server, file: File, tmp_path: Path, sha: str, length: bool
) -> None:
    whole_part(server, file, tmp_path, sha)
    file.length = length
    assert fetch(remote(server, sha), tmp_path)[1] == SHA
    assert server.sent == []


@pytest.mark.parametrize(("sha", "length"), [("", True), (SHA, True), (SHA, False)])
def test_a_part_that_is_too_long_starts_again(
    server: Server, file: File, tmp_path: Path, sha: str, length: bool
) -> None:
    whole_part(server, file, tmp_path, sha, CONTENT + b"more")
    file.length = length
    assert fetch(remote(server, sha, size=3 * MIB), tmp_path)[1] == SHA
    assert server.sent == [("weights.pth", 0, 3 * MIB)]


def test_without_size_and_hash_a_416_proves_nothing(server: Server, file: File, tmp_path: Path) -> None:
    whole_part(server, file, tmp_path, "", CHANGED)
    file.length = False
    said = refusal(remote(server, ""), tmp_path)
    assert "does not say how long the file is" in said
    assert list(tmp_path.iterdir()) == []


def test_wrong_content_is_refused_and_not_kept(server: Server, file: File, tmp_path: Path) -> None:
    said = refusal(remote(server, "00"), tmp_path)
    assert re.search(r"weights.pth: its sha256 is [0-9a-f]{64}, expected 00\); get it from https", said)
    assert "continue" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sha", [SHA[:8], SHA])
def test_after_wrong_content_the_next_mirror_is_asked(
    server: Server, file: File, tmp_path: Path, sha: str
) -> None:
    server.files["spoilt.pth"] = File(CHANGED[: 2 * MIB])
    path, _ = fetch(remote(server, sha, "gone", "spoilt.pth", "weights.pth"), tmp_path)
    assert path.read_bytes() == CONTENT
    assert server.sent[1] == ("weights.pth", 0, 3 * MIB)


@pytest.mark.parametrize(
    ("stalls", "length", "sha"),
    [(False, True, ""), (True, True, ""), (True, False, SHA)],
    ids=["hangs up", "falls silent", "falls silent, length unknown"],
)
def test_a_broken_connection_is_taken_up_again(
    server: Server,
    file: File,
    tmp_path: Path,
    stalls: bool,
    length: bool,
    sha: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "TIMEOUTS", (5, 2))
    file.cuts, file.stalls, file.length = [MIB, MIB], stalls, length
    assert fetch(remote(server, sha), tmp_path)[1] == SHA
    assert server.sent == [("weights.pth", start * MIB, MIB) for start in range(3)]


def test_a_server_that_brings_nothing_new_is_left(server: Server, file: File, tmp_path: Path) -> None:
    server.files["broken.pth"] = File(CONTENT, cuts=[MIB, 0])
    assert fetch(remote(server, SHA, "broken.pth", "weights.pth"), tmp_path)[1] == SHA
    assert server.sent == [("broken.pth", 0, MIB), ("broken.pth", MIB, 0), ("weights.pth", MIB, 2 * MIB)]


def test_a_server_that_always_breaks_is_left(server: Server, file: File, tmp_path: Path) -> None:
    file.ranges, file.cuts = False, [MIB] * 9
    assert "ended after 1048576 of 3145728 bytes); run again to continue" in refusal(remote(server), tmp_path)
    assert len(server.sent) == download.ATTEMPTS


@pytest.mark.parametrize("size", [3 * MIB, None])
def test_a_wrong_file_of_the_users_is_refused_and_kept(
    server: Server, file: File, tmp_path: Path, size: int | None
) -> None:
    (tmp_path / "weights.pth").write_bytes(b"other")
    said = refusal(remote(server, size=size), tmp_path)
    assert re.search(r"weights.pth: its sha256 is .* delete it, and get it again from https", said)
    if size:
        said = refusal(remote(server, "", size=size), tmp_path)
        assert "weights.pth: it has 5 bytes, expected 3145728; delete it" in said
    assert (tmp_path / "weights.pth").read_bytes() == b"other"


def test_absent_file_says_what_to_put_where(server: Server, tmp_path: Path) -> None:
    said = refusal(remote(server), tmp_path)
    for part in (str(tmp_path / "weights.pth"), "404 Not Found", "https://example.org/models", SHA):
        assert part in said


def test_no_server_at_all(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/weights.pth"
        said = refusal(Remote("weights.pth", "00", (url,), "MIT", "https://example.org"), tmp_path)
    assert re.search(r"not to be downloaded \(http[^ ]+: \[Errno \d+\] Connection refused\); get it", said)


def test_a_break_in_the_first_block_is_taken_up_again(server: Server, file: File, tmp_path: Path) -> None:
    file.cuts = [1000]
    assert fetch(remote(server), tmp_path)[1] == SHA
    assert server.sent == [("weights.pth", 0, 1000), ("weights.pth", 1000, 3 * MIB - 1000)]


@pytest.mark.parametrize("known", [True, False])
def test_a_page_in_place_of_the_file_is_called_so(server: Server, tmp_path: Path, known: bool) -> None:
    server.files["weights.pth"] = File(b"<!DOCTYPE html><p>log in first")
    said = refusal(remote(server, SHA if known else ""), tmp_path)
    assert "weights.pth: the server sent an HTML page" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["folder", "bytes"])
def test_a_damaged_etag_is_replaced(server: Server, file: File, tmp_path: Path, damage: str) -> None:
    interrupt(server, file, tmp_path)
    etag = tmp_path / "weights.pth.part.etag"
    etag.unlink()
    etag.mkdir() if damage == "folder" else etag.write_bytes(b"\xff\xfe")
    assert fetch(remote(server, ""), tmp_path)[1] == SHA
    assert server.sent == [("weights.pth", 0, 3 * MIB)]


def test_no_more_than_expected_is_written(server: Server, file: File, tmp_path: Path) -> None:
    file.length = False
    assert "sends more than the 1000 bytes" in refusal(remote(server, SHA, size=1000), tmp_path)


def test_a_server_that_drips_is_left(
    server: Server, file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SPELL", 0.0)
    monkeypatch.setattr(download, "SLOWEST", 10**15)
    assert "too slow to wait for" in refusal(remote(server), tmp_path)


def test_a_full_disk_is_no_fault_of_the_servers(server: Server, file: File, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, hard))
    try:
        said = refusal(remote(server, SHA, "weights.pth", "weights.pth"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "weights.pth.part: the disk is full" in said
    assert len(server.sent) == 1
    assert fetch(remote(server), tmp_path)[1] == SHA
    assert server.sent[-1] == ("weights.pth", 2 * MIB, MIB)


def test_a_circle_of_redirects_is_left(server: Server, file: File, tmp_path: Path) -> None:
    server.files["there.pth"] = File(b"", location=server.url("back.pth"))
    server.files["back.pth"] = File(b"", location=server.url("there.pth"))
    assert "there.pth: Exceeded 30 redirects" in refusal(remote(server, SHA, "there.pth"), tmp_path)
    assert fetch(remote(server, SHA, "there.pth", "weights.pth"), tmp_path)[1] == SHA


@pytest.mark.parametrize("length", ["-1", "three", "", "9" * 5000, "\u0663", "1e6"])
@pytest.mark.parametrize("sha", ["", SHA])
def test_a_length_that_says_nothing_needs_another_proof(
    server: Server, file: File, tmp_path: Path, length: str, sha: str
) -> None:
    file.headers = {"Content-Length": length.encode().decode("latin-1")}
    if sha:
        assert fetch(remote(server, sha), tmp_path)[1] == SHA
    else:
        assert "does not say how long the file is" in refusal(remote(server, sha), tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_two_lengths_are_refused(server: Server, file: File, tmp_path: Path) -> None:
    file.headers = {"Content-Length": "5, 6"}
    assert "Content-Length contained multiple unmatching values (5, 6)" in refusal(remote(server), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip"])
def test_a_coding_that_was_not_asked_for_is_refused(
    server: Server, file: File, tmp_path: Path, coding: str
) -> None:
    file.content, file.headers = gzip.compress(CONTENT), {"Content-Encoding": coding}
    said = refusal(remote(server, ""), tmp_path)
    assert f"sent the file in the coding '{coding}', which was not asked for" in said
    assert list(tmp_path.iterdir()) == []
