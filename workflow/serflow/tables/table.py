"""A table, and its four forms: csv, Markdown, LaTeX and a standalone HTML page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from serflow.io.files import write_text
from serflow.papers.model import Assumption
from serflow.scoring.frames import write_frame

#: What stands in a cell without a value.
NOTHING = "-"
#: What a cell of a column of numbers begins with, such as "45.8 ± 1.2 [40.1, 51.0]" or "+3" or "101 of 144".
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(?=$|[ %])")
SYNTHETIC = "Synthetic demo corpus: these numbers say nothing about speech."
ASSUMPTIONS = "What the paper leaves unsaid, and what was chosen"
DEVIATIONS = "Where these runs depart from the paper"
NO_DEVIATION = "None was recorded."

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 1.5rem; }
h1 { font-size: 1.25rem; } h2 { font-size: 1.05rem; margin-top: 1.6rem; }
.banner { background: #ffe9a8; border-left: 6px solid #b35c00; padding: .7rem 1rem; font-weight: 600; }
.scroll { overflow: auto; max-height: 75vh; border: 1px solid #ccc; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
th { position: sticky; top: 0; background: #eef2f5; text-align: left; border-bottom: 2px solid #5b6b78; }
th, td { padding: .35rem .7rem; vertical-align: top; }
td { border-bottom: 1px solid #e3e3e3; }
tbody tr:hover { background: #f6f9fb; }
ul, dl { max-width: 60rem; } dt { font-weight: 600; margin-top: .6rem; } dd { margin-left: 1.2rem; }
"""

_TEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{EN DASH}": "--",
    "·": r"$\cdot$",
    "β": r"$\beta$",
    "\N{GREEK SMALL LETTER GAMMA}": r"$\gamma$",
    "λ": r"$\lambda$",
    "ε": r"$\varepsilon$",
    "→": r"$\to$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {character: "\\" + character for character in "&%$#_{}"}


@dataclass(frozen=True)
class Table:
    """A table as text: one cell per column in each of ``rows``.

    ``deviations``: None where there can be none; ``banner``: a warning above all; ``data``: what the csv holds where it
    is not the cells.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    assumptions: Sequence[Assumption] = ()
    deviations: Sequence[str] | None = None
    banner: str = ""
    data: pd.DataFrame | None = None

    def write(self, stem: Path | str) -> None:
        """Write ``stem.csv``, ``.md``, ``.tex`` and ``.html``."""
        write_frame(f"{stem}.csv", self.data if self.data is not None else self.cells)
        for suffix, text in (("md", self.to_markdown()), ("tex", self.to_latex()), ("html", self.to_html())):
            write_text(f"{stem}.{suffix}", text)

    @property
    def cells(self) -> pd.DataFrame:
        """The cells alone."""
        return pd.DataFrame(self.rows, columns=list(self.columns), dtype="str")

    def _filled(self) -> list[list[str]]:
        """Return the cells of each column that hold something."""
        return [[row[n] for row in self.rows if row[n] != NOTHING] for n in range(len(self.columns))]

    def to_markdown(self) -> str:
        """Return the table with its notes, deviations and assumptions as GitHub Markdown."""
        lines = [f"# {self.title}", ""]
        lines += [f"> **{self.banner}**", ""] if self.banner else []
        lines += [_md_line(line) for line in (self.columns, ["---"] * len(self.columns), *self.rows)]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join([*lines, *self.told]) + "\n"

    @property
    def told(self) -> list[str]:
        """The deviations and assumptions as lines of Markdown."""
        lines = []
        if self.deviations is not None:
            lines += ["", f"## {DEVIATIONS}", "", *(f"- {text}" for text in self.deviations or [NO_DEVIATION])]
        if self.assumptions:
            lines += ["", f"## {ASSUMPTIONS}", "", *(f"- **{one.topic}**: {_explain(one)}" for one in self.assumptions)]
        return lines

    def to_latex(self) -> str:
        """Return a LaTeX `table` (packages booktabs and graphicx), its notes below the rows."""
        notes = [*([self.banner] if self.banner else []), *self.notes]
        if self.deviations is not None:
            notes.append(f"{DEVIATIONS}: {'; '.join(self.deviations) or NO_DEVIATION}")
        notes += [f"Assumption, {one.topic}: {_explain(one)}" for one in self.assumptions]
        lines = ["% needs \\usepackage{booktabs,graphicx}", "\\begin{table}", "\\centering"]
        lines += [f"\\caption{{{tex_escape(self.title)}}}", "\\resizebox{\\linewidth}{!}{%"]
        lines += [f"\\begin{{tabular}}{{{'l' * len(self.columns)}}}", "\\toprule", _tex_line(self.columns), "\\midrule"]
        lines += [*map(_tex_line, self.rows), "\\bottomrule", "\\end{tabular}}", "\\begin{flushleft}\\footnotesize"]
        lines += [f"{tex_escape(note)}\\par" for note in notes]
        return "\n".join([*lines, "\\end{flushleft}", "\\end{table}"]) + "\n"

    def to_html(self) -> str:
        """Return a standalone page: banner, table with a sticky header, notes, deviations, assumptions."""
        head = "".join(f'<th scope="col">{escape(column)}</th>' for column in self.columns)
        numeric = [all(map(NUMBER.match, filled)) for filled in self._filled()]
        body = "\n".join(f"<tr>{''.join(map(_html_cell, row, numeric))}</tr>" for row in self.rows)
        told = "".join(f"<dt>{escape(one.topic)}</dt><dd>{escape(_explain(one))}</dd>\n" for one in self.assumptions)
        deviations = "" if self.deviations is None else _html_list(self.deviations or [NO_DEVIATION])
        parts = [
            f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(self.title)}</title>',
            f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(self.title)}</h1>",
            f'<p class="banner">{escape(self.banner)}</p>' if self.banner else "",
            f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>',
            f"<tbody>\n{body}\n</tbody>\n</table></div>",
            _html_list(self.notes),
            f"<h2>{DEVIATIONS}</h2>\n{deviations}" if deviations else "",
            f"<h2>{ASSUMPTIONS}</h2>\n<dl>\n{told}</dl>" if told else "",
            "</body>\n</html>",
        ]
        return "\n".join(part for part in parts if part) + "\n"


def tex_escape(text: str) -> str:
    """Return `text` with all that LaTeX would read as markup escaped."""
    return "".join(_TEX.get(character, character) for character in text)


def _explain(one: Assumption) -> str:
    unsaid, chosen, why = (text.rstrip(".") for text in (one.unsaid, one.chosen, one.why))
    return f"unsaid: {unsaid}. Chosen: {chosen}. Why: {why}."


def _html_cell(cell: str, numeric: bool) -> str:
    """Return a cell of HTML; of a column of numbers with the number that it is sorted by, empty where there is none."""
    number = NUMBER.match(cell)
    key = f' data-sort="{number[0] if number else ""}"' if numeric else ""
    return f"<td{key}>{escape(cell)}</td>"


def _md_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(tex_escape, cells)) + r" \\"


def _html_list(texts: Sequence[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{escape(text)}</li>\n" for text in texts) + "</ul>"
