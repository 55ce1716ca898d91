"""Pretrained encoders: folders in Hugging Face's format, known by what they hold and not by where they are.

Nothing heavy is imported: a dry run asks for their digests. A job finds them by the environment variable `FOLDERS`,
since what stands in a rule's params would repeat it when a folder is moved.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serflow.errors import WeightsError
from serflow.io.files import digest_file, digest_value

#: Environment variable: the folders of encoders, separated as in PATH.
FOLDERS = "SERFLOW_ENCODERS"
#: ``model_type`` in an encoder's config.json -> transformers' classes that are the encoder alone, and make its input.
CLASSES = {
    "data2vec-audio": ("Data2VecAudioModel", "Wav2Vec2FeatureExtractor"),
    "hubert": ("HubertModel", "Wav2Vec2FeatureExtractor"),
    "wav2vec2": ("Wav2Vec2Model", "Wav2Vec2FeatureExtractor"),
    "wavlm": ("WavLMModel", "Wav2Vec2FeatureExtractor"),
    "whisper": ("WhisperForAudioClassification", "WhisperFeatureExtractor"),
}
#: What a digest starts with. A recipe as it is run has one for ``weights``, a paper file a name of `encoders`.
DIGEST = "sha256:"
#: Of all these encoders.
FRAMES_PER_SECOND = 50
SETTINGS = ("config.json", "preprocessor_config.json")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_CONVERT = "Convert the weights (docs/features.md): files that can hold code are not read."


def identify(folder: Path | str) -> str:
    """Return the digest of what is read of an encoder's folder, ``sha256:`` and 64 digits; a GB takes about a second.

    Raises
    ------
    WeightsError
        If a file is missing or cannot be read, or it is an encoder that is none of `CLASSES`.
    """
    return _identify(Path(folder).resolve())


@functools.cache
def _identify(folder: Path) -> str:
    try:
        return DIGEST + digest_value({path.name: digest_file(path) for path in list_files(folder)})
    except OSError as error:
        raise WeightsError(folder, f"cannot be read ({error})", "Check the folder and its permissions.") from error


def list_files(folder: Path) -> list[Path]:
    """Return the files that are read of a folder: settings, and weights in one file or in several with their index.

    See `identify` for errors.
    """
    for name in SETTINGS:
        if not (folder / name).is_file():
            fault = f"holds no {name}" if folder.is_dir() else "is no folder"
            raise WeightsError(folder, fault, "Name a model's folder in Hugging Face's format.")
    family_of(folder)
    weights = [folder / WEIGHTS]
    if not weights[0].is_file():
        if not (folder / INDEX).is_file():
            raise WeightsError(folder, f"holds neither {WEIGHTS} nor {INDEX}", _CONVERT)
        named = _read(folder / INDEX).get("weight_map", {})
        weights = [folder / INDEX, *(folder / name for name in sorted(set(named.values())))]
    for path in weights:
        if not path.is_file():
            raise WeightsError(folder, f"holds no {path.name}, which {INDEX} names", "Fetch the folder again.")
    return [*(folder / name for name in SETTINGS), *weights]


def family_of(folder: Path) -> str:
    """Return an encoder's ``model_type``, one of `CLASSES`; see `identify` for errors."""
    family = _read(folder / SETTINGS[0]).get("model_type")
    if family not in CLASSES:
        raise WeightsError(folder / SETTINGS[0], f"model_type is {family!r}", f"Allowed: {', '.join(CLASSES)}.")
    return str(family)


def width_of(folder: Path) -> int:
    """Return the number of values of a frame of hidden states; see `identify` for errors."""
    settings = _read(folder / SETTINGS[0])
    return int(settings.get("hidden_size") or settings["d_model"])  # the latter is Whisper's


def _read(path: Path) -> Mapping[str, Any]:
    """Return a mapping that a JSON file holds."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(path, f"is no JSON ({error})", "Fetch the folder again.") from error
    if not isinstance(content, dict):
        raise WeightsError(path, "is no mapping", "Fetch the folder again.")
    return content


def find(weights: str) -> Path:
    """Return the folder, of those that `FOLDERS` names, whose digest is `weights`.

    Raises
    ------
    WeightsError
        If none is.
    """
    folders = [folder for folder in os.environ.get(FOLDERS, "").split(os.pathsep) if folder]
    for folder in folders:
        if identify(folder) == weights:
            return Path(folder)
    fault = f"the encoder {weights[: len(DIGEST) + 8]} is in none of its folders ({', '.join(folders) or 'none given'})"
    raise WeightsError(FOLDERS, fault, f"Set {FOLDERS} in the environment to its folder.")
