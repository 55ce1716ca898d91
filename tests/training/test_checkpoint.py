import hashlib
import io
import pickle
import random
from pathlib import Path

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
    assert checkpoint.load(tmp_path / "none.pt", "mine") == (None, "starting from epoch 1 (no checkpoint)")


def test_any_changed_byte_is_noticed_and_the_checkpoint_before_is_taken(tmp_path):
    path, draw = tmp_path / "x.pt", random.Random(0)
    for epoch in (1, 2):
        checkpoint.save(path, "mine", {"epoch": epoch, "network": {"w": torch.full((100,), float(epoch))}})
    whole = path.read_bytes()
    places = [0, len(whole) - 1, *draw.sample(range(len(whole)), 50)]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        found, sentence = checkpoint.load(path, "mine")
        assert found is not None
        assert (found["epoch"], float(found["network"]["w"][0])) == (1, 1.0)
        assert "resuming after epoch 1" in sentence
        assert f"{path} is damaged" in sentence
    for length in range(0, len(whole), 397):
        path.write_bytes(whole[:length])
        assert "resuming after epoch 1" in checkpoint.load(path, "mine")[1]


def test_no_checkpoint_is_left_of_a_finished_run(tmp_path):
    path = tmp_path / "x.pt"
    for epoch in (1, 2, 3):
        checkpoint.save(path, "mine", {"epoch": epoch})
    assert len(list(tmp_path.iterdir())) == 2
    checkpoint.remove(path)
    assert not list(tmp_path.iterdir())


def test_a_killed_save_leaves_the_earlier_checkpoints(tmp_path, monkeypatch):
    path = tmp_path / "x.pt"
    for epoch in (1, 2):
        checkpoint.save(path, "mine", {"epoch": epoch})
    before = sorted(tmp_path.iterdir())

    def dies(value, target):
        target.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, "mine", {"epoch": 9})
    assert checkpoint.load(path, "mine")[1] == f"resuming after epoch 2 from {path}"
    assert sorted(tmp_path.iterdir()) == before


def test_killed_between_the_two_moves_of_a_save_the_checkpoint_before_is_taken(tmp_path):
    path = tmp_path / "x.pt"
    checkpoint.save(path, "mine", {"epoch": 1})
    path.rename(tmp_path / "x.previous.pt")
    assert checkpoint.load(path, "mine")[1] == f"resuming after epoch 1 from {tmp_path / 'x.previous.pt'}"


class Payload:
    """What a pickle that runs code looks like: unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def saved_by_torch(value):
    torch.save(value, buffer := io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize(
    "make",
    [
        lambda victim: pickle.dumps(Payload(victim), protocol=2),
        lambda victim: saved_by_torch({"key": "mine", "epoch": 9, "network": Payload(victim)}),
        lambda victim: saved_by_torch({"epoch": 9}),
        lambda victim: saved_by_torch({"key": "mine"}),
        lambda victim: saved_by_torch([1, 2]),
        lambda victim: b"",
        lambda victim: b"PK no archive",
    ],
    ids=["pickle", "torch with code", "without key", "without epoch", "list", "nothing", "no archive"],
)
def test_content_under_a_right_digest_that_is_no_checkpoint_is_damage_and_never_run(tmp_path, make):
    path, victim = tmp_path / "x.pt", tmp_path / "executed"
    checkpoint.save(path, "mine", {"epoch": 1})
    checkpoint.save(path, "mine", {"epoch": 2})
    content = make(victim)
    path.write_bytes(hashlib.sha256(content).digest() + content)
    state, sentence = checkpoint.load(path, "mine")
    assert state is not None
    assert state["epoch"] == 1
    assert sentence == f"resuming after epoch 1 from {tmp_path / 'x.previous.pt'}; the checkpoint {path} is damaged"
    assert not victim.exists()


def test_with_both_checkpoints_damaged_training_starts_anew_and_says_so(tmp_path):
    path = tmp_path / "x.pt"
    for epoch in (1, 2):
        checkpoint.save(path, "mine", {"epoch": epoch})
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    told = [f"the checkpoint {file} is damaged" for file in (path, tmp_path / "x.previous.pt")]
    assert checkpoint.load(path, "mine") == (None, f"starting from epoch 1: {'; '.join(told)}")
