"""ImageNet weights: which files there are, and fetching one, verified. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serflow.errors import ConfigError, DownloadError, WeightsError

#: torchvision's IMAGENET1K_V1 weights. The file name ends in the first eight digits of the SHA-256.
IMAGENET = {
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
}
CHOICES = "Set `pretrained:` in config.yaml to a copy of the file, or to `none` for random weights (a deviation)."


def file_name(model: Mapping[str, Any]) -> str:
    """Return the name of a system's ImageNet weights file, such as ``resnet18-f37072fd.pth``.

    Raises
    ------
    ConfigError
        If there are none for its architecture.
    """
    name = f"{model['module']}{model.get('depth', '')}"
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
