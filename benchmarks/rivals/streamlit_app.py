"""The board's content in Streamlit."""

import plotly.graph_objects as go
import streamlit as st
from content import FILTERS, view

st.title("När tappar vi dem?")
values = []
for entry in FILTERS:
    labels = {option["value"]: option["label"] for option in entry["options"]}
    values.append(st.selectbox(entry["label"], list(labels), format_func=labels.__getitem__))
found = view(*values)
st.write(found["answer"])
for column, tile in zip(st.columns(len(found["tiles"])), found["tiles"], strict=True):
    column.metric(tile["label"], tile["value"])
for section in found["sections"]:
    st.header(section["title"])
    st.write(section["lead"])
    st.plotly_chart(go.Figure(section["figure"]), key=section["id"])
    st.write(section["hidden"])
    with st.expander(section["table"]["caption"]):
        st.table([dict(zip(section["table"]["columns"], row, strict=True)) for row in section["table"]["rows"]])
for text in found["reading"]:
    st.write(text)
