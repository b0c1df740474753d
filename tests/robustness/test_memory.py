"""Files that promise to be huge: refused by name, in about the memory of a good file."""

import pytest

from dev.robustness.memory import HOSTILE, Taken, measured

MOST = 300.0
"""MiB above normal."""
TAKEN = {
    "band: strip of a gigabyte": "",
    "reference: 500 MB of rows": "",
}
"""What does no harm, though no file is named: what is too much is not unpacked."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Taken]:
    return {taken.what: taken for taken in measured(tmp_path_factory.mktemp("memory"))}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_huge_promise_takes_no_memory(what: str, found: dict[str, Taken]) -> None:
    assert found[what].above_normal < MOST, found[what]
    if what in TAKEN:
        assert TAKEN[what] in found[what].said
    else:
        assert found[what].named, found[what]
