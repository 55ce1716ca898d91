"""Papers with a known truth, for the error rates of the verdict rule: `python tests/long/simulated_papers.py`."""

from __future__ import annotations

from collections import Counter

import numpy as np

from serflow.scoring.differences import effective_size, seed_variance
from serflow.scoring.metrics import bootstrap_interval
from serflow.scoring.results import Cell, Result
from serflow.scoring.verdicts import judge

N_SPEAKERS, N_SEEDS = 24, 3


def draw_run(rng: np.random.Generator, p: float, sd: float, n: int) -> np.ndarray:
    """Return a run's confusion counts by speaker, (24, 2, 2): n test recordings, one network that recognises p ± sd."""
    share = np.clip(rng.normal(p, sd), 0.0, 1.0)
    counts = np.zeros((N_SPEAKERS, 2, 2), dtype=int)
    for speaker, truth in zip(rng.integers(N_SPEAKERS, size=n), rng.permutation(n) % 2, strict=True):
        right = rng.random() < share
        counts[speaker, truth, truth if right else 1 - truth] += 1
    return counts


def judge_paper(rng: np.random.Generator, theirs: float, ours: float, sd: float, n: int) -> str:
    """Return the verdict on one run of a paper (of share `theirs`) by three seeds of ours."""
    counts = np.stack([draw_run(rng, ours, sd, n) for _ in range(N_SEEDS)])
    pooled = counts.sum(axis=1)
    value = float(np.mean([np.trace(matrix) / n for matrix in pooled]))
    low, high = bootstrap_interval(counts)["WA"]
    variance, size = seed_variance(pooled, "WA", same_test_set=False), effective_size(pooled.sum(axis=0), "WA", n)
    cell = Cell("p", value, low, high, seeds=N_SEEDS, unit="speakers", seed_variance=variance, n_effective=size)
    published = np.trace(draw_run(rng, theirs, sd, n).sum(axis=0)) / n
    cells = {role: cell if role == "published" else Cell() for role in ("published", "unseen", "leak")}
    return judge(Result("paper", "corpus", "system", "System", "WA", "test", None, published, cells)).verdict


def rates(theirs: float, ours: float, sd: float, n: int, draws: int = 1000, seed: int = 0) -> dict[str, float]:
    """Return the share of papers that get each verdict."""
    rng = np.random.default_rng(seed)
    counts = Counter(judge_paper(rng, theirs, ours, sd, n) for _ in range(draws))
    return {verdict: count / draws for verdict, count in counts.items()}


if __name__ == "__main__":
    shown = ("not reproduced", "exceeded", "reproduced", "compatible, too few recordings to tell")
    print("| Published truth | Ours | SD of seeds | Test recordings |", " | ".join(shown), "|")
    print("| ---: | ---: | ---: | ---: |" + " ---: |" * len(shown))
    for theirs, ours in ((0.5, 0.5), (0.7, 0.5), (0.97, 0.97), (0.97, 0.77)):
        for size in (144, 96):
            for deviation in (0.0, 0.03):
                found = rates(theirs, ours, deviation, size)
                cells = " | ".join(f"{100 * found.get(verdict, 0.0):.1f}" for verdict in shown)
                print(f"| {100 * theirs:.0f} | {100 * ours:.0f} | {100 * deviation:.0f} | {size} | {cells} |")
