"""ImageNet weights: fetched once, verified, and laid into a network whose last layer is new."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serflow.errors import ConfigError, DownloadError, WeightsError
from serflow.io.files import digest_file

if TYPE_CHECKING:
    from torch import nn

#: torchvision's IMAGENET1K_V1 weights. The file name ends in the first eight digits of the SHA-256.
IMAGENET = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
}
CHOICES = "Set `pretrained:` in config.yaml to a copy of the file, or to `none` for random weights (a deviation)."


def file_name(model: Mapping[str, Any]) -> str:
    """Return the name of a system's ImageNet weights file, such as ``resnet18-f37072fd.pth``."""
    name = f"{model['module']}{model.get('depth', '')}"
    if name not in IMAGENET:
        raise ConfigError("model.pretrained", f"there are no ImageNet weights for {name}", f"There are for {_known()}.")
    return Path(IMAGENET[name]).name


def fetch(name: str, destination: Path) -> None:
    """Download the weights file `name` to `destination`, verified by the SHA-256 prefix that its name carries.

    Raises
    ------
    WeightsError
        If it cannot be downloaded or is not what was published.
    """
    from serflow.io import download

    url = next((url for url in IMAGENET.values() if url.endswith(f"/{name}")), None)
    if url is None:
        raise WeightsError(
            name, "is no file of ImageNet weights", f"There are {', '.join(map(_url_name, IMAGENET.values()))}."
        )
    try:
        download.fetch(url, destination, "sha256", _prefix(name), CHOICES)
    except DownloadError as error:
        raise WeightsError(
            error.where, f"ImageNet weights cannot be downloaded: {error.fault}", error.remedy
        ) from error


def load(network: nn.Module, path: Path) -> None:
    """Copy the weights file into `network`, all but its last layer ``fc``, which keeps its random weights.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, or belongs to another network.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        fault = f"cannot be read as weights ({type(error).__name__}: {str(error).splitlines()[0]})"
        raise WeightsError(path, fault, CHOICES) from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(path, "holds something else than named tensors", CHOICES)
    if path.name in map(_url_name, IMAGENET.values()) and not digest_file(path).startswith(_prefix(path.name)):
        raise WeightsError(
            path, f"its SHA-256 does not start with {_prefix(path.name)}", "Delete it, so that it is fetched again."
        )
    own = network.state_dict()
    fitting = {key: value for key, value in state.items() if not key.startswith("fc.")}
    # Files from before torch 0.4.1 count no batches; torch itself takes zeros for them.
    needed = {key for key in own if not key.startswith("fc.") and not key.endswith("num_batches_tracked")}
    missing, unknown = needed - set(fitting), set(fitting) - set(own)
    wrong = sorted(missing | unknown | {key for key in set(fitting) & set(own) if own[key].shape != fitting[key].shape})
    if wrong:
        raise WeightsError(
            path, f"does not fit the network: {wrong[0]} and {len(wrong) - 1} more tensors differ", CHOICES
        )
    network.load_state_dict(fitting, strict=False)


def _known() -> str:
    return ", ".join(IMAGENET)


def _prefix(name: str) -> str:
    return Path(name).stem.rpartition("-")[2]


def _url_name(url: str) -> str:
    return Path(url).name
