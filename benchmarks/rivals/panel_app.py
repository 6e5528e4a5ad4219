"""The board's content in Panel."""

import panel as pn
from content import FILTERS, PORT, view

pn.extension("plotly")


def shown(*values: str) -> pn.Column:
    found = view(*values)
    parts = [pn.pane.Markdown(found["answer"])]
    parts.append(pn.Row(*(pn.pane.Markdown(f"{tile['label']}\n### {tile['value']}") for tile in found["tiles"])))
    for section in found["sections"]:
        held = section["table"]
        lines = [held["columns"], ["---"] * len(held["columns"]), *held["rows"]]
        table = "\n".join("|" + "|".join(line) + "|" for line in lines)
        height = section["figure"]["layout"]["height"]
        if section["id"] == "flows":  # in Panel's shadow trees plotly fails at a Sankey that cannot be dragged
            section["figure"]["layout"]["dragmode"] = "zoom"
        parts += [pn.pane.Markdown(f"## {section['title']}\n{section['lead']}")]
        parts += [pn.pane.Plotly(section["figure"], height=height, sizing_mode="stretch_width")]
        parts += [pn.pane.Markdown(section["hidden"]), pn.Card(pn.pane.Markdown(table), title=held["caption"])]
    return pn.Column(*parts, *map(pn.pane.Markdown, found["reading"]), sizing_mode="stretch_width")


def page() -> pn.Column:
    choices = [
        pn.widgets.Select(
            options={option["label"]: option["value"] for option in entry["options"]}, name=entry["label"]
        )
        for entry in FILTERS
    ]
    return pn.Column("# När tappar vi dem?", *choices, pn.bind(shown, *choices), sizing_mode="stretch_width")


pn.serve(page, port=PORT, show=False, title="board")
