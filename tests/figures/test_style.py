import pytest

from serflow.figures.style import SYNTHETIC, new_figure, place_legend, save, style


def draw(title="a title", names=("one", "two")):
    with style():
        figure = new_figure(4, 3)
        axes = figure.subplots()
        for n, name in enumerate(names):
            axes.plot([0, 1], [n, n], label=name)
        place_legend(figure)
        if title:
            figure.suptitle(title)
    return figure


def test_the_same_figure_gives_the_same_bytes_without_a_date(tmp_path):
    for stem in ("a", "b"):
        save(draw(), tmp_path / stem, synthetic=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg", "b.png", "b.svg"]
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert "<dc:date>" not in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("title", ["", "a title"])
def test_synthetic_data_is_named_above_the_title_and_nothing_is_cut_off(tmp_path, title, texts_of, assert_whole):
    save(draw(title), tmp_path / "real", synthetic=False)
    save(draw(title), tmp_path / "made", synthetic=True)
    assert "SYNTHETIC" not in " ".join(texts_of(tmp_path / "real"))
    assert " ".join([SYNTHETIC, title]).strip() in " ".join(texts_of(tmp_path / "made"))
    assert_whole(tmp_path / "made")


def test_a_legend_has_each_name_once_and_breaks_long_ones(tmp_path, texts_of, assert_whole):
    long = "a name that is much longer than half of the figure is wide, which has to be broken"
    figure = draw(names=("b", long, "b", "a"))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [" ".join(text.split()) for text in texts] == ["b", long, "a"]
    save(figure, tmp_path / "figure", synthetic=False)
    assert_whole(tmp_path / "figure")
