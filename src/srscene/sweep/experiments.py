"""DVC's experiments, by the commands of DVC and git: the only module that talks to either.

An experiment is a commit under refs/exps that DVC makes when all stages have ended; what failed, was killed
or still runs has none.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from srscene.runtime.console import BadInput, brief
from srscene.runtime.params import FILE, parse
from srscene.runtime.reading import reading

_REF = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(\S+) ([0-9a-f]{40})")
STATES = ("Running", "Queued", "Failed", "Success")
"""In DVC's queue, where a name may stand several times: of its states the first one here counts."""
_QUEUED = re.compile(rf"^[0-9a-f]{{7,40}}\s+(\S+)\s+.*\b({'|'.join(STATES)})\s*$", re.M)
_WORKERS = re.compile(r"^Worker status: (\d+) active, (\d+) idle", re.M)

LOCKED = ("Unable to acquire lock", "is busy, it is being blocked by")
"""What DVC says when another of its processes has the repository, or a file, for longer than it waits."""


class Experiment(NamedTuple):
    """A commit that holds results: its name, its hash."""

    name: str
    commit: str


def experiments() -> list[Experiment]:
    """Return HEAD, whose results count too, and the experiments of all commits, the oldest first."""
    refs = _git("for-each-ref", "refs/exps", "--sort=creatordate", "--format=%(refname) %(objectname)")
    found = [Experiment(*match.groups()) for match in map(_REF.fullmatch, refs.splitlines()) if match]
    return [Experiment("HEAD", _git("rev-parse", "HEAD").strip()), *found]


def named(names: Iterable[str]) -> list[Experiment]:
    """Return the experiments of these names or revisions; raises BadInput for one that there is not."""
    known = {experiment.name: experiment for experiment in experiments()}
    return [known[name] if name in known else Experiment(name, _commit(name)) for name in names]


def _commit(revision: str) -> str:
    done = _run(["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"])
    if done.returncode:
        raise BadInput(f"{revision!r}: neither an experiment nor a commit; `dvc exp list -A` lists them")
    return done.stdout.strip()


def files(experiments: Sequence[Experiment], paths: Sequence[str]) -> list[dict[str, bytes]]:
    """Return, for each experiment, the content of those of `paths` that its commit holds."""
    wanted = [(experiment.commit, path) for experiment in experiments for path in paths]
    asked = "".join(f"{commit}:{path}\n" for commit, path in wanted).encode()
    answer = subprocess.run(
        ["git", "cat-file", "--batch"], input=asked, capture_output=True, check=True
    ).stdout
    found: list[dict[str, bytes]] = [{} for _ in experiments]
    start = 0
    for number, (_, path) in enumerate(wanted):
        end = answer.index(b"\n", start)
        header, start = answer[start:end], end + 1
        if not header.endswith(b"missing"):
            size = int(header.split()[-1])
            found[number // len(paths)][path] = answer[start : start + size]
            start += size + 1
    return found


def cache() -> Path:
    """Return DVC's cache."""
    return Path(_dvc("cache", "dir").strip())


def cached(cache: Path, md5: str) -> Path:
    """Return where the cache keeps what has this hash; of a folder (`.dir`), the list of its files."""
    return cache / "files/md5" / md5[:2] / md5[2:]


def link_folder(listing: Path, cache: Path, into: Path) -> Path:
    """Show a cached folder under `into` by links, and return it; raises BadInput where a file is missing."""
    with reading(listing, "DVC's list of a folder", "run `dvc exp pull` or `dvc pull`"):
        entries = json.loads(listing.read_bytes())
        for entry in entries:
            here, there = into / entry["relpath"], cached(cache, entry["md5"])
            if not there.is_file():
                raise BadInput(f"{there}: {entry['relpath']} is not in DVC's cache; run `dvc pull`")
            here.parent.mkdir(parents=True, exist_ok=True)
            here.unlink(missing_ok=True)
            here.symlink_to(there.absolute())
    return into


class Queue(NamedTuple):
    """The state of each name in DVC's queue, one of STATES, and how many workers answer."""

    states: dict[str, str]
    workers: int


def queue() -> Queue:
    """Return what stands in DVC's queue."""
    status = _dvc("queue", "status")
    rows = sorted(_QUEUED.findall(status), key=lambda row: STATES.index(row[1]), reverse=True)
    workers = _WORKERS.search(status)
    return Queue(dict(rows), sum(map(int, workers.groups())) if workers else 0)


def overridden(overrides: Sequence[str]) -> Any:
    """Return what params.yaml holds once `dvc exp run -S` has changed it by these `key=value`.

    Raises BadInput for what DVC can't read, or reads as several values.
    """
    from dvc.utils.hydra import apply_overrides  # half a second

    with TemporaryDirectory() as folder:
        copy = shutil.copy(FILE, folder)
        try:
            apply_overrides(copy, list(overrides))
            return parse(Path(copy).read_bytes())
        except Exception as error:  # of DVC, Hydra, OmegaConf or ruamel, and none of ours
            raise BadInput(
                f"-S {' '.join(overrides)}: {brief(error.__cause__ or error)}; expected key=value, "
                "e.g. classifier.epochs=8"
            ) from None


def enqueue(name: str, overrides: Sequence[str]) -> None:
    """Put an experiment into DVC's queue, which `dvc queue start` works off."""
    _dvc("exp", "run", "--queue", "--name", name, *_set(overrides))


def start(
    name: str, overrides: Sequence[str], log: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start an experiment in a temporary copy of the repository; what it says goes to `log`.

    `environment` goes on top of this process's. The experiment leads a process group of its own, which its
    stages are in too. They hold a lock on the log to their end: raises BlockingIOError where another
    experiment does.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [_program(), "exp", "run", "--temp", "--name", name, *_set(overrides)]
    with log.open("ab") as out:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)  # inherited with `out`
        out.truncate(0)
        return subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **environment},
        )  # fmt: skip


def locked_out(log: Path) -> bool:
    """Whether another process of DVC was at work, and DVC gave this cell up for it."""
    last = log.read_text(errors="replace").rpartition("ERROR: ")[2]
    return any(words in last for words in LOCKED)


def runs(log: Path) -> bool:
    """Tell whether the experiment that writes this log still runs, whoever started it."""
    if not log.is_file():
        return False
    with log.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _set(overrides: Sequence[str]) -> list[str]:
    return [part for override in overrides for part in ("--set-param", override)]


def _program() -> str:
    program = shutil.which("dvc")
    if program is None:
        raise BadInput("dvc: not on the PATH; run `source .venv/bin/activate`, after `make env` made .venv")
    return program


def _dvc(*arguments: str) -> str:
    return _output([_program(), *arguments])


def _git(*arguments: str) -> str:
    return _output(["git", *arguments])


def _output(command: list[str]) -> str:
    done = _run(command)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise BadInput(
            f"{Path(command[0]).name} {command[1]}: {brief(said[-1] if said else done.returncode)}"
        )
    return done.stdout


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True)
