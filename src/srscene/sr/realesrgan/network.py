"""BasicSR's RRDBNet, as large as its checkpoint says."""

import re
from pathlib import Path

from srscene.console import BadInput
from srscene.sr.basicsr_shim import RRDBNet
from srscene.sr.checkpoints import State, load_strictly


def build(state: State, file: Path) -> RRDBNet:
    """Return the ×4 network with these weights; raises BadInput when they are not an RRDBNet's."""
    if "conv_first.weight" not in state or "body.0.rdb1.conv1.weight" not in state:
        found = ", ".join(list(state)[:3])
        raise BadInput(f"{file}: no RRDBNet: expected body.0.rdb1.conv1.weight, found {found}…")
    blocks = {match[1] for name in state if (match := re.match(r"body\.(\d+)\.", name))}
    network = RRDBNet(
        num_in_ch=3,
        num_out_ch=3,
        scale=4,
        num_feat=state["conv_first.weight"].shape[0],
        num_block=len(blocks),
        num_grow_ch=state["body.0.rdb1.conv1.weight"].shape[0],
    )
    load_strictly(network, state, file)
    return network
