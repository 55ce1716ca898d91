"""Weights to start from: ImageNet's, fetched and verified, or a file of the user's own. Needs no torch."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serflow.errors import ConfigError, DownloadError, WeightsError
from serflow.io.files import digest_file

#: torchvision's IMAGENET1K_V1 weights. The file name ends in the first eight digits of the SHA-256.
IMAGENET = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
}
#: Values of `pretrained` that are no file.
WORDS = ("imagenet", "none")
CHOICES = "Set `pretrained:` in config.yaml to a copy of the file, or to `none` for random weights (a deviation)."


def network_name(model: Mapping[str, Any]) -> str:
    """Return what a model's weights are called by, such as ``resnet18``."""
    return f"{Path(model.get('module', '')).stem}{model.get('depth', '')}"


def identify(pretrained: str) -> str:
    """Return what a value of `pretrained` can change in a run: one of `WORDS` as it is, of a file its SHA-256."""
    return pretrained if pretrained in WORDS else f"sha256:{_digest(pretrained)}"


@functools.cache
def _digest(path: str) -> str:
    return digest_file(path)


def file_name(model: Mapping[str, Any]) -> str:
    """Return the name under which the weights that a model starts from are kept, such as ``resnet18-f37072fd.pth``.

    Raises
    ------
    ConfigError
        If they are ImageNet's and there are none for its architecture.
    """
    name, pretrained = network_name(model), model.get("pretrained", "imagenet")
    if pretrained != "imagenet":
        suffix = ".safetensors" if pretrained.endswith(".safetensors") else ".pth"
        return f"{name}-{_digest(pretrained)[:8]}{suffix}"
    if name not in IMAGENET:
        known = ", ".join(IMAGENET)
        raise ConfigError("model.pretrained", f"there are no ImageNet weights for {name}", f"There are for {known}.")
    return Path(IMAGENET[name]).name


def published_digest(name: str) -> str | None:
    """Return the first digits of the SHA-256 of a published weights file; None of another file."""
    return Path(name).stem.rpartition("-")[2] if name in _urls() else None


def fetch(name: str, destination: Path) -> None:
    """Download the weights file `name` to `destination`, verified by the SHA-256 prefix that its name carries.

    Raises
    ------
    WeightsError
        If it cannot be downloaded or is not what was published.
    """
    # The Snakefile imports this module for `file_name` alone.
    from serflow.io import download

    digest, urls = published_digest(name), _urls()
    if digest is None:
        raise WeightsError(name, "is no file of ImageNet weights", f"There are {', '.join(urls)}.")
    try:
        download.fetch(urls[name], destination, "sha256", digest, CHOICES)
    except DownloadError as error:
        fault = f"ImageNet weights cannot be downloaded: {error.fault}"
        raise WeightsError(error.where, fault, error.remedy) from error


def _urls() -> dict[str, str]:
    return {Path(url).name: url for url in IMAGENET.values()}
