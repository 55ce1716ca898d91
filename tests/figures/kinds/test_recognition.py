from serflow.corpora.manifest import read_manifest
from serflow.features.build import build_store
from serflow.figures.published import plot_published

RECIPE = {"transform": "logmel", "sample_rate": 16000, "n_fft": 512, "hop_length": 256, "n_mels": 40}
RECIPE |= {"fmin": 0.0, "fmax": 8000.0, "top_db": 80.0}
PUBLISHED = {"neutral": 0.1027, "calm": 0.8575, "happy": 0.0398}
FIGURE = {"figure": "Figure 3", "kind": "recognition", "title": "calm", "corpus": "ravdess", "recipe": "mel"}
FIGURE |= {"systems": ["d"], "emotion": "calm", "published": PUBLISHED}


def test_every_probability_of_both_stands_beside_the_spectrogram(
    make_record, make_run, tones, tmp_path, texts_of, assert_whole
):
    run, store = make_run([("u3", "test", "calm", "happy"), ("u1", "train", "neutral", "neutral")]), tmp_path / "zarr"
    build_store(RECIPE, read_manifest(tones), tmp_path, store, workers=1)
    record = make_record(figures=[FIGURE], recipes={"mel": RECIPE})
    plot_published(record, "figure_3", tmp_path / "figure", runs=[run], manifests=[tones], features=[store])
    texts = texts_of(tmp_path / "figure")
    assert (texts.count("1.0000"), texts.count("0.0000")) == (1, 2)
    assert {f"{value:.4f}" for value in PUBLISHED.values()} <= set(texts)
    assert "Figure 3: calm. Ours: test utterance u3" in " ".join(texts)
    assert_whole(tmp_path / "figure")
