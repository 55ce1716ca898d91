import pytest
import torch

from serflow.training import checkpoint


def test_a_state_comes_back_for_its_own_key_alone(tmp_path):
    path = tmp_path / "a" / "x.pt"
    state = {"network": {"w": torch.arange(3.0)}, "epoch": 4, "history": [{"loss": float("nan"), "epoch": 1}]}
    checkpoint.save(path, "mine", state)
    found, sentence = checkpoint.load(path, "mine")
    assert found is not None
    assert torch.equal(found["network"]["w"], torch.arange(3.0))
    assert found["epoch"] == 4
    assert sentence == f"resuming after epoch 4 from {path}"
    found, sentence = checkpoint.load(path, "yours")
    assert found is None
    assert "other settings, data or code" in sentence
    assert str(path) in sentence


def test_no_checkpoint_is_said(tmp_path):
    assert checkpoint.load(tmp_path / "x.pt", "mine") == (None, "starting from epoch 1 (no checkpoint)")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not whole", b"text"])
def test_a_file_that_is_no_checkpoint_is_said(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    found, sentence = checkpoint.load(path, "mine")
    assert found is None
    assert f"{path} cannot be read" in sentence


def test_a_killed_save_leaves_the_earlier_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    checkpoint.save(path, "mine", {"epoch": 1})

    def dies(value, target):
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, "mine", {"epoch": 2})
    assert checkpoint.load(path, "mine")[1] == f"resuming after epoch 1 from {path}"
    assert list(tmp_path.iterdir()) == [path]
