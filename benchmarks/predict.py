"""`serflow predict` as a whole process, against a bare PyTorch loop over the same files; and its memory.

    python benchmarks/predict.py FOLDER_OF_RECORDINGS [--files 1000] [--rounds 3] [--threads 2] [--hours 2]

DeepEMO's ResNet-18 with random weights, in the precision that a training would take here. Both run as fresh processes,
alternating; the bare loop is `--bare`: soundfile, librosa, torch, batches of 64. Recordings are copied until there are
enough. Prints each round's seconds (and those of the processors, which tell more where other work runs beside), the
ratio of the medians and how many times faster than real time; then the largest memory (pages shared by n processes
counted as 1/n in each, seen every 0.1 s) at a tenth of the files, at all of them, and for one long recording in windows
of 3 s every second.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import yaml
from memory import memory

ROOT = Path(__file__).parents[1]
BATCH = 64


def main() -> None:
    """Alternate both, then measure memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        bare(options.bare, options.audio, options.threads)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder / "run", options.threads)
        seconds = gather(options.audio, folder / "all", options.files)
        gather(options.audio, folder / "tenth", options.files // 10)
        print(f"{options.files} recordings, {seconds / 3600:.2f} h, {options.threads} threads")
        compare_speed(folder, options, seconds)
        for part in ("tenth", "all"):
            print(
                f"memory, {len(list((folder / part).iterdir()))} files: {watch(command(folder, part, options)):.0f} MiB"
            )
        shutil.rmtree(folder / "tenth")
        write_long(folder, 3600 * options.hours)
        track = [*command(folder, "long.wav", options), "--window", "3", "--hop", "1"]
        begin = time.perf_counter()
        peak, took = watch(track), time.perf_counter() - begin
        print(f"one recording of {options.hours:g} h, window 3 s, hop 1 s: {peak:.0f} MiB, {took:.0f} s")


def compare_speed(folder: Path, options: argparse.Namespace, seconds: float) -> None:
    """Print seconds per round, the ratio, and the largest difference of the posteriors."""
    ours, theirs = [], []
    loop = [sys.executable, __file__, folder / "all", "--bare", folder, "--threads", options.threads]
    for n in range(options.rounds):
        ours.append(wall(command(folder, "all", options)))
        theirs.append(wall(loop))
        told = (
            f"{name} {took:.2f} s ({cpu:.2f})" for name, (took, cpu) in (("serflow", ours[-1]), ("bare", theirs[-1]))
        )
        print(f"round {n + 1}: {', '.join(told)}", flush=True)
    (own, own_cpu), (other, other_cpu) = (
        map(statistics.median, zip(*rounds, strict=True)) for rounds in (ours, theirs)
    )
    print(f"medians: serflow {own:.2f} s ({own_cpu:.2f}), bare loop {other:.2f} s ({other_cpu:.2f})")
    print(f"ratio {own / other:.2f} ({own_cpu / other_cpu:.2f})")
    print(f"serflow is {seconds / own:.0f} times faster than real time")
    both = [[line.split(",") for line in (folder / name).read_text().splitlines()] for name in ("ours.csv", "bare.csv")]
    pairs = zip(both[0][1:], both[1], strict=True)
    largest = max(abs(float(a) - float(b)) for one, two in pairs for a, b in zip(one[2:-1], two, strict=True))
    print(f"largest difference of a posterior: {largest:.1e}")


def command(folder: Path, audio: str, options: argparse.Namespace) -> list[object]:
    """Return the command line of `serflow predict`."""
    output = ["--output", folder / "ours.csv", "--threads", options.threads, "--device", "cpu"]
    return [sys.executable, "-m", "serflow.cli", "predict", folder / "run", folder / audio, *output]


def write_run(folder: Path, threads: int) -> None:
    """Write a run of DeepEMO's network with random weights."""
    import torch
    from safetensors.torch import save_file

    from serflow import models
    from serflow.io.files import write_json
    from serflow.training.device import choose_precision

    paper = yaml.safe_load((ROOT / "workflow/papers/deepemo.yaml").read_text())
    system = paper["systems"]["resnet18"]
    config = {"recipe": paper["recipes"][system["recipe"]], "input": system["input"], "model": system["model"]}
    shape = (3, system["input"]["height"], system["input"]["width"])
    torch.manual_seed(0)
    folder.mkdir()
    save_file(models.build(system["model"], len(paper["labels"]), shape).state_dict(), folder / "model")
    names = {"paper": "deepemo", "corpus": "ravdess", "system": "resnet18", "protocol": "none", "seed": 0, "fold": 0}
    about = {"labels": paper["labels"], "others": [], "system_config": config, "input_shape": shape}
    about |= {"input_statistics": None, "model_format": "safetensors", "threads": threads}
    write_json(folder / "run.json", names | about | {"precision": choose_precision("auto", torch.device("cpu"))})


def gather(source: Path, folder: Path, number: int) -> float:
    """Copy recordings until there are enough; return their seconds."""
    import soundfile

    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".wav", ".flac"))
    if not found:
        sys.exit(f"{source} holds no WAV or FLAC file")
    folder.mkdir()
    total = 0.0
    for n in range(number):
        path = found[n % len(found)]
        shutil.copyfile(path, folder / f"{n:05d}{path.suffix}")
        total += soundfile.info(path).duration
    return total


def write_long(folder: Path, seconds: float) -> None:
    """Write one recording of so many seconds, at 48 kHz with two channels, from those in `all`."""
    import numpy as np
    import soundfile

    paths, written = sorted((folder / "all").iterdir()), 0.0
    with soundfile.SoundFile(folder / "long.wav", "w", 48000, 2, "PCM_16") as sound:
        while written < seconds:
            for path in paths:
                signal = np.repeat(soundfile.read(path, always_2d=True)[0][:, :1], 2, axis=1)
                sound.write(np.repeat(signal, 3, axis=0))
                written += len(signal) / 16000
                if written >= seconds:
                    break


def bare(folder: Path, audio: Path, threads: int) -> None:
    """Do what a researcher would write: a loop over batches with soundfile, librosa and torch."""
    import librosa
    import numpy as np
    import soundfile
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional as F
    from torchvision.models import resnet18

    from serflow.io.files import read_json

    torch.set_num_threads(threads)
    info = read_json(folder / "run/run.json")
    recipe, network = info["system_config"]["recipe"], resnet18(num_classes=len(info["labels"]))
    network.load_state_dict(load_file(folder / "run/model"))
    network = network.eval().to(memory_format=torch.channels_last)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    options = {key: recipe[key] for key in ("n_fft", "hop_length", "n_mels", "fmin", "fmax")}

    def picture(path: Path) -> torch.Tensor:
        signal, rate = soundfile.read(path, dtype="float32")
        if rate != recipe["sample_rate"]:
            signal = librosa.resample(signal, orig_sr=rate, target_sr=recipe["sample_rate"], res_type="soxr_hq")
        mel = librosa.feature.melspectrogram(y=signal, sr=recipe["sample_rate"], **options)
        level = librosa.power_to_db(mel, ref=np.max, top_db=recipe["top_db"])[::-1].copy()
        grey = torch.from_numpy(1 + level / recipe["top_db"])[None, None]
        return F.interpolate(grey, (224, 224), mode="bilinear", antialias=True)[0]

    files = sorted(audio.iterdir())
    with (
        (folder / "bare.csv").open("w") as output,
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16, enabled=info["precision"] == "bf16"),
    ):
        for start in range(0, len(files), BATCH):
            grey = torch.stack([picture(path) for path in files[start : start + BATCH]])
            batch = (grey - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
            for row in network(batch.contiguous(memory_format=torch.channels_last)).float().softmax(1).tolist():
                print(*(f"{p:.6g}" for p in row), sep=",", file=output)


def wall(line: list[object]) -> tuple[float, float]:
    """Wall-clock seconds of a command, and seconds of the processors that it and its children took."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(list(map(str, line)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def watch(line: list[object]) -> float:
    """Return the largest memory of a command and its children, in MiB."""
    peak = 0
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with psutil.Popen(list(map(str, line)), **silent) as process:
        while process.poll() is None:
            peak = max(peak, memory(process)[0])
            time.sleep(0.1)
    if process.returncode:
        sys.exit(f"{line} failed")
    return peak / 2**20


if __name__ == "__main__":
    main()
