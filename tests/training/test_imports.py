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
from serflow.models import keras, pretrained
from serflow.models.architectures import bilstm, mittal, resnet1d, satt
from serflow.training import augment, batches, checkpoint, classical, dataset, device, environment, fit
from serflow.training import options, palette, result, schedule
from serflow.training.inputs import image, patch, sequence, vector
from torch import nn

labels = np.arange(8) % 2
frames = np.repeat(labels * 40.0 - 60, 5)[:, None].repeat(4, 1).astype(np.float32)
parts = {{"train": np.arange(4), "validation": np.array([4, 5]), "test": np.array([6, 7])}}
data = dataset.Dataset(frames, np.arange(0, 41, 5), labels, parts, list("abcdefgh"), np.arange(8), list("lhlhlhlh"))
inputs = dataset.prepare({{"kind": "image", "height": 4, "width": 4, "floor_db": -80.0}}, data)
training = options.Training(epochs=3, batch_size=2, optimiser="adam", learning_rate=0.01)
device.make_deterministic(1)
fit.CHECKPOINT_SECONDS = -1.0
setup = fit.Setup(device.choose_device("cpu"), "fp32", Path({folder!r}, "x.pt"), "key")
result = fit.fit(training, inputs, data, 2, 0, setup, lambda shape: nn.Sequential(nn.Flatten(), nn.Linear(48, 2)))
print(len(result.history), result.posteriors.shape, checkpoint.load(setup.checkpoint, "key")[0]["epoch"])
"""
BLOCKED = {
    *("librosa", "matplotlib", "mlflow", "pandas", "pydantic", "safetensors", "scipy", "skops", "sklearn", "snakemake"),
    *("soundfile", "threadpoolctl", "torchvision", "tqdm", "yaml", "zarr"),
}
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "workflow"), "OMP_NUM_THREADS": "1"}


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)


def test_training_needs_torch_and_numpy_alone(tmp_path):
    done = run(SCRIPT.format(blocked=BLOCKED, folder=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3", "(8,", "2)", "2"]


def test_a_dry_run_reads_options_and_an_estimators_job_starts_without_torch():
    """Two seconds for each of hundreds of jobs; a dry run needs the standard library alone."""
    code = """
import sys
from serflow.training.options import AUGMENTATIONS, INPUTS
[kinds.options(name) for kinds in (AUGMENTATIONS, INPUTS) for name in kinds.known()]
print({"torch", "numpy", "pydantic"} & set(sys.modules))
from serflow import models
from serflow.training import estimator, run
INPUTS.load("vector"), INPUTS.load("sequence"), models.ARCHITECTURES.load("svm")
print("torch" in sys.modules)
"""
    done = run(code)
    assert done.stdout.split() == ["set()", "False"], done.stderr
