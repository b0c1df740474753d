"""Whether a scene looks like what the model was trained on."""

import numpy as np

from srscene.classify.statistics import Statistics
from srscene.scene.familiarity import compare, distances

SEEN = Statistics(160, (73.0, 80.0, 56.0), (25.0, 20.0, 0.2))


def test_distances_are_in_standard_deviations_of_a_level_at_least() -> None:
    found = distances(np.array([[73, 80, 56], [98, 40, 57.5]]), SEEN)
    np.testing.assert_allclose(found, [[0, 0, 0], [1, -2, 1.5]], atol=1e-6)


def test_a_scene_like_the_training_images_is_no_warning() -> None:
    said = compare(np.array([[70, 85, 56], [80, 81, 56]]), SEEN)
    assert "warning" not in said
    assert "B04 75 against 73 ± 25, +0.1 sd" in said
    assert "0 of 2 tiles" in said


def test_a_foreign_scene_is_a_warning_with_the_numbers() -> None:
    said = compare(np.array([[200, 210, 56], [73, 210, 56]]), SEEN)
    assert said.startswith("warning: the scene lies outside of what the model saw")
    assert "B03 210 against 80 ± 20, +6.5 sd" in said
    assert "2 of 2 tiles lie more than 3 sd away" in said


def test_foreign_tiles_of_a_familiar_scene_are_counted() -> None:
    said = compare(np.array([[73, 80, 56]] * 9 + [[200, 80, 56]]), SEEN)
    assert "warning" not in said
    assert "1 of 10 tiles lie more than 3 sd away" in said
