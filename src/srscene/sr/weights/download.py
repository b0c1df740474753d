"""Fetches a published checkpoint: verified by its sha256, resumed after an interruption.

A download grows as `<file>.part`. Beside it, `<file>.part.etag` holds the URL it came from and the strong
ETag that the server gave: the rest is asked for only if it is still the same content.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import requests
from urllib3.exceptions import HTTPError

from srscene.runtime.console import BadInput, brief, progress
from srscene.runtime.files import need, sha256, writing
from srscene.runtime.reading import read_bytes, what_it_is

TIMEOUTS = (5, 60)
"""Seconds after which a server counts as out of reach, and after which a silent one has stalled."""
ATTEMPTS = 5
"""How often one URL is asked, as long as every answer brings something new."""
BLOCK = 1 << 20
LARGEST = 4_000_000_000
"""Bytes that are taken of a file whose size nobody says."""
SLOWEST, SPELL = 10_000, 30.0
"""A server that sends fewer bytes a second, over so many seconds, is given up."""


class Remote(NamedTuple):
    """A published file: name, SHA-256 (its first digits, or "" if unknown), where it lies, its licence."""

    file: str
    sha256: str
    urls: tuple[str, ...]
    licence: str
    page: str
    """Where a person finds it when all of `urls` fail."""
    size: int | None = None
    """Bytes; None: unknown."""


class _Refused(Exception):
    """The message says why this URL, or this file, is of no use."""


def fetch(remote: Remote, folder: Path) -> tuple[Path, str]:
    """Return `folder / remote.file`, downloaded if it is not there yet, and its SHA-256 (64 digits).

    An interrupted download is continued by the next call. Raises BadInput when the file that is there is
    another, when no URL gives it (saying which file to put where), or when it cannot be written.
    """
    path = folder / remote.file
    if path.exists():
        try:
            return path, _verified(path, remote)
        except _Refused as error:
            raise BadInput(f"{path}: {error}; delete it, and get it again from {remote.page}") from None
    part = path.with_name(path.name + ".part")
    reasons = []
    for url in remote.urls:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            found = _obtain(url, part, remote)
            os.replace(part, path)
            _discard(part)
            return path, found
        except _Refused as error:
            reasons.append(f"{url}: {error}")
        except (requests.RequestException, HTTPError, ValueError) as error:
            reasons.append(f"{url}: {_cause(error)}")
        except OSError as error:
            raise BadInput(f"{part}: not to be written ({brief(error)}); mend that, and run again") from None
    known = f" (sha256 {remote.sha256})" if remote.sha256 else ""
    remedy = f"get it from {remote.page} on a machine with a network and put it there{known}"
    if _size(part):
        remedy = f"run again to continue, or {remedy}"
    raise BadInput(f"{path}: not there, and not to be downloaded ({'; '.join(reasons)}); {remedy}")


def _obtain(url: str, part: Path, remote: Remote) -> str:
    """Complete `part` from `url` and return its SHA-256; a part that turns out wrong is deleted."""
    for _ in range(ATTEMPTS):
        problem = _append(url, part, remote)
        if not problem:
            break
    else:
        raise _Refused(problem)
    try:
        if found := what_it_is(part):
            raise _Refused(f"the server sent {found}")
        return _verified(part, remote)
    except _Refused:
        _discard(part)
        raise


def _append(url: str, part: Path, remote: Remote) -> str:
    """Append to `part` what it lacks; return why to ask again, or "" when all is there."""
    done, etag = _resumable(url, part, remote)
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers |= {"Range": f"bytes={done}-"} | ({"If-Range": etag} if etag else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        status, found = response.status_code, response.headers.get("ETag", "")
        if status == 416 and done and _is_whole(part, response, remote):
            return ""
        if status == 416 or (status == 206 and etag not in ("", found)):
            _discard(part)
            return f"{status} {brief(response.reason)}, but not of what came before"
        total = _total(response, done, remote)
        if status == 200 or not done:  # from the start: nothing to resume, or the content is new
            _discard(part)
            if found.startswith('"'):  # W/"…" is weak: equal for unequal bytes
                _etag_file(part).write_text(f"{url}\n{found}")
        return _store(response, part, total)


def _resumable(url: str, part: Path, remote: Remote) -> tuple[int, str]:
    """Return how many bytes of `part` may stay, and the ETag that the rest must have ("": any)."""
    try:
        source, _, etag = read_bytes(_etag_file(part), BLOCK).decode().partition("\n")
    except (OSError, BadInput, ValueError):  # none, or a damaged one: the same
        source, etag = "", ""
    if source != url:
        etag = ""
    return (_size(part) if etag or len(remote.sha256) == 64 else 0), etag


def _is_whole(part: Path, response: requests.Response, remote: Remote) -> bool:
    """Whether `part` is all there is, as the server knows no byte behind it."""
    length = response.headers.get("Content-Range", "").removeprefix("bytes */")
    if length.isdecimal():
        return int(length) == _size(part)
    return bool(remote.sha256) and sha256(part).startswith(remote.sha256)


def _total(response: requests.Response, done: int, remote: Remote) -> int | None:
    """Return the bytes of the whole file (None: its hash will tell); raises _Refused for a useless answer."""
    if (coding := response.headers.get("Content-Encoding", "identity")) != "identity":
        raise _Refused(f"sent the file in the coding {brief(repr(coding))}, which was not asked for")
    length = response.headers.get("Content-Length", "")
    if response.status_code == 206:
        span = response.headers.get("Content-Range", "")
        if not span.startswith(f"bytes {done}-"):
            raise _Refused(f"sent the range {brief(repr(span))}, expected the bytes from {done}")
        length = span.rpartition("/")[2]
    elif response.status_code != 200:
        raise _Refused(f"{response.status_code} {brief(response.reason)}")
    total = int(length) if length.isdecimal() and len(length) < 16 else remote.size
    if total is None and len(remote.sha256) < 64:
        raise _Refused("does not say how long the file is, so that an early end would go unnoticed")
    if remote.size not in (None, total):
        raise _Refused(f"has {total} bytes, expected {remote.size}")
    return total


def _store(response: requests.Response, part: Path, total: int | None) -> str:
    """Write the body behind `part`; return "", or what is missing. Raises _Refused when nothing came."""
    done, broken = _size(part), False
    most = LARGEST if total is None else total
    if total is not None:
        need(part, total - done, "the download")
    nothing: tuple[bytes, ...] = ()  # the blocks' sizes move the bar, not their number
    bar, came = progress(nothing, part.stem, "byte", total, done), done
    with bar, writing(part), part.open("ab") as file:
        try:
            for block in _blocks(response):
                came += len(block)
                if came > most:
                    raise _Refused(f"sends more than the {most} bytes that were expected")
                file.write(block)
                bar.update(len(block))
        except (requests.RequestException, HTTPError):
            broken = True
    size = _size(part)
    if not broken and total in (None, size):
        return ""
    problem = f"ended after {size} of {total or 'unknown'} bytes"
    if size == done:
        raise _Refused(problem)
    return problem


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it comes, so that a break loses nothing; raises _Refused where it only drips."""
    began, came = monotonic(), 0
    while block := response.raw.read1(BLOCK):
        yield block
        came += len(block)
        if (passed := monotonic() - began) >= SPELL:
            if came < SLOWEST * passed:
                raise _Refused(f"sent {came} bytes in {passed:.0f} s, too slow to wait for")
            began, came = monotonic(), 0


def _verified(path: Path, remote: Remote) -> str:
    """Return the file's SHA-256; raises _Refused if it or the size is not what `remote` says."""
    found = sha256(path)
    if not found.startswith(remote.sha256):
        raise _Refused(f"its sha256 is {found}, expected {remote.sha256}")
    if remote.size not in (None, _size(path)):
        raise _Refused(f"it has {_size(path)} bytes, expected {remote.size}")
    return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _etag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _discard(part: Path) -> None:
    for file in (part, _etag_file(part)):
        if file.is_dir():
            shutil.rmtree(file)
        file.unlink(missing_ok=True)


def _cause(error: BaseException) -> str:
    """Return what failed, without the layers that requests and urllib3 wrap around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return brief(error)
