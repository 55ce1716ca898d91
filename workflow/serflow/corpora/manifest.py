"""Reading a manifest: one row per utterance of a corpus, sorted by name, every value text (`serflow.corpora.row`)."""

from __future__ import annotations

from pathlib import Path

from serflow.errors import CorpusError
from serflow.io import files

#: The columns, in this order.
COLUMNS = (
    "utterance",
    "path",
    "corpus",
    "speaker",
    "sex",
    "emotion",
    "native_label",
    "intensity",
    "statement",
    "repetition",
    "session",
    "dialogue",
    "scenario",
    "sample_rate",
    "samples",
    "sha1",
    "start",
    "end",
    "valence",
    "activation",
    "dominance",
    "votes",
)


def read_manifest(path: Path | str) -> list[dict[str, str]]:
    """Return a manifest's rows.

    Raises
    ------
    CorpusError
        If there is no such file, its columns are not `COLUMNS`, or it has other rows than its report beside it says.
    """
    remedy = "Build the manifest again: `serflow manifest` or snakemake."
    try:
        rows = files.read_csv(path)
    except FileNotFoundError:
        raise CorpusError(path, "no such manifest", remedy) from None
    if rows and tuple(rows[0]) != COLUMNS:  # `read_csv` has checked that the other rows have the same
        raise CorpusError(path, f"has the columns {', '.join(rows[0])}, expected {', '.join(COLUMNS)}", remedy)
    report = Path(path).with_suffix(".json")
    expected = files.read_json(report)["utterances"] if report.is_file() else len(rows)
    if len(rows) != expected or not rows:
        raise CorpusError(path, f"holds {len(rows)} of {expected} utterances", remedy)
    return rows
