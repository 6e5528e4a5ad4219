"""The board's content in Dash."""

from content import FILTERS, PORT, view
from dash import Dash, Input, Output, dcc, html

# Loaded with the page: where 50 browsers share two cores, plotly.js comes later than the 30 s that Dash waits for it.
app = Dash(__name__, eager_loading=True)


def table(held: dict) -> html.Details:
    head = html.Tr([html.Th(text) for text in held["columns"]])
    rows = [html.Tr([html.Td(text) for text in row]) for row in held["rows"]]
    return html.Details([html.Summary(held["caption"]), html.Table([html.Thead(head), html.Tbody(rows)])])


def shown(*values: str) -> list:
    found = view(*values)
    tiles = [html.Div([html.Small(tile["label"]), html.H3(tile["value"])]) for tile in found["tiles"]]
    parts = [html.P(found["answer"]), html.Div(tiles, style={"display": "flex", "gap": "16px"})]
    for section in found["sections"]:
        parts += [html.H2(section["title"]), html.P(section["lead"]), dcc.Graph(figure=section["figure"])]
        parts += [html.P(section["hidden"]), table(section["table"])]
    return [*parts, *(html.P(text) for text in found["reading"])]


choices = [
    dcc.Dropdown(id=entry["id"], options=entry["options"], value="*", clearable=False, searchable=False)
    for entry in FILTERS
]
app.layout = html.Div([html.H1("När tappar vi dem?"), *choices, html.Div(shown(*("*" for _ in FILTERS)), id="shown")])
app.callback(
    Output("shown", "children"), [Input(entry["id"], "value") for entry in FILTERS], prevent_initial_call=True
)(lambda *values: shown(*values))
app.run(port=PORT, debug=False)
