from serflow.figures.kinds.labels import draw


def test_stacked_counts_of_the_corpora_add_up_to_the_printed_totals():
    axes = draw({"a": {"happy": 3}, "b": {"happy": 4, "sad": 1}}, {"happy": 7, "sad": 2}, "toy").axes[0]
    assert [text.get_text() for text in axes.texts] == ["7", "2", "7", "1"]
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[7, 2], [3, 0], [4, 1]]
