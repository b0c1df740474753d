"""Tiles cover every cell, and blending equal parts gives them back."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from srscene.sr.seesr.model.tiling import Tiling

SIDES = st.integers(4, 60)


@settings(max_examples=100, deadline=None)
@given(height=SIDES, width=SIDES, size=st.integers(4, 40), data=st.data())
def test_blending_parts_of_a_whole_gives_the_whole(
    height: int, width: int, size: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    tiling = Tiling(height, width, size, overlap)
    whole = torch.randn(2, 4, height, width)
    blended = tiling.blend([whole[:, :, rows, columns] for rows, columns in tiling.boxes])
    torch.testing.assert_close(blended, whole, atol=1e-5, rtol=1e-5)
    if height * width <= size * size:
        assert len(tiling.boxes) == 1
        assert torch.equal(blended, whole)
    else:
        sides = {rows.stop - rows.start for rows, _ in tiling.boxes}
        assert sides == {min(size, height, width)}


def test_official_places() -> None:
    starts = sorted({columns.start for _, columns in Tiling(10, 14, 8, 2).boxes})
    assert starts == [0, 6]
    assert sorted({rows.start for rows, _ in Tiling(10, 14, 8, 2).boxes}) == [0, 2]
    assert sorted({rows.start for rows, _ in Tiling(200, 200, 96, 4).boxes}) == [0, 92, 104]
