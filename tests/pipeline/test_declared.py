"""dvc.yaml tells the truth: each stage declares every module it imports and every parameter it reads.

A missing dependency would give stale results that DVC calls up to date.
"""

import ast
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from srscene.runtime.key import COMMANDS
from srscene.runtime.params import parse
from srscene.versions import GROUPS

ROOT = Path(__file__).parents[2]
STAGES = parse((ROOT / "dvc.yaml").read_bytes())["stages"]
PARAMS = parse((ROOT / "params.yaml").read_bytes())
SOURCE = ROOT / "src"
INSTALLED = packages_distributions()
RUNTIME = SOURCE / "srscene/runtime"
"""In no key."""
SHOWN = SOURCE / "srscene/sr/shown.py"
"""Reads how results show an upscaler."""


@cache
def imported_files(file: Path) -> frozenset[Path]:
    """The srscene files that `file` imports itself, package `__init__` files on the way included."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import, line {node.lineno}"
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "srscene":
                found |= files_of(name)
    return frozenset(found)


def files_of(module: str) -> set[Path]:
    """The file of a dotted name and the `__init__` files above it; nothing for a name inside a module."""
    parts = module.split(".")
    paths = [SOURCE.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    paths.append(SOURCE.joinpath(*parts).with_suffix(".py"))
    return {path for path in paths if path.exists()}


def walk(start: Path) -> set[Path]:
    seen, todo = set(), [start]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo.extend(imported_files(file))
    return seen


def computes_nothing(file: Path) -> bool:
    """Whether it is a docstring and, of an upscaler, how results show it."""
    nodes = [node for node in ast.parse(file.read_text()).body if not isinstance(node, ast.Expr)]
    if file.name != "__init__.py" or file.parents[1] != SHOWN.parent:
        return not nodes
    return all(
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and ast.unparse(node.targets[0]) in ("TITLE", "ROLE", "ORDER")
        for node in nodes
    )


def module_of(stage: str) -> Path:
    command = STAGES[stage]["cmd"].removeprefix("$SRSCENE_LAUNCH ").split()
    assert command[:2] == ["python", "-m"], command
    return ROOT.joinpath(*command[2].split(".")).with_suffix(".py")


def selected_modules(stage: str, sr: str) -> set[Path]:
    """What the stage loads by name: for `check` the options of all upscalers, else by the name in `sr`."""
    folder = SOURCE / "srscene/sr"
    by_name = {
        "check": sorted(folder.glob("*/options.py")),
        "weights": [folder / sr / "options.py", folder / sr / "weights.py"],
        "upscale": [folder / sr / "options.py", folder / sr / "model/__init__.py"],
    }
    found = [walk(file) for file in by_name.get(stage, []) if file.exists()]
    return set().union(*found)


@pytest.mark.parametrize("sr", PARAMS["upscalers"])
@pytest.mark.parametrize("stage", STAGES)
def test_every_imported_module_is_a_dependency(stage: str, sr: str) -> None:
    declared = [ROOT / dep.replace("${sr}", sr) for dep in STAGES[stage]["deps"] if "${dataset}" not in dep]
    for path in declared:
        if path.is_relative_to(SOURCE) or path.is_relative_to(ROOT / "stages"):
            assert path.exists(), f"{stage} depends on {path}, which does not exist"
    assert not undeclared(walk(module_of(stage)) | selected_modules(stage, sr), declared)


def undeclared(needed: set[Path], declared: list[Path]) -> list[Path]:
    """Those of the files that neither are declared nor lie in runtime/, nor compute anything."""
    return [
        file.relative_to(ROOT)
        for file in sorted(needed)
        if not any(file.is_relative_to(path) for path in [*declared, RUNTIME]) and not computes_nothing(file)
    ]


SCENE_MODULES = {
    "upscale": ["scene/upscale.py", "scene/model.py", "scene/source.py"],
    "predict": ["scene/predict.py", "scene/classifier.py", "scene/source.py"],
}
"""What the command line imports for a command."""


@pytest.mark.parametrize("sr", PARAMS["upscalers"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_command_on_a_scene_imports_is_in_its_key(command: str, sr: str) -> None:
    package = SOURCE / "srscene"
    places = [package / place.replace("${sr}", sr) for place in COMMANDS[command]]
    modules = [*SCENE_MODULES[command], f"sr/{sr}/options.py", f"sr/{sr}/model/__init__.py"]
    needed = set().union(*(walk(package / module) for module in modules))
    assert not undeclared(needed, places)
    for place in places:
        assert any(file.is_relative_to(place) for file in needed), f"{command} never imports {place}"


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_reads_how_an_upscaler_is_shown(stage: str) -> None:
    """Its title stands beside its code, and is in no key but that of the whole folder."""
    found = [walk(module_of(stage)) | selected_modules(stage, sr) for sr in PARAMS["upscalers"]]
    assert SHOWN not in set().union(*found)


@pytest.mark.parametrize("stage", STAGES)
def test_no_dependency_is_needless(stage: str) -> None:
    every = set().union(*(walk(module_of(stage)) | selected_modules(stage, sr) for sr in PARAMS["upscalers"]))
    for dep in STAGES[stage]["deps"]:
        if dep.startswith("src/") and "${sr}" not in dep:
            assert any(file.is_relative_to(ROOT / dep) for file in every), f"{stage} never imports {dep}"


NO_RESULT = {"huggingface-hub", "pydantic", "pyyaml", "requests", "rich", "tqdm", "typer", "urllib3"}
"""Packages that compute nothing: they fetch, check, or talk to people."""


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "check"])
def test_every_package_that_computes_is_in_the_key(stage: str) -> None:
    files = walk(module_of(stage)).union(*(selected_modules(stage, sr) for sr in PARAMS["upscalers"]))
    used = set().union(*(packages(file) for file in files if not file.is_relative_to(RUNTIME)))
    noted = [Path(dep).stem for dep in STAGES[stage]["deps"] if dep.startswith("data/versions/")]
    assert used - NO_RESULT <= set().union(*(GROUPS[group] for group in noted))
    assert all(used & {*GROUPS[group]} for group in noted), f"{stage} needs one of {noted} less"


@cache
def packages(file: Path) -> frozenset[str]:
    """The installed packages that `file` imports itself."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        found |= {name.split(".")[0] for name in names} - {"srscene", *sys.stdlib_module_names}
    return frozenset(INSTALLED[name][0].lower().replace("_", "-") for name in found)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_what_it_declares(stage: str) -> None:
    tree = ast.parse(module_of(stage).read_text())
    read = {
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("read", "params.read")
    }
    assert read - {"machine"} == set(STAGES[stage].get("params", []))  # speed and memory are in no key


def test_params_are_read_by_stages_only() -> None:
    """And by the command line, which no stage depends on."""
    readers = [
        file for file in SOURCE.rglob("*.py")
        if "params.read(" in file.read_text() or "from srscene.runtime.params import read" in file.read_text()
    ]  # fmt: skip
    assert [file.name for file in readers] in ([], ["cli.py"])


def test_runtime_stands_alone() -> None:
    """It is in no key: what computes an output must not hide in it, nor anything that it imports."""
    for file in RUNTIME.rglob("*.py"):
        outside = [path for path in imported_files(file) if not path.is_relative_to(RUNTIME)]
        assert outside in ([], [SOURCE / "srscene/__init__.py"]), file


def test_dvc_yaml_is_read_at_once() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 140


def test_every_upscaler_has_a_section() -> None:
    folders = {file.parents[1].name for file in (SOURCE / "srscene/sr").glob("*/model/__init__.py")}
    assert folders == set(PARAMS["upscalers"])


def test_every_override_of_the_paper_names_a_parameter() -> None:
    for line in (ROOT / "paper.overrides").read_text().splitlines():
        flag, override = line.split()
        assert flag == "-S"
        value: object = PARAMS
        for key in override.split("=")[0].split("."):
            assert isinstance(value, dict)
            value = value[key]
