"""What the sections `upscalers.<name>.upscale` of plain networks share; quick to import."""

from srscene.core.params import Section


class Compilable(Section):
    compile: bool
    """torch.compile, on a GPU with CUDA graphs: a minute or more once, then faster batches."""
