"""What a kind of figure is given: the paper, what it is asked to show, and the files to draw it from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from serflow.corpora.manifest import read_manifest
from serflow.errors import RunError
from serflow.items import Row
from serflow.papers.model import Figure, Paper
from serflow.runs import RunRecord, read_runs


@dataclass(frozen=True)
class Request:
    """A figure of a paper to draw, and its files; those that its kind does not need may be missing.

    ``runs``: their folders; ``manifests``: one per corpus; ``features``: the Zarr store of the figure's recipe, for the
    first manifest; ``roots``: the corpus trees, in the manifests' order; ``sounds``: a folder of noise recordings.
    """

    paper: Paper
    figure: Figure
    runs: Sequence[Path] = ()
    manifests: Sequence[Path] = ()
    features: Sequence[Path] = ()
    roots: Sequence[Path] = ()
    sounds: Sequence[Path] = ()

    def title(self, told: str = "") -> str:
        """Return the figure's title: paper, name, what it shows, and what is told of ours."""
        return "\n".join(filter(None, [self.paper.title, f"{self.figure.figure}: {self.figure.title}", told]))

    def read_runs(self, systems: Collection[str], protocol: str | None = None) -> list[RunRecord]:
        """Return the runs of systems on the figure's corpora, under one protocol or all.

        Raises
        ------
        RunError
            If there is none.
        """
        found = [
            run
            for run in read_runs(self.runs)
            if run.id.corpus in self.figure.shown
            and run.id.system in systems
            and (protocol is None or run.id.protocol == protocol)
        ]
        if not found:
            where, what = ", ".join(map(str, self.runs)) or "runs", ", ".join(systems)
            raise RunError(where, f"holds no run that {self.figure.figure} shows", f"Give runs of {what}.")
        return found

    def read_rows(self) -> list[Row]:
        """Return the rows of all manifests."""
        return [row for path in self.manifests for row in read_manifest(path)]

    def trees(self) -> dict[str, Path]:
        """Return the tree of each manifest's corpus."""
        return {read_manifest(path)[0]["corpus"]: root for path, root in zip(self.manifests, self.roots, strict=True)}
