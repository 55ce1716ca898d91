"""The leak report as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from serflow.audit.report import Pair, Report, Shared, count, title_of

#: How many pairs of a list the page shows.
SHOWN = 200

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --bad: #b3261e; --good: #1b6e3c; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto; padding: 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.verdict { border-left: .4rem solid var(--good); background: var(--soft); padding: .6rem 1rem; font-weight: 600; }
.verdict.bad { border-color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } caption { text-align: left; color: GrayText; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem .35rem 0; text-align: left; vertical-align: top; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #7bd88f; } }
.stacked td { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  table { font-size: .85rem; }
  .stacked thead { display: none; }
  .stacked tr { display: block; border-bottom: 1px solid var(--line); padding: .4rem 0; }
  .stacked td { display: block; border: 0; padding: 0; }
  .stacked td::before { content: attr(data-name) ": "; color: GrayText; }
}
summary { cursor: pointer; padding: .4rem 0; font-weight: 600; } small { color: GrayText; }
"""
_METHOD = (
    "Identical recordings have equal 16-bit samples. Every recording of one part was also compared with every one "
    "of the other by the fine structure of its spectrum below 2 kHz, and likely pairs by their waveforms. Two takes of "
    "one sentence by one speaker do not count as copies.",
    "Not found: copies in very loud noise, changes of pitch or speed by more than a factor of 1.5, several strong "
    "changes at once, excerpts much shorter than the recording they come from, and recordings with other sounds "
    "mixed in that are louder than the speech.",
    "Names of changes are estimates, told of the second recording as compared with the first.",
)


def to_html(report: Report) -> str:
    """Return a report as a page; of long lists of pairs it shows the first `SHOWN`."""
    title = f"Leak report: {report.table.rpartition('/')[2]}"
    missing = [f"Missing in {part.name}: {', '.join(part.missing)}." for part in report.parts if part.missing]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>",
            f'<p class="verdict{" bad" * report.leaks}">{escape(_verdict(report))}</p>',
            *_overview(report),
            *(line for shared in report.shared for line in _section(shared)),
            "<h2>The parts</h2>",
            _table(
                ["Part", "Recordings", "Speakers", "Minutes", "Recordings of each class"],
                [
                    [part.name, part.recordings, part.speakers, f"{part.seconds / 60:.1f}", _counts(part.emotions)]
                    for part in report.parts
                ],
                kind="stacked",
            ),
            *_paragraphs([*missing, *report.not_checked]),
            "<h2>How this was found, and what was not looked for</h2>",
            *_paragraphs(_METHOD),
            "<p><small>Made by <code>serflow audit</code>.</small></p>\n</body>\n</html>\n",
        ]
    )


def _verdict(report: Report) -> str:
    if not report.leaks:
        return "No leak found: what results are given on shares no speaker and no recording with the other parts."
    found = []
    for shared in report.shared:
        if shared.leaks:
            said = [count(len(shared.speakers), "speaker")] if shared.speakers else []
            for pairs, what in ((shared.identical, "identical recordings"), (shared.copies, "changed copies")):
                said += [f"{count(len(pairs), 'pair')} of {what}"] if pairs else []
            found.append(f"{title_of(shared).lower()} share {', '.join(said)}")
    same = " Validation and test are the same recordings." if report.validation_is_test else ""
    consequence = "Results on this split are better than on new speakers and recordings."
    return f"Leak found: {'; '.join(found)}.{same} {consequence}"


def _overview(report: Report) -> list[str]:
    sizes = {part.name: part.recordings for part in report.parts}
    rows = []
    for what, key in (
        ("Speakers", "speakers"),
        ("Identical recordings", "identical"),
        ("Changed copies", "copies"),
        ("Sentences (no leak by itself)", "statements"),
    ):
        rows.append([what, *(_affected(one, key, sizes[one.parts[1]]) for one in report.shared)])
    columns = ["Share", *(title_of(shared) for shared in report.shared)]
    caption = "How many recordings of the second part of each pair share it with the first"
    return ["<h2>What the parts share</h2>", _table(columns, rows, caption)]


def _affected(shared: Shared, key: str, size: int) -> str:
    if key == "statements" and shared.statements is None:
        return "not compared"
    return f"{shared.affected[key]} of {size}" if shared.affected[key] else "none"


def _section(shared: Shared) -> list[str]:
    lists = [("speaker", shared.speakers), ("sentence", shared.statements or [])]
    parts = [
        f"<details><summary>{count(len(values), name)}</summary><p>{escape(', '.join(values))}</p></details>"
        for name, values in lists
        if values
    ]
    parts += [_pairs(shared, shared.identical, "identical recordings")] if shared.identical else []
    parts += [_pairs(shared, shared.copies, "changed copies")] if shared.copies else []
    if parts and not shared.judged:
        parts.insert(0, "<p>This does not touch the test result, only the choice of a model.</p>")
    nothing = "They share nothing." if shared.statements is not None else "They share no speaker and no recording."
    return [f"<h2>{escape(title_of(shared))}</h2>", *(parts or [f"<p>{nothing}</p>"])]


def _pairs(shared: Shared, pairs: Sequence[Pair], name: str) -> str:
    columns = [*(part.capitalize() for part in shared.parts), *(["Changed by"] if pairs[0].changes else [])]
    rows = [[pair.first, pair.second, *([", ".join(pair.changes)] if pair.changes else [])] for pair in pairs[:SHOWN]]
    more = f"<p>And {len(pairs) - SHOWN} more: the JSON report lists all.</p>" if len(pairs) > SHOWN else ""
    title = f"{count(len(pairs), 'pair')} of {name}"
    return f"<details open><summary>{title}</summary>{_table(columns, rows, kind='stacked')}{more}</details>"


def _counts(emotions: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in emotions.items()) or "not given"


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [f"<p>{escape(text)}</p>" for text in texts]


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", kind: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    named = [zip(columns, row, strict=True) for row in rows]
    cells = ("".join(f'<td data-name="{escape(name)}">{escape(str(cell))}</td>' for name, cell in row) for row in named)
    body = "\n".join(f"<tr>{row}</tr>" for row in cells)
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    table = f'<table class="{kind}">{told}<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'
