from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from serflow.figures.dumbbell import LIMITS, Point, draw, make_point, row_height
from serflow.figures.style import new_figure, style


@settings(max_examples=12, deadline=None)
@given(st.lists(st.lists(st.none() | st.integers(0, 1000), min_size=4, max_size=4), min_size=1, max_size=4))
def test_numbers_never_overlap_nor_leave_the_axes(rows):
    with style():
        figure = new_figure(3.0, row_height(4) * len(rows))
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))  # a panel of the comparison is 3 inches wide
        for y, values in enumerate(rows):
            points = [
                None if x is None else Point(x / 10, "x", max(0, x / 10 - 5), min(100, x / 10 + 5)) for x in values
            ]
            draw(axes, points, y)
        axes.set(xlim=LIMITS, ylim=(len(rows) - 0.5, -0.5))
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == sum(x is not None for values in rows for x in values)
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    for box in boxes:
        assert axes.bbox.x0 <= box.x0
        assert box.x1 <= axes.bbox.x1


def test_a_point_is_a_fraction_in_per_cent_and_has_an_interval_only_if_both_ends_are_known():
    assert make_point("x", None, 0.1, 0.2) is None
    assert make_point("x", 0.5, 0.25, 0.75, ("red", "o")) == Point(50, "x", 25, 75, "red", "o")
    assert make_point("x", 0.5, 0.25, None) == Point(50, "x")
