"""python docs/contact_sheet.py: draws docs/contact_sheet.jpg, the first synthetic patches at 2.5 m.

They are drawn with the settings of params.yaml; the first 24 hold each kind of landscape twice.
"""

import textwrap
from pathlib import Path

from matplotlib import pyplot as plt
from PIL import Image

from srscene.core.classes import decode, encode, short_label
from srscene.raw.landscape.options import SyntheticOptions
from srscene.raw.landscape.synthesize import sample, to_8_bits
from srscene.runtime import params
from srscene.runtime.console import run_stage

ROWS, COLUMNS = 4, 6
DPI = 100


def main() -> None:
    options = params.read("datasets.synthetic", SyntheticOptions)
    figure, axes = plt.subplots(ROWS, COLUMNS, figsize=(13, 10), layout="constrained")
    for index, ax in enumerate(axes.flat):
        patch = sample(options, index)
        image = Image.fromarray(to_8_bits(patch.truth, options.reflectance_max))
        ax.imshow(image.resize((200, 200), Image.Resampling.BOX))
        ax.set_axis_off()
        names = " · ".join(map(short_label, decode(encode(patch.labels))))
        ax.set_title(textwrap.fill(names, 42), fontsize=6.5, loc="left", pad=2)
    figure.savefig(Path(__file__).with_suffix(".jpg"), dpi=DPI, pil_kwargs={"quality": 90})


if __name__ == "__main__":
    run_stage(main)
