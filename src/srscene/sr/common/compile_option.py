"""What the sections `upscalers.<name>.upscale` of plain networks share; quick to import."""

from srscene.runtime.params import Section


class Compilable(Section):
    compile: bool
    """torch.compile, for each size of batch that comes."""
