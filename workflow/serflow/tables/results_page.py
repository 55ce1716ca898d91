"""The pages on measured results that the repository keeps, made from its evidence, and the check that they are."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from serflow.corpora.names import display_name
from serflow.corpora.registry import load
from serflow.errors import RunError
from serflow.io.files import write_text
from serflow.items import Row
from serflow.labels import EMOTIONS
from serflow.papers.model import Paper, PaperRecord
from serflow.papers.names import ROLES, name_protocol
from serflow.plan import list_left
from serflow.protocols.base import Role
from serflow.runs import RunRecord
from serflow.scoring.conditions import LIBRARIES, short_commit
from serflow.scoring.gaps import Gap, find_gaps
from serflow.scoring.metrics import label_of
from serflow.scoring.overview import NO_HEADLINE, compare_papers, find_headline
from serflow.scoring.paper import asked_groups, score_paper
from serflow.scoring.results import SAME, Result
from serflow.scoring.scores import Scores
from serflow.scoring.studies import score_study, tabulate_study
from serflow.scoring.verdicts import CANNOT
from serflow.tables import texts
from serflow.tables.evidence import Evidence, read_evidence
from serflow.tables.overview import PARTS, list_deviations, list_findings, tell_cell, tell_departures, tell_ours
from serflow.tables.paper import score_tables
from serflow.tables.studies import study_table
from serflow.tables.table import NOTHING, Table

PAGE, FOLDER, README = "docs/results.md", "docs/results", "README.md"
#: What a person writes on a paper's results, without measured numbers: ``{paper}.md``.
COMMENTARY = "evidence/commentary"
#: Between these two lines of a page stands what is generated: the name of a block, and its end.
START, END = "<!-- serflow results: {name} -->", "<!-- end of serflow results -->"
#: A measured value: per cent or points with one decimal.
MEASURED = re.compile(r"\d+\.\d(?= ?%| points)")
HEAD = (
    "Made by `serflow results` from the predictions in `evidence/` and the comments in `evidence/commentary/`: do not "
    "edit; `make check-results` compares."
)
NOT_RUN = (
    "What the paper files and `evidence/config.yaml` ask for on the corpora above, with the default seeds, and no kept "
    "run covers; hours one after the other, from the costs that `serflow plan` knows; then the runs, as "
    "CORPUS/PROTOCOL/seedS/foldK. Other corpora were not at hand."
)
#: Whose curves and confusion matrices are shown.
DRAWN: tuple[Role, ...] = ("published", "unseen")
#: What the table of main results shows of each system.
MAIN: dict[Role, str] = {
    "published": "Paper's protocol",
    "unseen": "Unseen speakers",
    "leak": "Leak",
    "control": "Control for the leak",
}


class Pages(NamedTuple):
    """What the pages on results hold: their texts by path, the results of README.md, and the runs that are drawn."""

    texts: dict[str, str]
    results: list[Result]
    drawn: dict[str, tuple[PaperRecord, list[RunRecord]]]


def make_pages(root: Path, evidence: Evidence) -> Pages:
    """Return the pages on results below `root`, the repository.

    Raises
    ------
    RunError
        If README.md lacks a block.
    """
    records = list(evidence.records.values())
    scored = {record.paper.paper: _score(evidence, record) for record in records}
    results = compare_papers(records, Scores(tuple(score for scores, _, _ in scored.values() for score in scores)))
    finding = tell_finding(results, evidence.records)
    parts = ["# Results on real corpora", HEAD, "## The finding", finding]
    parts += ["![Published numbers and ours](images/results.png)", *_describe_audio(evidence.manifests)]
    main = _main_table(results, evidence.records)
    parts += [_demote(main.to_markdown()), "[verdicts.md](verdicts.md) says how a published number is judged."]
    parts += ["## Paper by paper"]
    pages, drawn = {}, {}
    for name, (scores, gaps, runs) in sorted(scored.items(), key=lambda item: not item[1][2]):  # measured ones first
        record = evidence.records[name]
        own = [one for one in results if one.paper == name]
        told = [f"- {text}" for text in [*filter(None, map(tell, own)), *list_findings([record], own, gaps)]]
        parts += [f"### {paper_title(record)}", *_comment(root, name)]
        if not runs:
            parts += ["No run of this paper's systems is kept yet."]
            continue
        parts += [
            "\n".join(told),
            f"All tables, curves and confusion matrices: [results/{name}.md](results/{name}.md).",
        ]
        drawn[name] = (record, list(_drawn(record, runs)))
        tables = [*score_tables(record, scores, gaps, runs).values(), *_tabulate_studies(evidence, record)]
        pages[f"{FOLDER}/{name}.md"] = _paper_page(record, tables, drawn[name][1])
    parts += ["## Not run yet", NOT_RUN]
    parts += ["\n".join(f"- {line}" for line in list_left(evidence.papers, {run.id for run in evidence.runs}))]
    parts += [_demote(_measured(evidence.runs).to_markdown())]
    pages[PAGE] = "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
    printed = _main_table([one for one in results if one.published is not None], evidence.records)
    rows = printed.to_markdown().removeprefix(f"# {printed.title}").strip()
    pages[README] = _fill(root / README, {"finding": finding, "published numbers": rows})
    return Pages(pages, _find_main(results), drawn)


def write_pages(root: Path) -> Pages:
    """Write the pages of `make_pages` from ``evidence/`` below `root`, the repository, and return them.

    Raises
    ------
    RunError
        If the evidence is faulty (see `read_evidence`), or README.md lacks a block.
    """
    pages = make_pages(root, read_evidence(root / "evidence"))
    for path, text in pages.texts.items():
        write_text(root / path, text)
    return pages


def check_pages(root: Path) -> Pages:
    """Raise a RunError at the first difference between the pages and the evidence; return the pages.

    A measured value (per cent or points with one decimal) that stands outside a block in README.md, docs/ or a comment
    and is no published number is a difference too.
    """
    evidence = read_evidence(root / "evidence")
    pages = make_pages(root, evidence)
    remedy = "Change what it is made from, and run `serflow results`."
    for path, text in pages.texts.items():
        found = (root / path).read_text(encoding="utf-8") if (root / path).is_file() else ""
        for line in difflib.unified_diff(text.splitlines(), found.splitlines(), lineterm="", n=0):
            if line[0] in "+-" and not line.startswith(("+++", "---")):
                told = "holds" if line[0] == "+" else "lacks"
                raise RunError(root / path, f"{told} the line {line[1:]!r}, against the evidence", remedy)
    papers = [record.paper for record in evidence.records.values()]
    published = {f"{100 * entry.value:.1f}" for paper in papers for entry in paper.published}
    block = re.compile(START.format(name=".*?") + r".*?" + END, re.DOTALL)
    for page in [root / README, *sorted((root / "docs").rglob("*.md")), *sorted((root / COMMENTARY).glob("*.md"))]:
        if page.relative_to(root).as_posix() in pages.texts and page.name != README:
            continue
        for value in MEASURED.findall(block.sub("", page.read_text(encoding="utf-8"))):
            if value not in published:
                fault = f"has the measured value {value} outside what `serflow results` writes"
                raise RunError(page, fault, "Move the sentence into a block, or leave the number out.")
    return pages


def tell(result: Result) -> str:
    """Return sentences on a published number, ours under each protocol, and the verdict; empty if none was measured."""
    if not result.measured:
        return ""
    verdict = f" Verdict: {': '.join(filter(None, (result.verdict, result.reason)))}."
    return f"{tell_ours(result)}.{verdict if result.published is not None else ''}"


def paper_title(record: PaperRecord) -> str:
    """Return the short and the full name of a paper."""
    return f"{record.paper.paper}: {record.paper.title}"


def _comment(root: Path, paper: str) -> list[str]:
    """Return what a person wrote on a paper's results."""
    path = root / COMMENTARY / f"{paper}.md"
    return [path.read_text(encoding="utf-8").strip()] if path.is_file() else []


def _drawn(record: PaperRecord, runs: Iterable[RunRecord]) -> Iterable[RunRecord]:
    """Return the runs that are drawn: those of systems with a published number, under a protocol of `DRAWN`."""
    printed = {(one.corpus, one.system) for one in record.paper.published}
    for run in runs:
        protocol = record.paper.protocols.get(run.id.protocol)
        if run.group[:2] in printed and protocol and protocol.purpose in DRAWN:
            yield run


def _paper_page(record: PaperRecord, tables: Sequence[Table], drawn: Sequence[RunRecord]) -> str:
    """Return a paper's page: its tables, pictures of the runs that are drawn, and once what is said of all tables."""
    counted = Counter(note for table in tables for note in table.notes)
    common = [note for note, times in counted.items() if times > 1]
    parts = [f"# {paper_title(record)}", HEAD]
    for table in (table for table in tables if table.rows):
        own = [note for note in table.notes if note not in common]
        title = table.title.removeprefix(f"{record.paper.title}: ")
        bare = replace(table, title=title[0].upper() + title[1:], notes=own, assumptions=(), deviations=None)
        parts.append(_demote(bare.to_markdown()).rstrip("\n"))
    if drawn:
        parts += ["## Curves and confusion matrices", *dict.fromkeys(_pictures(record.paper, drawn))]
    parts += ["## Notes on the tables", "\n".join(f"- {note}" for note in common), "\n".join(tables[0].told).strip()]
    return "\n\n".join(parts) + "\n"


def _pictures(paper: Paper, drawn: Sequence[RunRecord]) -> Iterator[str]:
    """Yield the curves of each system and the confusion matrix of each of its protocols."""
    for kind in ("curves", "confusion"):
        for run in drawn:
            corpus, system, protocol = run.group
            title = f"{paper.title_of('systems', system)} on {display_name(corpus)}"
            if kind == "confusion":
                text, place = f"{title}, {name_protocol(paper, protocol)}: confusion matrix", f"{protocol}/confusion"
            elif run.history:
                text, place = f"{title}: accuracy and loss by epoch", "curves"
            else:
                continue
            yield f"![{text}](../images/results/{paper.paper}/{corpus}/{system}/{place}.svg)"


def _score(evidence: Evidence, record: PaperRecord) -> tuple[Scores, list[Gap], list[RunRecord]]:
    """Return a paper's scores, the differences between its protocols, and the runs of both: not those of studies."""
    paper = record.paper
    runs = [run for run in evidence.runs if run.id.paper == paper.paper and paper.in_tables(*run.group)]
    scores = score_paper(record, runs, evidence.speakers)
    return scores, find_gaps(record, runs, evidence.speakers), runs


def _tabulate_studies(evidence: Evidence, record: PaperRecord) -> Iterator[Table]:
    """Yield the tables of a paper's studies of which two systems or more were run, with what was run alone."""
    for name in record.paper.studies:
        wanted = set(asked_groups(record.paper, name))
        runs = [run for run in evidence.runs if run.id.paper == record.paper.paper and run.group in wanted]
        if len({run.id.system for run in runs}) > 1:
            scores = score_study(record, name, runs, evidence.speakers)
            rows = tabulate_study(record, name, scores, runs, evidence.speakers)
            yield study_table(record, name, rows[rows["n_runs"].notna()], scores, runs)


def _main_table(results: Sequence[Result], records: Mapping[str, PaperRecord]) -> Table:
    """Return one row per system and corpus of which something was measured, of its first metric."""
    columns = ["System", "Corpus", "Metric (part)", "Published", *MAIN.values(), "Verdict"]
    first: dict[tuple[str, str, str], Result] = {}
    for one in _find_main(results):
        first.setdefault((one.paper, one.corpus, one.system), one)
    rows = [
        [
            f"{one.title} ({one.paper})",
            one.name_place(display_name),
            texts.heading(one.metric, one.part),
            texts.of_value(one.metric, one.published),
            *(tell_cell(cell) if (cell := one.shown(role)).value is not None else NOTHING for role in MAIN),
            one.verdict,
        ]
        for one in first.values()
    ]
    notes = [
        *_list_departures(results),
        *_tell_chosen_splits(first.values(), records),
        PARTS,
        texts.metric_note(),
        texts.INTERVALS,
    ]
    return Table("Published numbers and ours", columns, rows, notes)


def _list_departures(results: Iterable[Result]) -> list[str]:
    """Return in what the measured systems depart from their papers, those that do so alike in one sentence."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for one in _find_main(results):
        if departures := list_deviations(one):
            found.setdefault((one.paper, "; ".join(departures)), {})[one.title] = None
    return [f"Departs from the paper ({paper}): {', '.join(names)}: {told}." for (paper, told), names in found.items()]


def _find_main(results: Iterable[Result]) -> list[Result]:
    """Return what has a published number or was run under a protocol of `MAIN`; what is judged comes first."""

    def is_main(one: Result) -> bool:
        shown = any(one.cells[role].value is not None for role in MAIN)
        return one.measured and (one.published is not None or shown)

    return sorted(filter(is_main, results), key=lambda one: (one.published is None, one.verdict.startswith(CANNOT)))


def _tell_chosen_splits(results: Iterable[Result], records: Mapping[str, PaperRecord]) -> list[str]:
    """Return a note that names the papers whose split is our choice."""
    names = sorted({one.paper for one in results if records[one.paper].paper.unsaid_split})
    told = "These papers do not say all of how they split the recordings, so their protocol is partly our choice"
    return [f"{told}, which each paper's page gives: {', '.join(names)}."] if names else []


def tell_finding(results: Iterable[Result], records: Mapping[str, PaperRecord]) -> str:
    """Return the sentence on the published number that loses most on unseen speakers."""
    found = find_headline(results)
    if not found:
        return NO_HEADLINE
    told = {role: tell_cell(cell) for role in ROLES if (cell := found.shown(role)).value is not None}
    metric = "" if found.metric == "WA" else f" {label_of(found.metric)}"
    what = f"reaches {told['unseen']}{metric} on speakers"
    if not metric:
        what = f"recognises {told['unseen']} of the recordings of speakers"
    part = "" if found.part == "test" else f" (on the {found.part} part)"
    place = f"{found.title}, `{found.paper}`, {display_name(found.corpus)}"
    split = records[found.paper].paper.unsaid_split
    same = found.cells["unseen"].note == SAME
    chosen = f" (the paper leaves unsaid {split.unsaid}; chosen here: {split.chosen})" if split else ""
    more = "".join(
        f" {words} {told[role]}{more}."
        for role, words, more in (
            *([] if same else [("published", f"Under the paper's protocol it reaches{part}", chosen)]),
            ("leak", "With the leak, where augmented copies of test recordings are trained on, it reaches", ""),
            ("control", "With its control, where as many copies of training recordings alone are made, it reaches", ""),
        )
        if role in told
    )
    return (
        f"**A system published at {100 * (found.published or 0):.1f} %{metric} {what} it has not heard** ({place})."
        f"{more}{tell_departures(found.shown('unseen'))} In square brackets: 95 % intervals."
    )


def _measured(runs: Iterable[RunRecord]) -> Table:
    """Return the table of where and when runs were made, one row for those of one command, commit and machine."""
    columns = ["Runs of", "Runs", "Hours", "Date", "Hardware", "Libraries", "Commit", "Command"]
    groups: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in runs:
        info = run.info
        hardware = f"{info['device_name']} ({info['device']}, {info['precision']})"
        key = hardware, _libraries(info), short_commit(str(info["commit"])), f"`{info['command']}`"
        groups.setdefault(key, []).append(run)
    rows = [
        [
            ", ".join(sorted({"/".join((run.id.paper, *run.group)) for run in members})),
            str(len(members)),
            f"{sum(float(run.info['seconds']) for run in members) / 3600:.2f}",
            ", ".join(sorted({str(run.info["finished"])[:10] for run in members})),
            *key,
        ]
        for key, members in groups.items()
    ]
    return Table("Where and when it was measured", columns, rows)


def _libraries(info: Mapping[str, object]) -> str:
    versions = info["versions"]
    assert isinstance(versions, Mapping)  # noqa: S101 -- as `run.json` has it
    return ", ".join(f"{name} {versions[name]}" for name in sorted(LIBRARIES) if name in versions)


def _describe_audio(manifests: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return one sentence per corpus on the recordings that were measured, and which emotions if not all."""
    told = []
    for corpus, rows in manifests.items():
        rates = Counter(int(row["sample_rate"]) for row in rows)
        kinds = Counter(PurePosixPath(row["path"]).suffix.lstrip(".").upper() for row in rows)
        forms = f"{', '.join(kinds)} at {', '.join(f'{rate / 1000:g} kHz' for rate in rates)}"
        speakers, emotions = ({row[key] for row in rows} for key in ("speaker", "emotion"))
        some = [emotion for emotion in EMOTIONS if emotion in emotions]
        chosen = f" ({', '.join(some)})" if set(load(corpus).EMOTIONS.values()) > emotions else ""
        sizes = f"{len(rows)} utterances{chosen} of {len(speakers)} speakers"
        told.append(f"Measured on {display_name(corpus)}: {sizes}, {forms}.")
    return told


def _fill(path: Path, blocks: Mapping[str, str]) -> str:
    """Return a page with its blocks filled anew."""
    text = path.read_text(encoding="utf-8")
    for name, content in blocks.items():
        start = START.format(name=name)
        pattern = re.compile(re.escape(start) + ".*?" + re.escape(END), re.DOTALL)
        if not pattern.search(text):
            raise RunError(path, f"has no block {start} … {END}", "Put these two lines where the rows belong.")
        text = pattern.sub(lambda _, content=content, start=start: f"{start}\n{content}\n{END}", text)  # type: ignore[misc]
    return text


def _demote(markdown: str) -> str:
    """Return Markdown with every heading one level lower."""
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in markdown.split("\n"))
