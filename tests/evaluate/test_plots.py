"""Which line of the precision-recall figure is which class."""

import numpy as np
from matplotlib import pyplot as plt

from srscene.core.classes import CLASSES, short_label
from srscene.evaluate.curve import Curve
from srscene.evaluate.plots import ClassCurve, _named_lines


def test_each_class_has_a_look_of_its_own_and_its_name_where_its_line_ends() -> None:
    random = np.random.default_rng(0)
    classes = []
    for number, name in enumerate(CLASSES):
        curve = Curve(np.array([0.2, 0.6, 1]), random.random(3), np.array([0.9, 0.5, 0.1]))
        classes.append(ClassCurve(short_label(name), number / 100, curve))
    figure, axes = plt.subplots()
    _named_lines(axes, classes)
    *names, _ = axes.texts
    lines, leaders = axes.lines[::2], axes.lines[1::2]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in lines}) == 19
    by_label = {line.name: line for line in classes}
    for line, leader, name in zip(lines, leaders, names, strict=True):
        of = by_label[name.get_text().rsplit(" ", 1)[0]]
        assert line.get_ydata()[-1] == leader.get_ydata()[0] == of.curve.precision[-1]
        assert leader.get_ydata()[-1] == name.get_position()[1]
        assert name.get_text().endswith(f"{of.ap:.2f}")
        assert (name.get_fontweight() == "bold") == (of.ap in (0, 0.01, 0.02, 0.16, 0.17, 0.18))
    heights = [name.get_position()[1] for name in names]
    assert np.diff(heights).min() > 0.05
    plt.close(figure)


def test_no_class_and_one_are_drawn() -> None:
    figure, axes = plt.subplots()
    _named_lines(axes, [])
    assert not axes.lines
    _named_lines(axes, [ClassCurve("Pastures", 0.5, Curve(*np.full((3, 1), 0.5)))])
    assert axes.texts[-2].get_text() == "Pastures 0.50"
    plt.close(figure)
