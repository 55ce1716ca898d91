"""LSTMs on a GPU; on a CPU they are torch's own."""

import pytest
import torch
from torch import nn

from serflow.models.lstm import run_lstm


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_small_gradients_do_not_vanish():
    """In fp16, in which autocast would compute, the smallest number is 6e-8."""
    lstm = nn.LSTM(4, 3, batch_first=True, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        outputs, _ = run_lstm(lstm, torch.randn(2, 5, 4, device="cuda", dtype=torch.bfloat16))
        assert outputs.dtype == torch.float32
        (1e-9 * outputs.sum()).backward()
    assert lstm.weight_ih_l0.grad.abs().max() > 0
