"""Fetches a published checkpoint: verified by its sha256, resumed after an interruption."""

import os
from collections.abc import Iterator
from hashlib import file_digest
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from srscene.console import BadInput, progress

TIMEOUT = 5
"""Seconds without an answer or a byte after which a server counts as out of reach."""
BLOCK = 1 << 20


class Remote(NamedTuple):
    """A published file: name, SHA-256 (its first digits, or "" if unknown), where it lies, its licence."""

    file: str
    sha256: str
    urls: tuple[str, ...]
    licence: str
    page: str
    """Where a person finds it when all of `urls` fail."""


def fetch(remote: Remote, folder: Path) -> Path:
    """Return `folder / remote.file`, downloaded if it is not there yet, with its SHA-256 checked.

    An interrupted download stays as `<file>.part` and is continued by the next call.
    Raises BadInput, saying which file to put where, when no URL works or the hash is wrong.
    """
    path = folder / remote.file
    if path.exists():
        _check(path, remote, f"delete it, and get it again from {remote.page}")
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    reasons = []
    for url in remote.urls:
        try:
            _download(url, part)
            break
        except (OSError, HTTPException) as error:
            reasons.append(f"{url}: {getattr(error, 'reason', error)}")
    else:
        known = f" (sha256 {remote.sha256})" if remote.sha256 else ""
        raise BadInput(
            f"{path}: not there, and not to be downloaded ({'; '.join(reasons)}); get it from {remote.page} "
            f"on a machine with a network and put it there{known}"
        )
    try:
        _check(part, remote, f"the download was deleted; get it from {remote.page} and put it at {path}")
    except BadInput:
        part.unlink()
        raise
    os.replace(part, path)
    return path


def _check(path: Path, remote: Remote, remedy: str) -> None:
    with path.open("rb") as stream:
        found = file_digest(stream, "sha256").hexdigest()
    if not found.startswith(remote.sha256):
        raise BadInput(f"{path}: its sha256 is {found}, expected {remote.sha256}; {remedy}")


def _download(url: str, part: Path) -> None:
    """Append to `part` what it lacks. Raises OSError when the server fails or ends early."""
    done = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:  # nothing lies behind what is here: it is whole, or not this file
            return
        raise
    with response:
        if response.status != 206:  # the server sends the whole file again
            done = 0
        length = response.headers["Content-Length"]
        total = None if length is None else done + int(length)
        blocks = None if total is None else -(-total // BLOCK)
        with part.open("ab" if done else "wb") as file:
            for block in progress(_blocks(response), part.stem, "MiB", blocks, done // BLOCK):
                file.write(block)
        if total is not None and part.stat().st_size < total:
            raise OSError(f"ended after {part.stat().st_size} of {total} bytes; run again to continue")


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    while block := response.read(BLOCK):
        yield block
