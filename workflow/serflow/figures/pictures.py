"""The pictures in docs/ of what the evidence holds: drawn anew, or compared with those that stand there."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from serflow.errors import RunError
from serflow.figures.overview import plot_results
from serflow.figures.paper import plot_runs
from serflow.papers.model import PaperRecord
from serflow.runs import RunRecord
from serflow.scoring.results import Result

FOLDER = "docs/images"
#: What is drawn of each paper: its record, and the runs whose curves and confusion matrices are shown.
Shown = Mapping[str, tuple[PaperRecord, Sequence[RunRecord]]]
#: A text in an SVG.
TEXT = re.compile(r"<text[^>]*>([^<]*)<")


def write_pictures(root: Path, results: Sequence[Result], shown: Shown) -> list[Path]:
    """Draw the results and each paper's runs below `root`, the repository; old pictures of runs are deleted.

    Returns
    -------
    list of Path
        ``docs/images/results.svg`` and ``.png``, ``docs/images/published.svg`` and ``.png``, which show systems with a
        published number alone, and ``docs/images/results/{paper}/...svg``.
    """
    target = root / FOLDER
    shutil.rmtree(target / "results", ignore_errors=True)
    with _draw(results, shown) as drawn:
        for name, path in drawn.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
    return [target / name for name in drawn]


def check_pictures(root: Path, results: Sequence[Result], shown: Shown) -> None:
    """Raise a RunError if a picture is not what `write_pictures` draws: the texts in it are compared."""
    target = root / FOLDER
    with _draw(results, shown) as drawn:
        kept = {path.relative_to(target).as_posix() for path in target.glob("results/**/*.svg")} | set(drawn)
        for name in sorted(name for name in kept if name.endswith(".svg")):
            if _texts(drawn.get(name)) != _texts(target / name):
                raise RunError(target / name, "does not show what the evidence gives", "Run `serflow results`.")


@contextmanager
def _draw(results: Sequence[Result], shown: Shown) -> Iterator[dict[str, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder)
        plot_results(results, drawn / "results")
        plot_results([one for one in results if one.published is not None], drawn / "published")
        for paper, (record, runs) in shown.items():
            plot_runs(record, runs, drawn / "results" / paper)
        paths = [*sorted(drawn.glob("*.*")), *sorted(drawn.glob("results/**/*.svg"))]
        yield {path.relative_to(drawn).as_posix(): path for path in paths}


def _texts(path: Path | None) -> list[str] | None:
    return TEXT.findall(path.read_text(encoding="utf-8")) if path and path.is_file() else None
