"""Augmentation against torchvision on a known picture, and mixup against its closed form."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from serflow.training import augment
from serflow.training.augment import draw_geometry, make_augment, resample
from serflow.training.options import OF_PICTURES

HEIGHT, WIDTH = 24, 36


@pytest.fixture
def pictures():
    """Three smooth pictures, not square, of different content."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) / HEIGHT, torch.arange(WIDTH) / WIDTH, indexing="ij")
    return torch.stack([((k * x + y**2) % 1.0)[None] * 0.5 + 0.25 * x for k in (1, 2, 3)])


@pytest.fixture
def labels():
    return torch.tensor([0, 2, 1])


def inside(matrix):
    """Pixels whose place in the old picture is well inside it, where no border plays a part."""
    y, x = np.meshgrid(np.arange(HEIGHT) - (HEIGHT - 1) / 2, np.arange(WIDTH) - (WIDTH - 1) / 2, indexing="ij")
    old_x, old_y = np.einsum("ij,jyx->iyx", matrix.numpy(), np.stack([x, y]))
    return torch.from_numpy((abs(old_x) < WIDTH / 2 - 1) & (abs(old_y) < HEIGHT / 2 - 1))


def test_flip_is_torchvisions(pictures, labels):
    flipped, targets = make_augment([{"kind": "flip", "probability": 1.0}], 3)(pictures, labels)
    torch.testing.assert_close(flipped, tv.horizontal_flip(pictures), atol=1e-5, rtol=0)
    assert torch.equal(targets, labels)


@pytest.mark.parametrize(
    ("angle", "scale", "slant"),
    [(10.0, 1.0, 0.0), (90.0, 1.0, 0.0), (0.0, 1.2, 0.0), (0.0, 0.8, 0.0), (0.0, 1.0, 15.0), (12.0, 1.1, 8.0)],
)
def test_rotation_zoom_and_shear_are_torchvisions(pictures, monkeypatch, angle, scale, slant):
    """The draws are set to the upper end of their ranges; torchvision rotates, then slants, then scales."""
    original = torch.Tensor.uniform_
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, low, high: original(self, high, high))
    kinds = {"zoom": {"low": 0.1, "high": scale}, "shear": {"degrees": slant}, "rotate": {"degrees": angle}}
    matrices = draw_geometry(3, kinds)
    bilinear = v2.InterpolationMode.BILINEAR
    theirs = tv.affine(pictures, angle, [0, 0], scale, [slant, 0.0], interpolation=bilinear)
    mask = inside(matrices[0])
    assert mask.sum() > 100
    torch.testing.assert_close(resample(pictures, matrices)[..., mask], theirs[..., mask], atol=1e-4, rtol=0)


def test_places_beyond_the_border_take_its_value():
    picture = torch.arange(8.0).expand(1, 1, 4, 8)
    small = resample(picture, torch.eye(2)[None] * 2)  # half the size
    assert torch.equal(small[0, 0, :, 0], torch.zeros(4))
    assert torch.equal(small[0, 0, :, -1], torch.full((4,), 7.0))


def test_brightness_is_torchvisions(pictures):
    torch.manual_seed(0)
    ours = augment.brightness(pictures, low=0.5, high=2.5)
    torch.manual_seed(0)
    torch.rand(3)
    factors = torch.empty(3).uniform_(0.5, 2.5)
    theirs = torch.stack([tv.adjust_brightness(p, float(f)) for p, f in zip(pictures, factors, strict=True)])
    torch.testing.assert_close(ours, theirs)
    assert ours.max() == 1


def test_mixup_has_its_closed_form(labels):
    """x = w a + (1 - w) b, and the loss of the mixed target is w CE(a) + (1 - w) CE(b)."""
    items = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])  # so the mixed item shows its weights
    torch.manual_seed(2)
    mixed, targets = make_augment([{"kind": "mixup", "alpha": 0.4}], 4)(items, labels)
    torch.testing.assert_close(mixed.sum(1), torch.ones(3))
    torch.manual_seed(2)
    drawn = torch.distributions.Beta(0.4, 0.4).sample((3,))
    weight, other = torch.maximum(drawn, 1 - drawn), torch.randperm(3)
    expected = weight[:, None] * items + (1 - weight[:, None]) * items[other]
    torch.testing.assert_close(mixed, expected)
    logits = torch.randn(3, 4)
    loss = weight * F.cross_entropy(logits, labels, reduction="none")
    loss += (1 - weight) * F.cross_entropy(logits, labels[other], reduction="none")
    torch.testing.assert_close(F.cross_entropy(logits, targets), loss.mean())
    assert (targets.argmax(1) == labels).all()


def test_weights_of_mixup_come_from_a_beta_distribution():
    """Of max(b, 1 - b), b from Beta(1, 1), which is uniform: the mean is 3/4 and the deviation 1/4 / sqrt(3)."""
    items, labels = torch.eye(1000)[:, :, None], torch.zeros(1000, dtype=torch.long)
    torch.manual_seed(0)
    mixed, _ = augment.mixup(items, labels, 2, alpha=1.0)
    weights = mixed.diagonal().flatten()
    assert weights.mean() == pytest.approx(0.75, abs=0.01)
    assert weights.std() == pytest.approx(0.25 / 3**0.5, abs=0.01)


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "flip", "probability": 0.5},
        {"kind": "zoom", "low": 0.7, "high": 1.3},
        {"kind": "shear", "degrees": 20.0},
        {"kind": "rotate", "degrees": 20.0},
        {"kind": "brightness", "low": 0.2, "high": 0.9},
    ],
)
def test_each_picture_has_its_own_draw_and_the_seed_decides_them(entry, labels):
    picture = torch.rand(1, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    batch = picture.expand(16, -1, -1, -1)
    function = make_augment([entry], 3)

    def draw(seed):
        torch.manual_seed(seed)
        return function(batch, labels)[0]

    first = draw(0)
    assert first.shape == batch.shape
    n_different = len(torch.unique((first * 1e3).round(), dim=0))
    assert n_different == 2 if entry["kind"] == "flip" else n_different == 16
    assert torch.equal(first, draw(0))
    assert not torch.equal(first, draw(1))


def test_angles_and_factors_fill_their_ranges():
    """Their middle is the mean."""
    slants = augment.shear(2000, degrees=20.0)[:, 0, 1].atan().rad2deg()
    turned = augment.rotate(2000, degrees=20.0)
    angles = torch.atan2(turned[:, 0, 1], turned[:, 0, 0]).rad2deg()
    factors = 1 / augment.zoom(2000, low=0.5, high=1.5)[:, 0, 0]
    for drawn, low, high in ((slants, -20, 20), (angles, -20, 20), (factors, 0.5, 1.5)):
        found = [float(drawn.min()), float(drawn.mean()), float(drawn.max())]
        assert found == pytest.approx([low, (low + high) / 2, high], abs=0.03 * (high - low))


def test_zoom_takes_one_factor_for_both_axes_or_one_each():
    together = augment.zoom(50, low=0.5, high=2.0)
    apart = augment.zoom(50, low=0.5, high=2.0, per_axis=True)
    assert torch.equal(together[:, 0, 0], together[:, 1, 1])
    assert not torch.isclose(apart[:, 0, 0], apart[:, 1, 1]).any()


@pytest.mark.parametrize("kind", OF_PICTURES)
def test_a_picture_is_changed_with_its_probability(kind):
    """Of 400 pictures 30 % are; without the option all are, but a mirrored one is every other."""
    options = {"zoom": {"low": 2.0, "high": 2.1}, "brightness": {"low": 0.1, "high": 0.2}}
    options |= {name: {"degrees": 30.0} for name in ("shear", "rotate")}
    batch = torch.rand(1, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)).expand(400, -1, -1, -1)

    def changed(**more):
        torch.manual_seed(0)
        entry = {"kind": kind, **options.get(kind, {}), **more}
        found, _ = make_augment([entry], 2)(batch, torch.zeros(400, dtype=torch.long))
        return float((abs(found - batch).amax((1, 2, 3)) > 1e-3).float().mean())

    assert changed(probability=0.3) == pytest.approx(0.3, abs=0.07)
    assert changed() == pytest.approx(0.5 if kind == "flip" else 1.0, abs=0.07)
