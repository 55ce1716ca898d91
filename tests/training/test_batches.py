import numpy as np
import pytest

from serflow.training.batches import split_batches


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (4, [4]), (5, [5]), (6, [4, 2]), (8, [4, 4]), (9, [4, 5])])
def test_every_item_comes_once_and_no_batch_of_one_is_left_for_batch_normalisation(n, sizes):
    batches = split_batches(np.arange(n)[::-1], 4)
    assert [len(batch) for batch in batches] == sizes
    assert list(np.concatenate(batches)) == list(range(n))[::-1]
