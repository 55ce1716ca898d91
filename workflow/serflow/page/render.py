"""Writes the results page from its content."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import numpy as np
import soundfile
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib import colormaps
from PIL import Image
from scipy.signal import spectrogram

from serflow.corpora.manifest import read_manifest
from serflow.corpora.names import display_name
from serflow.io.files import write_text
from serflow.io.log import say
from serflow.items import Row, speaker_of
from serflow.page.content import (
    TONES,
    Mistake,
    find_mistakes,
    make_card,
    make_rows,
    make_speakers,
    make_systems,
    shown_roles,
    sort_cards,
)
from serflow.papers.model import PaperRecord
from serflow.papers.names import ROLES, published_confusions, published_figures, published_tables, slug
from serflow.runs import RunRecord, read_runs
from serflow.scoring.conditions import short_commit
from serflow.scoring.metrics import METRICS
from serflow.scoring.overview import NO_HEADLINE, compare_papers, find_best, find_headline
from serflow.scoring.scores import Scores
from serflow.scoring.verdicts import RULE
from serflow.tables.overview import tell_departures

#: Bytes above which the page is said to be too large to send.
LIMIT = 2_000_000
#: Width of the pictures of a paper's figures, in pixels.
WIDTH = 460
#: Spectrograms of the surest mistakes of each paper.
N_PICTURES = 4


def write_page(
    records: Sequence[PaperRecord],
    scores: Iterable[Path | str],
    runs: Iterable[Path | str],
    manifests: Iterable[Path | str],
    roots: Iterable[Path],
    results: Path,
    output: Path,
    shown: Iterable[Path] = (),
    costs: Path | None = None,
) -> None:
    """Write one self-contained page on what a results folder holds of papers.

    Parameters
    ----------
    records
        The papers as run; also those of which nothing could be run.
    scores, runs, manifests
        Files of scores, run folders and manifests.
    roots
        The corpus trees, in the order of the manifests; recordings are linked there, never copied.
    results
        The results folder.
    output
        The page; it links files by their path from there.
    shown
        Tables (HTML) and figures (PNG) below `results` that belong to these papers as run: others of their names may
        be left from another configuration. Tables of studies are shown where they are newer than their paper as run.
    costs
        The table of what all results took, if it is to be shown.
    """
    numbers, trained, present = Scores.read(*scores), read_runs(runs), set(shown)
    found = compare_papers(records, numbers)
    rows = {(row["corpus"], row["utterance"]): row for path in manifests for row in read_manifest(path)}
    speakers = {key: speaker_of(row) for key, row in rows.items()}
    trees = dict(zip(dict.fromkeys(corpus for corpus, _ in rows), roots, strict=True))
    mistakes = find_mistakes(records, trained, speakers)
    headline = find_headline(found)
    best = None if headline else find_best(found)
    split_of = {record.paper.paper: record.paper.unsaid_split for record in records}
    text = (
        _environment()
        .get_template("index.html")
        .render(
            headline=headline,
            best=best,
            no_headline=NO_HEADLINE,
            split=split_of.get(headline.paper) if headline else None,
            departures=tell_departures(told.shown("unseen")) if (told := headline or best) else "",
            cards=sort_cards(make_card(record, found) for record in records),
            rows=make_rows(records, found, numbers),
            systems=make_systems(records, trained),
            speaker_rows=make_speakers(records, trained, speakers),
            n_pictures=N_PICTURES,
            mistakes=[(one, _picture_of(one, rows, trees, n)) for n, one in _count_within_paper(mistakes)],
            audio=[_audio_of(one, rows, trees, output) for one in mistakes],
            figures={record.paper.paper: _figures(record, results, output, present) for record in records},
            tables={record.paper.paper: _tables(record, results, present) for record in records},
            studies={record.paper.paper: _studies(record, results) for record in records},
            leaks={
                record.paper.paper: _table_body(path)
                for record in records
                if (path := results / f"tables/{record.paper.paper}/data.html") in present
            },
            costs=_table_body(costs) if costs else "",
            synthetic=any(record.synthetic for record in records),
            about=_about(trained),
            rule=RULE,
            metrics=METRICS,
            shown={role: ROLES[role] for role in shown_roles(found)},
            tones=TONES,
        )
    )
    write_text(output, text)
    if len(text.encode()) > LIMIT:
        say(f"{output}: {len(text.encode()) / 1e6:.1f} MB, more than the {LIMIT / 1e6:g} MB that are easily sent")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("serflow.page", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "name": display_name, "polyline": _polyline, "sentence": _sentence}
    environment.filters["unbroken"] = _unbroken
    environment.globals |= {"asset": _asset, "display_name": display_name, "zip": zip}
    return environment


def _asset(name: str) -> Markup:
    """Return a file of the package to stand in the page as it is."""
    return Markup((Path(__file__).parent / "assets" / name).read_text(encoding="utf-8"))  # noqa: S704 -- our own file


def _percent(value: float | None, digits: int = 1) -> str:
    return "\N{EN DASH}" if value is None else f"{100 * value:.{digits}f}"


def _unbroken(text: str) -> str:
    """Return a text whose numbers keep their % on the same line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _sentence(text: str) -> str:
    """Return a text with a capital at its beginning; jinja's filter `capitalize` would make all others small."""
    return text[:1].upper() + text[1:]


def _polyline(values: Sequence[float], n_epochs: int, width: float, height: float) -> str:
    """Return the points of a curve of values in 0..1 for an SVG polyline that is `width` wide at `n_epochs`."""
    step = width / (n_epochs - 1)
    return " ".join(f"{n * step:.1f},{height * (1 - value):.1f}" for n, value in enumerate(values))


def _about(runs: Sequence[RunRecord]) -> Mapping[str, str]:
    """Return corpora, number of runs, date and commits of runs, for the line above the headline."""
    corpora = sorted({corpus for run in runs for corpus in run.id.corpora})
    finished = max((str(run.info["finished"]) for run in runs), default="")
    commits = sorted({short_commit(str(run.info.get("commit") or "unknown")) for run in runs})
    return {
        "corpora": ", ".join(map(display_name, corpora)) or "no corpus",
        "runs": f"{len(runs)} run" + "s" * (len(runs) != 1),
        "date": f"{datetime.fromisoformat(finished):%d %B %Y}".lstrip("0") if finished else "",
        "commits": ", ".join(commits),
    }


def _figures(record: PaperRecord, results: Path, output: Path, present: Collection[Path]) -> list[tuple[str, str, str]]:
    """Return title, picture and path of each of the paper's figures and matrices that are present."""
    paper, found = record.paper, []
    titles = {stem: f"{one.figure}: {one.title}" for stem, one in published_figures(paper).items()}
    titles |= {stem: f"{one.table}, published and ours" for stem, one in published_confusions(paper).items()}
    for stem, title in titles.items():
        path = results / f"figures/{paper.paper}/{stem}.png"
        if path in present:
            found.append((title, _thumbnail(path), _link(path, output)))
    return found


def _tables(record: PaperRecord, results: Path, present: Collection[Path]) -> list[tuple[str, Markup]]:
    """Return name and body of each of the paper's tables that are present, then of the differences."""
    paper = record.paper
    names = published_tables(paper) | ({slug(paper.noise.table): paper.noise.table} if paper.noise else {})
    names |= {stem: f"{one.table}, confusion matrix" for stem, one in published_confusions(paper).items()}
    names |= {"differences": "Differences with intervals"}
    paths = {name: results / f"tables/{paper.paper}/{stem}.html" for stem, name in names.items()}
    return [(name, _table_body(path)) for name, path in paths.items() if path in present]


def _studies(record: PaperRecord, results: Path) -> list[tuple[str, Markup]]:
    """Return title and body of each study that was run of the paper as it is configured now."""
    paper, found = record.paper, []
    as_run = results / f"papers/{paper.paper}.json"
    for name, study in paper.studies.items():
        path = results / f"tables/{paper.paper}/studies/{name}.html"
        if path.is_file() and as_run.is_file() and path.stat().st_mtime >= as_run.stat().st_mtime:
            found.append((study.title, _table_body(path)))
    return found


def _table_body(path: Path) -> Markup:
    """Return what a table's own page shows; nothing where there is none."""
    if not path.is_file():
        return Markup()
    body = path.read_text(encoding="utf-8").partition("<body>")[2].partition("</body>")[0]
    body = re.sub(r"<h1>.*?</h1>|<p class=\"banner\">.*?</p>", "", body)
    body = body.replace("<table>", '<table class="sortable n-last">').replace("<h2>", "<h4>").replace("</h2>", "</h4>")
    return Markup(body.replace('<div class="scroll" tabindex="0">', '<div class="wrap" tabindex="0">'))  # noqa: S704 -- Table's own


def _count_within_paper(mistakes: Sequence[Mistake]) -> list[tuple[int, Mistake]]:
    """Return each mistake with its number within its paper."""
    numbers: dict[str, int] = {}
    counted = []
    for one in mistakes:
        numbers[one.paper] = numbers.get(one.paper, -1) + 1
        counted.append((numbers[one.paper], one))
    return counted


def _picture_of(mistake: Mistake, rows: Mapping[tuple[str, str], Row], trees: Mapping[str, Path], n: int) -> str:
    """Return a small spectrogram, 0 to 8 kHz upwards, of one of the first mistakes; nothing of the others."""
    row = rows[mistake.corpus, mistake.utterance]
    path = trees[mistake.corpus] / row["path"]
    if n >= N_PICTURES or not path.is_file():
        return ""
    signal, rate = soundfile.read(path, always_2d=True)
    if len(signal) < 0.032 * rate:
        return ""
    frequencies, _, power = spectrogram(
        signal.mean(axis=1), rate, nperseg=int(0.032 * rate), noverlap=int(0.016 * rate)
    )
    decibels = 10 * np.log10(np.maximum(power[frequencies <= 8000], 1e-12))
    scaled = np.clip((decibels - decibels.max()) / 70 + 1, 0, 1)[::-1]
    picture = Image.fromarray((colormaps["magma"](scaled)[..., :3] * 255).astype(np.uint8))
    return _encode(picture.resize((150, 60)))


def _audio_of(mistake: Mistake, rows: Mapping[tuple[str, str], Row], trees: Mapping[str, Path], output: Path) -> str:
    """Return the address of a mistake's recording."""
    return _link(trees[mistake.corpus] / rows[mistake.corpus, mistake.utterance]["path"], output)


def _link(path: Path, output: Path) -> str:
    return quote(os.path.relpath(path.resolve(), output.resolve().parent))


def _thumbnail(path: Path) -> str:
    with Image.open(path) as picture:
        small = picture.convert("RGB")
        small.thumbnail((WIDTH, WIDTH))
        return _encode(small)


def _encode(picture: Image.Image) -> str:
    """Return a picture as a data address."""
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=70, method=6)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
