"""LSTMs on a GPU."""

from __future__ import annotations

import torch
from torch import nn


def run_lstm(lstm: nn.LSTM, frames: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Return what an LSTM gives, on CUDA always in single precision.

    PyTorch's autocast computes cuDNN's LSTMs in fp16 whatever it is asked for (aten/src/ATen/cudnn/AutocastRNN.cpp).
    In fp16 small gradients vanish unless losses are scaled, which bf16 does not need.
    """
    if not frames.is_cuda:
        return lstm(frames)
    with torch.autocast("cuda", enabled=False):
        return lstm(frames.float())
