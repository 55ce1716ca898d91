"""How well each speaker is recognised, one row per system and protocol."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from serflow.figures.style import GREY, LINE, draw_rows, look_of, name_row, new_figure, place_legend, save, style
from serflow.papers.model import PaperRecord
from serflow.papers.names import ROLES
from serflow.protocols.base import Role
from serflow.scoring.scores import Scores
from serflow.scoring.speakers import speaker_name, speakers_of

#: Protocols of these roles are drawn: the control and the leak test few utterances of each speaker.
SHOWN: tuple[Role, ...] = ("published", "unseen", "random", "given")
#: Shares of a row between which points are spread, so that equal ones can be told apart.
JITTER = (-0.12, 0.0, 0.12, -0.06, 0.06)


def plot_speakers(record: PaperRecord, scores: Scores, stem: Path | str) -> None:
    """Draw the accuracy of each speaker from a paper's scores and save as png and svg."""
    save(draw_speakers(record, scores), stem, synthetic=record.synthetic)


@style()
def draw_speakers(record: PaperRecord, scores: Scores) -> Figure:
    """Draw a dot for each speaker's accuracy on the test part, and name the worst and the best."""
    paper = record.paper
    groups = {
        group: sorted(found, key=lambda score: score.value or 0.0)
        for group, found in speakers_of(scores).items()
        if paper.protocols[group[2]].purpose in SHOWN
    }
    title = f"{paper.title}\naccuracy of each speaker on the test part; names: the worst and the best"
    figure = new_figure(9, 1.5 + 0.62 * max(1, len(groups)) + LINE * len(SHOWN), title)
    axes = figure.subplots()
    for y, ((_, _, protocol), found) in enumerate(groups.items()):
        role = paper.protocols[protocol].purpose
        colour, marker = look_of(SHOWN.index(role))
        values = [100 * (score.value or 0.0) for score in found]
        heights = [y + JITTER[n % len(JITTER)] for n in range(len(values))]
        axes.plot([values[0], values[-1]], [y, y], color=GREY, linewidth=0.8, zorder=1)  # their range
        axes.scatter(values, heights, s=26, color=colour, marker=marker, alpha=0.75, label=f"ours, {ROLES[role]}")
        for place, side in ((0, "right"), (-1, "left"))[: len(values)]:
            offset = -7 if place == 0 else 7
            axes.annotate(
                speaker_name(found[place]),
                (values[place], y),
                (offset, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=8,
            )
    axes.set(xlim=(-14, 114), xticks=range(0, 101, 20), xlabel="WA (%)")
    axes.grid(axis="x")
    draw_rows(axes, [name_row(paper.title_of("systems", system), corpus) for corpus, system, _ in groups])
    place_legend(figure)
    return figure
