"""srscene: what DVC does not do."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from srscene import leftovers, versions
from srscene.check import check as check_params
from srscene.check import surroundings
from srscene.runtime import params
from srscene.runtime.console import BadInput, run_stage, say
from srscene.runtime.machine import Machine

AUTO = Machine(batch_size="auto", workers="auto")
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Does super-resolving satellite patches before classification help? `dvc repro` runs the pipeline.

    Exit status: 0 done; 1 not, and one line says what to mend; 2 an option that there is not; 130 Ctrl-C.
    """


@app.command()
def check() -> None:
    """Check where you are, all of params.yaml, and what is installed, before anything slow starts."""
    surroundings()
    values = check_params()
    chosen = ", ".join(f"{key} {values[key]}" for key in ("dataset", "sr", "backbone", "seed"))
    say(f"params.yaml is sound: {chosen}")
    versions.tell(versions.locked())


@app.command()
def scratch(
    remove: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Remove this work.")] = None,
    remove_all: Annotated[bool, typer.Option("--remove-all", help="Remove all that no process has.")] = False,
) -> None:
    """List the work that stages keep in .scratch, to go on with after a kill; remove some on request."""
    found = leftovers.leftovers()
    if remove or remove_all:
        leftovers.remove_work(found if remove_all else leftovers.with_keys(found, remove or []))
    else:
        leftovers.show(found)


@app.command()
def sweep(
    sr: Annotated[str | None, typer.Option(help="Upscalers, e.g. none,bicubic,srresnet,truth.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Backbones, e.g. resnet50,inception_v4.")] = None,
    seed: Annotated[str | None, typer.Option(help="Seeds, e.g. 0,1,2.")] = None,
    grid: Annotated[Path | None, typer.Option(help="A YAML file with sr, backbone, seed, set.")] = None,
    set_param: Annotated[
        list[str] | None, typer.Option("--set-param", "-S", metavar="KEY=VALUE", help="For all cells.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Cells at a time.")] = 1,
    queue: Annotated[bool, typer.Option("--queue", help="Only queue; `dvc queue start` runs.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also run what is there, e.g. after a change of the code.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what there is and what is missing.")
    ] = False,
) -> None:
    """Run what is missing of a grid, upscalers × backbones × seeds, an experiment each."""
    from srscene.sweep import grid as grids
    from srscene.sweep import run as sweeps

    surroundings()
    cells = grids.wanted(grids.from_options(grid, sr, backbone, seed), set_param or [])
    state = sweeps.plan(cells)
    if again:
        state = state.again()
    sweeps.show(state, jobs)
    if queue:
        sweeps.enqueue(state)
        return
    todo = not dry_run and (state.missing or state.failed)
    if todo and not sweeps.run(state, jobs, sweeps.visible_gpus()):
        raise BadInput("sweep: some cells failed; mend what is said above, the same call runs them again")


Results = Annotated[Path | None, typer.Option("--from", help="A folder of results instead of experiments.")]
Experiments = Annotated[
    list[str] | None, typer.Option("--experiment", "-e", metavar="NAME", help="Only these; repeatable.")
]
Margin = Annotated[
    float, typer.Option(min=0, max=1, help="Differences in macro AP within it are as good as none.")
]
Resamples = Annotated[int, typer.Option(min=100, max=10**6, help="Of the test patches.")]


@app.command()
def compare(
    variants: Annotated[
        list[str] | None,
        typer.Argument(metavar="[A B]", help="Two variants, e.g. hat-resnet152 bicubic-resnet152."),
    ] = None,
    control: Annotated[
        str | None, typer.Option("--contrast", help="Every upscaler against this one.")
    ] = None,
    results: Results = None,
    experiment: Experiments = None,
    backbone: Annotated[str | None, typer.Option(help="Of Table 2.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A folder for tables and results.")] = None,
    margin: Margin = 0.02,
    resamples: Resamples = 1000,
) -> None:
    """The paper's tables of the experiments of all commits; what differs, by how much, and how surely."""
    from srscene.compare import collect
    from srscene.compare import run as comparing

    comparing.check_options(results, variants or [], control, backbone)
    cells = collect.from_folder(results) if results else collect.from_experiments(experiment or [])
    if variants:
        comparing.tell_pair(cells, variants[0], variants[1], margin, resamples, out)
        return
    comparing.tell(cells, backbone, out)
    if control:
        comparing.tell_contrasts(cells, control, margin, resamples, out)


@app.command()
def report(
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("report.html"),
    results: Results = None,
    experiment: Experiments = None,
    control: Annotated[str, typer.Option("--contrast", help="What upscalers are compared with.")] = "bicubic",
    backbone: Annotated[str | None, typer.Option(help="Of Table 2.")] = None,
    figures: Annotated[Path, typer.Option(help="A folder for the figures, as PNG and PDF.")] = Path(
        "figures"
    ),
    megabytes: Annotated[
        float, typer.Option(min=0.1, help="That the page may have; pictures give way.")
    ] = 2.0,
    margin: Margin = 0.02,
    resamples: Resamples = 1000,
) -> None:
    """One page, in one file, that answers whether super-resolution helped."""
    from srscene.compare import collect
    from srscene.compare import run as comparing
    from srscene.page import assemble
    from srscene.page import write as report

    cells = collect.from_folder(results) if results else collect.from_experiments(experiment or [])
    found, why = comparing.contrasts_for_page(cells, control, margin, resamples)
    chosen = comparing.chosen_backbone(cells, backbone)
    page = assemble.page(cells, found, chosen, AUTO, figures)
    report.write(replace(page, missing=why, most_bytes=round(megabytes * 1e6)), out)


class SceneType(StrEnum):
    """What an upscaled scene's numbers are."""

    uint8 = "uint8"
    reflectance = "reflectance"


Bands = Annotated[str | None, typer.Option(help="A GeoTIFF's bands in their order: B04,B03,B02.")]
Offset = Annotated[float | None, typer.Option(help="Of baseline 04.00: -1000; of older ones: 0.")]
Scale = Annotated[float | None, typer.Option(min=0, help="What stands for a reflectance of 1.")]
Nodata = Annotated[float | None, typer.Option(help="A stored number that is no data either, such as 0.")]


@app.command()
def upscale(
    scene: Annotated[Path, typer.Argument(help="A GeoTIFF, a folder of band files, a .SAFE or its zip.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A GeoTIFF, cloud-optimised.")],
    sr: Annotated[str | None, typer.Option(help="The upscaler, else the one that --model holds.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="A folder of weights, else models/upscaler.", show_default=False)
    ] = None,
    bands: Bands = None,
    offset: Offset = None,
    scale: Scale = None,
    nodata: Nodata = None,
    dtype: Annotated[
        SceneType, typer.Option(help="Levels that the models see, or the scene's own numbers.")
    ] = SceneType.uint8,
    reflectance_max: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="That becomes 255, else params.yaml's or the card's."),
    ] = None,
    tile: Annotated[int | None, typer.Option(min=16, max=4096, help="Side of a tile, pixels.")] = None,
) -> None:
    """Super-resolve a whole scene: a map that GIS tools open, whatever its size, in little memory.

    Needs no DVC and no git, only models/ of a repository: dvc get REPOSITORY models (--sr bicubic: nothing).
    """
    from srscene.scene.model import find_model
    from srscene.scene.source import open_scene
    from srscene.scene.upscale import upscale_scene

    chosen = find_model(sr, model, reflectance_max)
    names = bands.split(",") if bands else None
    with open_scene(
        scene,
        bands=names,
        offset=offset,
        scale=scale,
        nodata=nodata,
        reflectance_max=chosen.reflectance_max,
    ) as opened:
        upscale_scene(opened, chosen, _machine(), out, dtype is SceneType.reflectance, tile)


@app.command()
def predict(
    scene: Annotated[
        Path,
        typer.Argument(metavar="SCENE", help="A GeoTIFF, a folder of bands, a Sentinel-2 .SAFE or its zip."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The map: .gpkg, .geojson or .tif.")],
    model: Annotated[Path, typer.Option(help="The trained classifier.")] = Path("models/classifier"),
    upscaler: Annotated[Path, typer.Option(help="The upscaler's weights.")] = Path("models/upscaler"),
    bands: Bands = None,
    offset: Offset = None,
    scale: Scale = None,
    nodata: Nodata = None,
    stride: Annotated[
        str, typer.Option(help="From tile to tile: full, half (a smoother map) or pixels.")
    ] = "full",
    shift: Annotated[int, typer.Option(min=0, help="Pixels left out before the first tile.")] = 0,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Probability that makes a label, else model_card.json's, else 0.5."),
    ] = None,
    valid: Annotated[float, typer.Option(min=0, max=1, help="Share of data that a tile needs.")] = 0.95,
    figure: Annotated[Path | None, typer.Option(help="Draw the map beside the scene, as PNG.")] = None,
) -> None:
    """A map of your scene: the 19 labels' probabilities of each tile of 1.2 km.

    Needs no DVC and no git, only models/ of a repository: dvc get REPOSITORY models
    """
    from srscene.runtime.device import pick_device
    from srscene.scene.classifier import load, threshold_of
    from srscene.scene.predict import Tiling, predict_scene
    from srscene.scene.source import open_scene

    if threshold is None:
        threshold = threshold_of(model)
    chosen = load(model, upscaler, pick_device())
    names = bands.split(",") if bands else None
    with open_scene(
        scene,
        bands=names,
        offset=offset,
        scale=scale,
        nodata=nodata,
        reflectance_max=chosen.images.reflectance_max,
    ) as opened:
        predict_scene(opened, chosen, _machine(), out, Tiling(stride, shift, valid), threshold, figure)


def _machine() -> Machine:
    """Return params.yaml's section; a scene needs no params.yaml, nor minds another project's."""
    from srscene.scene.model import own_params

    values = own_params()
    return params.validated(values["machine"], "machine", Machine) if values else AUTO


def run() -> None:
    """Run the command line; bad input or a full memory ends it with one line."""
    run_stage(app)


if __name__ == "__main__":
    run()
