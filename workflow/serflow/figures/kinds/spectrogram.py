"""One recording's spectrogram, from a feature cache."""

from __future__ import annotations

from matplotlib.figure import Figure

from serflow.corpora.names import display_name
from serflow.figures.request import Request
from serflow.figures.spectrograms import draw_spectrogram
from serflow.figures.style import new_figure, wrap
from serflow.figures.utterances import choose_utterance, read_frames
from serflow.types import Text

NEEDS = "manifests features"


def spectrogram(request: Request, *, recipe: Text, utterance: Text | None = None) -> Figure:
    """Draw the recording that the paper shows, else the first by name.

    Parameters
    ----------
    recipe
        A recipe of the transform ``logspectrogram`` or ``logmel``.
    utterance
        The recording that the paper shows, where it names one.
    """
    rows, options = request.read_rows(), request.paper.recipes[recipe]
    row, told = choose_utterance(rows, utterance)
    frames = read_frames(request.features[0], options, rows, row)
    figure = new_figure(8, 4.6, wrap(request.title(f"Ours: {told}; {display_name(rows[row]['corpus'])}")))
    draw_spectrogram(figure, figure.subplots(), frames, options)
    return figure
