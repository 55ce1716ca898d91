"""All papers in one picture: published, ours, ours on unseen speakers and under the leak, one row per system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from serflow.figures.dumbbell import LIMITS, Point, draw, row_height
from serflow.figures.style import BLUE, GREEN, GREY, VERMILION, new_figure, save, style
from serflow.io.files import read_csv
from serflow.tables.tables import NAMES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, str]

_KINDS = {
    "own": ("ours, paper's protocol", BLUE, "o"),
    "independent": ("ours, speaker-independent", VERMILION, "s"),
    "leak": ("ours, leak: augmented copies made before splitting", GREEN, "^"),
}


def overview(rows: Sequence[Row]) -> Figure:
    """Draw one row per system and corpus, of the first metric its paper prints; the verdict stands on the right.

    Parameters
    ----------
    rows
        As `evaluation.overview` writes them as csv: fractions in 0..1, empty where there is none.
    """
    lines = list({(row["paper"], row["corpus"], row["system"]): row for row in reversed(rows)}.values())[::-1]
    with style():
        figure = new_figure(11, 2.1 + row_height(len(_KINDS) + 1) * max(1, len(lines)))
        axes = figure.subplots()
        for y, row in enumerate(lines):
            if row["chance_uniform"]:
                level = 100 * float(row["chance_uniform"])
                axes.plot([level] * 2, [y - 0.42, y + 0.42], "--", color=GREY, linewidth=1.4, label="chance (uniform)")
            published = Point(100 * float(row["published"]), "published") if row["published"] else None
            draw(axes, [published, *(_point(row, kind) for kind in _KINDS)], y)
            if y:
                axes.axhline(y - 0.5, color="#e3e3e3", linewidth=0.8, zorder=0)
        axes.set(xlim=LIMITS, ylim=(len(lines) - 0.5, -0.5), xticks=range(0, 101, 10), xlabel="%")
        axes.set_yticks(range(len(lines)), [_name(row) for row in lines])
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        right = axes.secondary_yaxis("right")
        right.set_yticks(range(len(lines)), [_verdict(row) for row in lines])
        right.spines[:].set_visible(False)
        for one in (axes, right):
            one.tick_params(axis="y", length=0)
        handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        names = [name for name in ("published", *(kind[0] for kind in _KINDS.values())) if name in handles]
        names += [name for name in handles if name not in names]
        figure.legend([handles[name] for name in names], names, loc="outside lower center", ncols=3)
        figure.suptitle(_title(rows), fontsize=11)
    return figure


def _title(rows: Sequence[Row]) -> str:
    synthetic = any(row["synthetic"] != "0" for row in rows)
    title = "Published and reproduced" + (": SYNTHETIC demo corpora, nothing about speech" if synthetic else "")
    parts = "published and ours: part as named; speaker-independent and leak: test part"
    return f"{title}\n{parts}\nbars: 95 % bootstrap intervals over speakers, none where speakers are too few"


def _point(row: Row, kind: str) -> Point | None:
    name, colour, marker = _KINDS[kind]
    value, low, high = (row[f"{kind}_{key}"] for key in ("value", "low", "high"))
    if not value:
        return None
    if not low or not high:
        return Point(100 * float(value), name, colour=colour, marker=marker)
    return Point(100 * float(value), name, 100 * float(low), 100 * float(high), colour, marker)


def _name(row: Row) -> str:
    metric = f"{NAMES.get(row['metric'], row['metric'])} ({row['part']})"
    return f"{fill(row['title'], 34)}\n{row['paper']} on {row['corpus']}, {metric}"


def _verdict(row: Row) -> str:
    text = row["verdict"] if row["own_value"] or not row["reason"] else f"{row['verdict']}: {row['reason']}"
    return fill(text, 24)


def plot_overview(table_csv: Path | str, stem: Path | str) -> None:
    """Draw what `evaluation.overview.write_overview` wrote as csv and save it as png and svg."""
    save(overview(read_csv(table_csv)), stem)
