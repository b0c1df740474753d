"""A raw data set -> PatchStore: the loop over patches, its threads, and what happens to bad ones."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

from srscene.core.store import SPLITS, Patch, Split
from srscene.core.tables import write_csv
from srscene.core.writer import PER_SHARD, write_store
from srscene.ingest.decode import REFERENCE_SIZE, decode
from srscene.ingest.options import IngestOptions
from srscene.ingest.sources import OtherData, RawPatch, Rejected, find_archive, find_patches
from srscene.ingest.splits import Splits, read_splits
from srscene.ingest.tiff import SIZE
from srscene.raw.layout import BANDS, LISTS, METADATA, REFERENCE_FOLDER
from srscene.runtime.console import BadInput, printable, progress, say
from srscene.runtime.files import need, whole_folder
from srscene.runtime.machine import cpu_threads

T = TypeVar("T")
R = TypeVar("R")

IMAGE_BYTES, REFERENCE_BYTES = 3 * SIZE**2, 3 * REFERENCE_SIZE**2
"""Of a patch in the store."""
CHUNK = 32
"""Patches a thread takes at a time: handing over one by one would cost as much as decoding."""


@dataclass
class Intake:
    """What the run met so far."""

    root: Path
    stop: bool
    seen: set[str] = field(default_factory=set)
    kept: Counter[Split] = field(default_factory=Counter)
    unlisted: int = 0
    others: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)

    def reject(self, rejected: Rejected) -> None:
        if self.stop:
            raise BadInput(
                f"{self.root}/{rejected.reason}; mend it, or set on_error: skip to go on without it"
            )
        self.rejected.append(Rejected(printable(rejected.name), printable(rejected.reason)))


def ingest(
    root: Path,
    out: Path,
    dataset: str,
    options: IngestOptions,
    threads: int | None = None,
    per_shard: int = PER_SHARD,
) -> None:
    """Write the store `out` from the data set in `root`, which is called `dataset`.

    Patches come in the order of their names from a tree, in the archive's order from an archive, so that
    both give the same store when the archive is sorted. The number of threads (default: all that there may
    be) does not change its bytes; `per_shard` patches make a shard.
    Raises BadInput, and leaves `out` as it was, at the first bad patch (`on_error: stop`), when a list names
    no patch that is there, or when no patch is left.
    """
    threads = threads or cpu_threads()
    splits = read_splits(root)
    intake = Intake(root, stop=options.on_error == "stop")
    for name in sorted(splits.twice):
        intake.reject(Rejected(name, f"{splits.source}: {name} is listed twice, expected once in one split"))
    cpu = f"CPU, {threads} thread{'' if threads == 1 else 's'}"
    say(f"ingest: {root}, {len(splits.listed):,} patches in {splits.source}; {cpu}")
    attributes = {"dataset": dataset, "bands": BANDS, "reflectance_max": options.reflectance_max}
    with whole_folder(out) as folder:
        with ThreadPoolExecutor(threads) as pool:
            patches = _read(root, folder, splits, intake, options.reflectance_max, pool, 2 * threads)
            write_store(folder, patches, attributes, per_shard, threads)
        _check(splits, intake)
        if intake.rejected:
            write_csv(folder / "rejected.csv", Rejected._fields, intake.rejected)
    _summarize(splits, intake)


def _read(
    root: Path,
    out: Path,
    splits: Splits,
    intake: Intake,
    reflectance_max: int,
    pool: ThreadPoolExecutor,
    ahead: int,
) -> Iterator[Patch]:
    """Yield the good patches; at most `ahead` chunks are in memory."""
    references = root / REFERENCE_FOLDER
    reference = references if references.is_dir() else None

    def decode_one(raw: RawPatch | Rejected) -> Patch | Rejected:
        if isinstance(raw, Rejected):
            return raw
        return decode(raw, splits.listed[raw.name], reflectance_max, reference)

    patches = find_patches(root, splits.listed)
    if find_archive(root):
        _say_room(splits, reference is not None, out)
    else:
        patches = _with_room(patches, splits, reference is not None, out)
    found = _take(patches, splits, intake)
    results = _in_order(pool, decode_one, found, ahead)
    for result in progress(results, "ingest", "patch", total=len(splits.listed)):
        if isinstance(result, Rejected):
            intake.reject(result)
        else:
            intake.kept[result.split] += 1
            yield result


def _with_room(
    patches: Iterator[RawPatch | OtherData | Rejected], splits: Splits, references: bool, out: Path
) -> Iterator[RawPatch | OtherData | Rejected]:
    """Return a tree's patches; raises BadInput where the disk has no room for the listed ones."""
    found = list(patches)
    listed = sum(patch.name in splits.listed for patch in found if not isinstance(patch, OtherData))
    _need_room(min(listed, len(splits.listed)), references, out)
    return iter(found)


def _say_room(splits: Splits, references: bool, out: Path) -> None:
    """Say where an archive's patches would not fit if all listed ones are in it: only its end will tell."""
    try:
        _need_room(len(splits.listed), references, out)
    except BadInput as error:
        say(f"ingest: {error}; going on, since the archive may hold fewer")


def _need_room(patches: int, references: bool, out: Path) -> None:
    need(out, patches * (IMAGE_BYTES + references * REFERENCE_BYTES), f"the store of {patches:,} patches")


def _take(
    found: Iterable[RawPatch | OtherData | Rejected], splits: Splits, intake: Intake
) -> Iterator[RawPatch | Rejected]:
    """Let listed patches pass, once each."""
    for raw in found:
        if isinstance(raw, Rejected):
            intake.seen.update({raw.name} & splits.listed.keys())
            yield raw
        elif isinstance(raw, OtherData):
            intake.others[raw.place] += raw.folders
        elif raw.name not in splits.listed:
            intake.unlisted += 1
        elif raw.name in intake.seen:
            yield Rejected(raw.name, f"{raw.place}: patch {raw.name} comes a second time, expected once")
        else:
            intake.seen.add(raw.name)
            if raw.name not in splits.twice:
                yield raw


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], ahead: int
) -> Iterator[R]:
    """Map in the pool's threads, in chunks, keeping the order."""
    items = iter(items)
    pending: deque[Future[list[R]]] = deque()
    while chunk := list(islice(items, CHUNK)):
        pending.append(pool.submit(lambda chunk: [function(item) for item in chunk], chunk))
        if len(pending) > ahead:
            yield from pending.popleft().result()
    while pending:
        yield from pending.popleft().result()


def _check(splits: Splits, intake: Intake) -> None:
    listed = Counter(entry.split for entry in splits.listed.values())
    seen = Counter(splits.listed[name].split for name in intake.seen)
    if intake.rejected and not intake.seen:  # an archive of which nothing came
        raise BadInput(f"{intake.root}/{intake.rejected[0].reason}")
    only = f" (only {_others(intake)})" if intake.others else ""
    if intake.rejected:
        only += f" ({intake.rejected[0].reason})"
    for split in SPLITS:
        if listed[split] and not seen[split]:
            raise BadInput(
                f"{intake.root}: has none of the {listed[split]:,} {split} patches of {splits.source}{only}, "
                f"expected at least one; put your own {', '.join(LISTS.values())} there, or {METADATA} for "
                "version 2"
            )
    if not intake.kept.total():
        why = f" ({intake.rejected[0].reason})" if intake.rejected else ""
        raise BadInput(
            f"{intake.root}: no good patch{why}, expected at least one; mend the data or the lists"
        )


def _others(intake: Intake) -> str:
    return f"{intake.others.total():,} without a Sentinel-2 band, the first in {min(intake.others)}"


def _summarize(splits: Splits, intake: Intake) -> None:
    by_split = ", ".join(f"{intake.kept[split]:,} {split}" for split in SPLITS)
    say(f"ingest: {intake.kept.total():,} patches ({by_split})")
    missing = len(splits.listed) - len(intake.seen)
    if missing:
        say(f"ingest: {missing:,} listed but not there: left out")
    if intake.unlisted:
        say(f"ingest: {intake.unlisted:,} that no list names: ignored")
    if intake.others:
        say(f"ingest: {_others(intake)}: left alone")
    if intake.rejected:
        first = intake.rejected[0].reason
        say(f"ingest: {len(intake.rejected):,} rejected, see rejected.csv; the first: {first}")
