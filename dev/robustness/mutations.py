"""Damage to bytes and files, of the kinds that disks, networks and people do, from a seeded generator."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from numpy.random import Generator

HUGE = 1 << 38
"""Bytes of a file that is a hole, 275 GB."""


def flip(data: bytes, rng: Generator) -> bytes:
    """Flip one bit."""
    damaged = bytearray(data)
    damaged[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def flip_near_an_end(data: bytes, rng: Generator) -> bytes:
    """Flip one bit of the first or last 512 bytes, where most formats keep what describes the rest."""
    part = min(512, len(data))
    if rng.random() < 0.5:
        return flip(data[:part], rng) + data[part:]
    return data[:-part] + flip(data[-part:], rng)


def cut(data: bytes, rng: Generator) -> bytes:
    """Keep the beginning; a fifth of the time nearly all of it."""
    near = rng.random() < 0.2
    return data[: int(rng.integers(max(0, len(data) - 16) if near else 0, len(data)))]


def zero(data: bytes, rng: Generator) -> bytes:
    """Fill a block with zeros, as a disk does that lost it."""
    start, end = _block(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def swap(data: bytes, rng: Generator) -> bytes:
    """Let two neighbouring blocks change places."""
    start, end = _block(data, rng)
    middle = (start + end) // 2
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def repeat(data: bytes, rng: Generator) -> bytes:
    """Let a block come twice, as a broken download does that was resumed."""
    start, end = _block(data, rng)
    return data[:end] + data[start:]


def _block(data: bytes, rng: Generator) -> tuple[int, int]:
    length = min(len(data), int(2 ** rng.uniform(0, 13)))
    start = int(rng.integers(len(data) - length + 1))
    return start, start + length


BYTES: dict[str, Callable[[bytes, Generator], bytes]] = {
    "flip": flip,
    "flip near an end": flip_near_an_end,
    "cut": cut,
    "zero": zero,
    "swap": swap,
    "repeat": repeat,
}
"""Each takes a file's bytes, at least one, and returns others."""


def remove(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def restore(path: Path, data: bytes) -> None:
    """Put a file there in place of whatever is there."""
    remove(path)
    path.write_bytes(data)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)


FILES: dict[str, Callable[[Path], None]] = {
    "deleted": lambda path: None,
    "empty": lambda path: path.touch(),
    "all zeros": lambda path: restore(path, bytes(4096)),
    "an HTML page": lambda path: restore(path, b"<!DOCTYPE html><title>404</title>"),
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": lambda path: os.mkfifo(path),
    "a huge hole": _sparse,
}
"""Each puts something else where a file was."""

UNSEEN = {*BYTES} - {"cut"}
"""The kinds that may leave a file in its form, with other values in it: only a checksum tells."""


def damage(path: Path, data: bytes, rng: Generator) -> str:
    """Put `data`, damaged, at `path`, or something else altogether; return the kind of damage."""
    if rng.random() < 0.2:
        kind = str(rng.choice([*FILES]))
        remove(path)
        FILES[kind](path)
    else:
        kind = str(rng.choice([*BYTES]))
        restore(path, BYTES[kind](data, rng))
    return kind
