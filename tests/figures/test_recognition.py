from serflow.corpora.manifest import read_manifest
from serflow.features.build import build_store
from serflow.figures.recognition import plot_recognition

RECIPE = {"transform": "logmel", "sample_rate": 16000, "n_fft": 512, "hop_length": 256, "n_mels": 40}
RECIPE |= {"fmin": 0.0, "fmax": 8000.0, "top_db": 80.0}
PUBLISHED = {"neutral": 0.1027, "calm": 0.8575, "happy": 0.0398}


def test_every_probability_of_both_stands_beside_the_spectrogram(
    make_record, make_run, tones, tmp_path, texts_of, assert_whole
):
    found = [("u3", "test", "calm", "happy"), ("u1", "train", "neutral", "neutral")]
    run = make_run(found, system_config={"recipe": RECIPE})
    store = tmp_path / "features.zarr"
    build_store(RECIPE, read_manifest(tones), tmp_path, store, workers=1)
    posteriors = [{"figure": "Figure 3", "label": "calm", "posteriors": PUBLISHED}]
    record = make_record(published_posteriors=posteriors, synthetic=True)
    plot_recognition(record, "figure_3", run, store, tones, tmp_path / "figure")
    texts = texts_of(tmp_path / "figure")
    assert (texts.count("1.0000"), texts.count("0.0000")) == (1, 2)
    for value in PUBLISHED.values():
        assert f"{value:.4f}" in texts
    for part in ("Figure 3", "test utterance u3", "SYNTHETIC"):
        assert part in " ".join(texts)
    assert_whole(tmp_path / "figure")
