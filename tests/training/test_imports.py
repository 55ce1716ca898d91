import os
import subprocess
import sys
from pathlib import Path

#: Trains three epochs in a process that can import nothing of the workflow but torch and NumPy: what a GPU machine has.
SCRIPT = """
import sys

sys.modules.update(dict.fromkeys({blocked}))  # an import of what is None there fails
from pathlib import Path
import numpy as np
from serflow import models
from serflow.inference import predictor as inference
from serflow.models.architectures import bilstm
from serflow.models.architectures import mittal
from serflow.models.architectures import resnet1d
from serflow.models.architectures import satt
from serflow.models.architectures import svm
from serflow.training import augment, balance, checkpoint, classical, device, fit, inputs, schedule
assert "torch" not in sys.modules, "imported at the top of a module"
import torch
from torch import nn

labels = np.arange(8) % 2
frames = np.repeat(labels * 40.0 - 60, 5)[:, None].repeat(4, 1).astype(np.float32)
parts = {{"train": np.arange(4), "validation": np.array([4, 5]), "test": np.array([6, 7])}}
data = inputs.Dataset(frames, np.arange(0, 41, 5), labels, parts, list("abcdefgh"), np.arange(8), list("lhlhlhlh"))
system = {{
    "input": {{"kind": "image", "height": 4, "width": 4, "floor_db": -80.0}},
    "training": {{"epochs": 3, "batch_size": 2, "optimiser": "adam", "learning_rate": 0.01}},
}}
device.make_deterministic(1)
fit.CHECKPOINT_SECONDS = -1.0
setup = fit.Setup(device.choose_device("cpu"), "fp32", Path({folder!r}, "x.pt"), "key")
result = fit.fit(system, data, 2, 0, setup, lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(48, 2)))
print(len(result.history), result.posteriors.shape, checkpoint.load(setup.checkpoint, "key")[0]["epoch"])
"""
BLOCKED = {
    "zarr",
    "librosa",
    "soundfile",
    "snakemake",
    "sklearn",
    "pandas",
    "mlflow",
    "matplotlib",
    "torchvision",
    "yaml",
}


def test_training_needs_torch_alone(tmp_path):
    script = SCRIPT.format(blocked=BLOCKED, folder=str(tmp_path))
    package = Path(__file__).parents[2] / "workflow"
    environment = os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "(8,", "2)", "2"]
