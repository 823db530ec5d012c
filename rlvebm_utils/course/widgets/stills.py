"""The figure under a panel: what the slider shows, at a few of its values, for a page at rest."""

from __future__ import annotations

import textwrap

from matplotlib.patches import Patch

from ..plots.style import WIDTH, headline, new_figure
from .parts import number


def still_figure(panel):
    """(figure, its words): a column for each value of `panel.stills`, a row for each part."""
    name, wanted = panel.stills
    states = [panel.state(**{**panel.values, name: value}) for value in wanted]
    columns = [[part for part in panel.draw(state) if part.still] for state in states]
    label = panel.controls[name].description

    heights = [part.height for part in columns[0]]
    figure, grid = new_figure(
        len(heights),
        len(columns),
        height=0.9 + sum(heights) * 0.92 * WIDTH / len(columns),
        squeeze=False,
        height_ratios=heights,
    )
    for column, (parts, state) in enumerate(zip(columns, states, strict=True)):
        for axes, part in zip(grid[:, column], parts, strict=True):
            part.plot(axes)
            if column == 0:
                _row_title(axes, part.title)
        heading = f"{label} = {number(state[name], 2)}"
        if panel.headline:
            heading += f"\n{panel.shown(state)[panel.headline]}"
        grid[0, column].set_title(heading, fontsize=10, fontweight="normal", loc="center")
    title = f"At rest: {len(wanted)} values of {label}"  # the panel's own title stands above
    headline(figure, f"{title}; above each column, {panel.headline}" if panel.headline else title)
    _key(figure, columns)
    words = " ".join(panel.alt_text(state) for state in states)
    stop = "" if panel.title.endswith("?") else "."
    return figure, f"{panel.title}{stop} From left to right: {words}"


def _key(figure, columns) -> None:
    """What the colours of the parts stand for, each once, where they stand for something."""
    parts = [part for parts in columns for part in parts]
    told = {name: tint for part in parts for name, tint in getattr(part, "key", {}).items()}
    if told:
        patches = [Patch(color=tint, label=name) for name, tint in told.items()]
        figure.legend(handles=patches, ncols=len(told), loc="outside lower center", fontsize=9)


def _row_title(axes, title: str) -> None:
    """To the left of the first column, whatever ticks stand there."""
    axes.annotate(
        textwrap.fill(title, 16),
        xy=(-0.22, 0.5),
        xycoords="axes fraction",
        ha="right",
        va="center",
        fontsize=9,
    )
