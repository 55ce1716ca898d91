import pytest

from serflow.figures.published import plot_published

FIGURE = {"figure": "Figure 4", "kind": "confusion", "title": "best", "corpus": "ravdess", "systems": ["d"]}


@pytest.mark.parametrize(("part", "shown"), [({}, "100.0 %"), ({"part": "validation"}, "50.0 %")])
def test_the_part_that_is_asked_for_is_counted(make_record, make_run, tmp_path, texts_of, part, shown):
    run = make_run(
        [
            ("u1", "test", "calm", "calm"),
            ("u2", "validation", "calm", "calm"),
            ("u3", "validation", "calm", "happy"),
        ]
    )
    record = make_record(figures=[FIGURE | {"protocol": "published"} | part])
    plot_published(record, "figure_4", tmp_path / "figure", runs=[run])
    texts = texts_of(tmp_path / "figure")
    assert shown in texts
    assert f"{part.get('part', 'test')} part of 1 run" in " ".join(texts)
