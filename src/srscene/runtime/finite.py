"""Watches a training for numbers that are not finite, without making a GPU wait at every step."""

from collections.abc import Iterable

import torch

_NEVER = 1 << 62


class FirstStep:
    """The first step at which something was not finite, kept on the device."""

    def __init__(self, device: torch.device) -> None:
        self.number = torch.full((), _NEVER, device=device)
        """As a tensor, so that processes can compare theirs."""

    def note(self, step: int, values: Iterable[torch.Tensor]) -> None:
        """Remember `step`, unless there was an earlier one, where any of `values` is not finite."""
        sound = torch.stack([value.isfinite().all() for value in values]).all()
        self.number = torch.where(sound, self.number, self.number.clamp(max=step))


def first_of(number: torch.Tensor) -> int | None:
    """Return the step, from 0, or None where there was none; the first of several. Waits for a GPU."""
    first = int(number.min())
    return first if first < _NEVER else None
