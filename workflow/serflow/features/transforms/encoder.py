"""Hidden states of a frozen, pretrained encoder, computed by transformers, which the extra `features` installs.

The weights come from a local folder (`serflow.features.encoders`); nothing is ever downloaded, and no code or pickle of
the folder is read. Recordings go through the encoder one at a time: in a batch the padding of a shorter one changes its
numbers, as wav2vec 2.0 base and HuBERT base normalise their first layer over time, padding included.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from serflow.errors import ConfigError, CorpusError, WeightsError
from serflow.features.encoders import CLASSES, family_of, find
from serflow.types import Count, Index, Text

#: What it needs beside serflow's own libraries.
EXTRA = "transformers torch"

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # which huggingface_hub reads when it is imported
try:
    import transformers as library
except ModuleNotFoundError as error:
    fault = "the transform encoder needs the library transformers, which is not installed"
    raise ConfigError("", fault, "Install the extra: pip install -r requirements-features.lock") from error

#: Tensors that are not used here, so that a folder may lack them: the classifier on Whisper's encoder, and what stands
#: for masked frames while an encoder is trained.
UNUSED = ("classifier.", "projector.", "masked_spec_embed")
#: Samples per frame, of all these encoders.
HOP_LENGTH = 320


class Encoder(NamedTuple):
    """An encoder in evaluation mode, and what makes its input: of Whisper the log-mel spectrogram of 30 s."""

    network: Any
    extractor: Any

    @property
    def hears(self) -> int | None:
        """How many samples it takes at most; None: any number."""
        return getattr(self.extractor, "n_samples", None)


def encoder(
    signal: np.ndarray,
    *,
    sample_rate: Count,
    weights: Text,
    layer: Index | Literal["last", "all"],
    pooled: bool,
    normalise: bool,
    device: str = "cpu",
) -> np.ndarray:
    """Return the hidden states of an encoder, as transformers computes them in float32.

    Parameters
    ----------
    signal
        Shape (n_samples,), mono at `sample_rate` Hz.
    sample_rate
        Sampling rate of the signal, in Hz: that of the encoder, 16000.
    weights
        One of `encoders` in config.yaml, such as wav2vec2_base.
    layer
        0: what goes into the first layer; n: what comes out of the n-th one; `all`: each of these (goes with pooled).
    pooled
        Take the mean over time: one frame per recording, or with `layer: all` one per layer.
    normalise
        Bring all values of a recording (of each layer) to mean 0 and deviation 1, before pooling.
    device
        What it computes on, as torch names it.

    Returns
    -------
    numpy.ndarray
        Shape (n_frames, width), float32; a frame lasts 20 ms. Of Whisper's 30 s only the frames of the signal are kept.

    Raises
    ------
    ConfigError, WeightsError
        See `prepare`.
    CorpusError
        If the signal is too short for one frame, or too long for Whisper or the memory of the GPU.
    """
    taken = prepare(sample_rate=sample_rate, weights=weights, layer=layer, device=device)
    states = _encode(taken, signal, sample_rate, layer)
    if normalise:
        states = torch.nn.functional.layer_norm(states, states.shape[1:])
    if pooled:
        states = states.mean(dim=1, keepdim=True)
    return np.ascontiguousarray(states.flatten(0, 1).cpu().numpy())  # all layers, each one pooled, or all frames of one


def prepare(*, sample_rate: int, weights: str, layer: int | str, device: str = "cpu", **_others: Any) -> Encoder:
    """Return an encoder by the digest of its folder, on a device; it is loaded once per process.

    Raises
    ------
    ConfigError
        If it has no such layer, or takes another sampling rate.
    WeightsError
        If its folder is not known, lacks something or is damaged.
    """
    found = _load(weights, device)
    if found.extractor.sampling_rate != sample_rate:
        fault = f"is {sample_rate}, the encoder's is {found.extractor.sampling_rate}"
        raise ConfigError("recipe.sample_rate", fault, "Write the encoder's.")
    n_layers = found.network.config.num_hidden_layers
    if not isinstance(layer, str) and layer > n_layers:
        raise ConfigError("recipe.layer", f"is {layer}, the encoder has {n_layers}", f"Allowed: 0 to {n_layers}.")
    return found


@functools.cache
def _load(weights: str, device: str) -> Encoder:
    """Return an encoder from local files that hold no code."""
    library.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    folder = find(weights)
    network, extractor = (getattr(library, name) for name in CLASSES[family_of(folder)])
    options = {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
    try:
        made = extractor.from_pretrained(folder, local_files_only=True)
        with _one_thread():
            loaded, report = network.from_pretrained(folder, local_files_only=True, **options)
    except Exception as error:  # half a dozen kinds for a damaged folder
        fault = f"cannot be read as an encoder ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        raise WeightsError(folder, fault, "Fetch the folder again.") from error
    lacking = sorted(key for key in report["missing_keys"] if not any(part in key for part in UNUSED))
    if lacking or report["mismatched_keys"]:
        fault = f"lacks {lacking[0]} and {len(lacking) - 1} more tensors" if lacking else "has tensors of other shapes"
        raise WeightsError(folder, fault, "Its config.json and its weights do not go together: fetch it again.")
    return Encoder(loaded.eval().to(device), made)


def _encode(taken: Encoder, signal: np.ndarray, sample_rate: int, layer: int | str) -> torch.Tensor:
    """Return the hidden states of a layer or of all, shape (n_layers, n_frames, width)."""
    n_frames = len(signal) // HOP_LENGTH
    if taken.hears and len(signal) > taken.hears:
        fault = f"lasts {len(signal) / sample_rate:.1f} s, Whisper hears {taken.hears // sample_rate} s"
        raise CorpusError("a recording", fault, "Set `segment_seconds: 30` in the recipe, or leave it out.")
    if n_frames < 2:  # convolutions see 400 samples at a time
        raise CorpusError("a recording", f"has {len(signal)} samples, too few for a frame", "Leave it out.")
    torch.backends.cudnn.allow_tf32 = False  # of a GPU's convolutions, which would round to 10 bits
    try:
        with torch.inference_mode(), _one_thread():
            inputs = taken.extractor(signal, sampling_rate=sample_rate, return_tensors="pt").to(taken.network.device)
            states = taken.network(**inputs, output_hidden_states=True).hidden_states
    except torch.OutOfMemoryError as error:
        fault = f"lasts {len(signal) / sample_rate:.1f} s, too long for the memory of {taken.network.device}"
        raise CorpusError("a recording", fault, "Set `segment_seconds` in the recipe, or `device: cpu`.") from error
    chosen = states if layer == "all" else [states[-1 if layer == "last" else int(layer)]]
    kept = torch.stack([state[0] for state in chosen])
    return kept[:, :n_frames] if taken.hears else kept


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: a forked worker waits forever for threads that its parent has started."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
