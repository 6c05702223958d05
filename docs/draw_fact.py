"""The picture of the README: where pocket-gpt2 keeps the capital of France, and what changing those neurons does.

python docs/draw_fact.py        writes docs/fact.svg, from what `factneurons ask` finds
"""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd
import vl_convert

import factneurons as fn
from factneurons.asking.types import CHANGED, Answered

OUT = Path(__file__).with_name("fact.svg")
FOUND, RANDOM, INK, FAINT = "#2563eb", "#b6bcc7", "#1f2937", "#6b7280"


def places(found: Answered) -> alt.Chart:
    """Every neuron that carries the answer: its layer (the last on top), its index, its score as a size."""
    rows = pd.DataFrame(
        {"layer": each.neuron.layer, "index": each.neuron.index, "score": each.score} for each in found.carriers
    )
    layers = list(reversed(range(found.layers)))
    neurons, width = f"{len(found.carriers)} of {found.searched:,}", found.searched // found.layers
    return (
        alt.Chart(rows, title=f"The {neurons} neurons that carry it", width=400, height=180)
        .mark_circle(color=FOUND, opacity=0.75)
        .encode(
            x=alt.X("index:Q", title=f"neuron, of {width}", scale=alt.Scale(domain=[0, width])),
            y=alt.Y("layer:O", title="layer", scale=alt.Scale(domain=layers)),
            size=alt.Size("score:Q", legend=None, scale=alt.Scale(range=[30, 500])),
        )
    )


def effects(found: Answered) -> alt.LayerChart:
    """P(answer) untouched, with these neurons suppressed and doubled, and with random ones."""
    rows = [("untouched", "the model", found.answer.probability)]
    for each in found.changes:
        rows.append((CHANGED[each.action], "these neurons", each.probability))
        rows.append((CHANGED[each.action], "random neurons", sum(each.random) / len(each.random)))
    frame = pd.DataFrame(rows, columns=["state", "which", "P"])
    frame["bar"] = frame["state"].where(frame["which"] == "the model", frame["which"] + " " + frame["state"])
    base = alt.Chart(frame).encode(
        y=alt.Y("bar:N", sort=None, title=None, axis=alt.Axis(labelLimit=220, domain=False, ticks=False)),
        x=alt.X(
            "P:Q", title=f"P({found.answer.text})", scale=alt.Scale(domain=[0, 1.2]), axis=alt.Axis(values=[0, 0.5, 1])
        ),
    )
    bars = base.mark_bar(height=16).encode(
        color=alt.Color(
            "which:N",
            legend=None,
            scale=alt.Scale(domain=["the model", "these neurons", "random neurons"], range=[INK, FOUND, RANDOM]),
        )
    )
    numbers = base.mark_text(align="left", dx=4, color=INK).encode(text=alt.Text("P:Q", format=".3f"))
    return (bars + numbers).properties(width=210, height=180, title="What happens to the answer")


def main() -> None:
    """Ask, draw, write."""
    found = fn.ask("pocket-gpt2", "The capital of France is ___", "Paris")
    chart = (places(found) | effects(found)).resolve_scale(color="independent")
    chart = chart.properties(title=alt.Title(found.title, subtitle="pocket-gpt2", anchor="start"), padding=14)
    chart = (
        chart.configure(background="white", font="sans-serif")
        .configure_view(stroke="#e2e5ea")
        .configure_title(fontSize=13, fontWeight=600, color=INK, subtitleColor=FAINT)
        .configure_axis(labelColor=INK, titleColor=FAINT, titleFontWeight="normal", gridOpacity=0.4)
    )
    OUT.write_text(vl_convert.vegalite_to_svg(chart.to_dict()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
