import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from serflow.training.batches import draw_order, inverse_weights, split_batches

LABELS = np.array([2, 0, 0, 1, 0, 2, 0, 0, 2, 0, 0])  # seven, one and three


def test_inverse_weights_are_scikit_learns_balanced_ones():
    weights = inverse_weights(LABELS, 3)
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=LABELS)
    np.testing.assert_allclose(weights, theirs, rtol=1e-6)
    np.testing.assert_allclose(weights, [11 / 21, 11 / 3, 11 / 9], rtol=1e-6)
    assert weights.dtype == torch.float32
    assert float(weights[LABELS].mean()) == pytest.approx(1)  # so the learning rate means what it did


def test_a_class_without_items_weighs_nothing():
    np.testing.assert_allclose(inverse_weights(LABELS, 4), [11 / 28, 11 / 4, 11 / 12, 0])


def test_oversampling_repeats_smaller_classes_whole_and_a_random_rest():
    items = np.arange(100, 111)
    torch.manual_seed(0)
    drawn = [draw_order(items, LABELS, oversample=True) for _ in range(50)]
    extra = []
    for order in drawn:
        times = np.array([(order == item).sum() for item in items])
        assert len(order) == 3 * 7
        assert (times[LABELS == 0] == 1).all()
        assert (times[LABELS == 1] == 7).all()
        assert sorted(times[LABELS == 2]) == [2, 2, 3]  # three items, seven draws
        extra.append(int(items[(times == 3) & (LABELS == 2)][0]))
    assert set(extra) == {100, 105, 108}
    assert not np.array_equal(drawn[0], drawn[1])


def test_without_oversampling_each_item_comes_once_in_an_order_that_the_seed_decides():
    orders = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        orders.append(draw_order(np.arange(5, 16), LABELS, oversample=False).tolist())
    assert [sorted(order) for order in orders] == [list(range(5, 16))] * 3
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (4, [4]), (5, [5]), (6, [4, 2]), (8, [4, 4]), (9, [4, 5])])
def test_every_item_comes_once_and_no_batch_of_one_is_left_for_batch_normalisation(n, sizes):
    batches = split_batches(np.arange(n)[::-1], 4)
    assert [len(batch) for batch in batches] == sizes
    assert list(np.concatenate(batches)) == list(range(n))[::-1]
