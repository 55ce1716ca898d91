"""Renders a table as csv, Markdown, LaTeX and a standalone HTML page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serflow.tables.tables import Table

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
    "→": r"$\to$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {character: "\\" + character for character in "&%$#_{}"}


def render(table: Table) -> dict[str, str]:
    """Return the table as text by file suffix: csv, md, tex, html."""
    return {"csv": to_csv(table), "md": to_markdown(table), "tex": to_latex(table), "html": to_html(table)}


def to_csv(table: Table) -> str:
    """Return the cells alone, with a header line."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([table.columns, *table.rows])
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """Return the table with its notes, deviations and assumptions as GitHub Markdown."""
    lines = [f"# {table.title}", ""]
    lines += [f"> **{table.banner}**", ""] if table.banner else []
    lines += [_md_line(table.columns), _md_line(["---"] * len(table.columns)), *map(_md_line, table.rows), ""]
    lines += [f"- {note}" for note in table.notes]
    if table.deviations is not None:
        lines += ["", f"## {DEVIATIONS}", "", *(f"- {text}" for text in table.deviations or [NO_DEVIATION])]
    if table.assumptions:
        lines += ["", f"## {ASSUMPTIONS}", ""]
        lines += [f"- **{a['topic']}**: {_assumption(a)}" for a in table.assumptions]
    return "\n".join(lines) + "\n"


def tex_escape(text: str) -> str:
    """Return `text` with all that LaTeX would read as markup escaped."""
    return "".join(_TEX.get(character, character) for character in text)


def to_latex(table: Table) -> str:
    """Return a LaTeX `table` (packages booktabs and graphicx), its notes below the rows."""
    notes = [*([table.banner] if table.banner else []), *table.notes]
    if table.deviations is not None:
        notes += [f"{DEVIATIONS}: {'; '.join(table.deviations) or NO_DEVIATION}"]
    notes += [f"Assumption, {a['topic']}: {_assumption(a)}" for a in table.assumptions]
    lines = ["% needs \\usepackage{booktabs,graphicx}", "\\begin{table}", "\\centering"]
    lines += [f"\\caption{{{tex_escape(table.title)}}}", "\\resizebox{\\linewidth}{!}{%"]
    lines += [f"\\begin{{tabular}}{{{'l' * len(table.columns)}}}", "\\toprule", _tex_line(table.columns), "\\midrule"]
    lines += [*map(_tex_line, table.rows), "\\bottomrule", "\\end{tabular}}", "\\begin{flushleft}\\footnotesize"]
    lines += [f"{tex_escape(note)}\\par" for note in notes]
    return "\n".join([*lines, "\\end{flushleft}", "\\end{table}"]) + "\n"


def to_html(table: Table) -> str:
    """Return a standalone page: banner, table with a sticky header, notes, deviations, assumptions."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    assumptions = "".join(
        f"<dt>{escape(a['topic'])}</dt><dd>{escape(_assumption(a))}</dd>\n" for a in table.assumptions
    )
    parts = [
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(table.title)}</title>',
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(table.title)}</h1>",
        f'<p class="banner">{escape(table.banner)}</p>' if table.banner else "",
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>',
        _html_list(table.notes),
        "" if table.deviations is None else f"<h2>{DEVIATIONS}</h2>\n{_html_list(table.deviations or [NO_DEVIATION])}",
        f"<h2>{ASSUMPTIONS}</h2>\n<dl>\n{assumptions}</dl>" if table.assumptions else "",
        "</body>\n</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _assumption(entry: Mapping[str, str]) -> str:
    unsaid, chosen, why = (entry[key].rstrip(".") for key in ("unsaid", "chosen", "why"))
    return f"unsaid: {unsaid}. Chosen: {chosen}. Why: {why}."


def _md_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(tex_escape, cells)) + r" \\"


def _html_list(texts: Sequence[str]) -> str:
    return "<ul>\n" + "".join(f"<li>{escape(text)}</li>\n" for text in texts) + "</ul>"
