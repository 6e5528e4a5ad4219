"""The Kolada client against a local server that answers with recorded shapes, faults included; no real network."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from patience import PATIENCE

from nbanalytics.errors import DataError
from nbanalytics.municipal.kolada import Kolada

TITLE = "Elever i åk 9 som är behöriga till yrkesprogram, hemkommun, andel (%)"
Answer = Callable[[BaseHTTPRequestHandler], None]


def page(values: list[Any], next_url: str | None = None) -> dict[str, Any]:
    """Make a page as Kolada writes it."""
    return {"values": values, "next_url": next_url, "previous_url": None, "count": len(values)}


def kpi(identifier: str = "N15428", title: str = TITLE) -> dict[str, Any]:
    """Make an indicator's description."""
    return {"id": identifier, "title": title, "description": "…", "has_ou_data": False, "is_divided_by_gender": 1}


def data(period: int, place: str = "1883", value: float | None = 84.5, status: str = "") -> dict[str, Any]:
    """Make the values of an indicator for one year and place."""
    cells = [{"gender": g, "value": value, "count": 1, "status": status, "isdeleted": False} for g in "TKM"]
    return {"kpi": "N15428", "municipality": place, "period": period, "values": cells}


class Server(ThreadingHTTPServer):
    """Answers each path with what a test has put there, in order; the last answer is repeated."""

    daemon_threads = True
    answers: dict[str, list[Any]]
    asked: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v3"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        path = self.path.removeprefix("/v3/")
        self.server.asked.append(path)
        waiting = self.server.answers.get(path) or self.server.answers.get(path.split("?")[0], [404])
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if callable(answer):
            answer(self)
        elif isinstance(answer, int):
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            send(self, answer if isinstance(answer, bytes) else json.dumps(answer).encode())


def send(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    """Answer with a body, of another length than stated if wanted."""
    handler.send_response(200)
    if length != 0:
        handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def slow(handler: BaseHTTPRequestHandler) -> None:
    """Answer not at all: wait until whoever asks has hung up."""
    handler.rfile.read(1)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """Send a byte now and then, so that no single wait is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)
    except OSError:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server(("127.0.0.1", 0), Handler) as running:
        running.answers, running.asked = {"kpi/N15428": [page([kpi()])]}, []
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def client(server: Server, **options: Any) -> tuple[Kolada, list[float]]:
    """Return a client that does not wait, and the pauses that it would have made."""
    pauses: list[float] = []
    return Kolada(server.url, sleep=pauses.append, **{"timeout": PATIENCE, **options}), pauses


def test_values_are_tidy_and_pages_are_followed(server: Server) -> None:
    path = "data/kpi/N15428/municipality/1883,0000/year/2018,2019"
    private = data(2019, value=None, status="Private")
    server.answers[f"{path}?per_page=5000"] = [page([data(2018)], f"{server.url}/{path}?per_page=5000&page=2")]
    server.answers[f"{path}?per_page=5000&page=2"] = [page([private, data(2018, "0000", 84.4)])]
    frame = client(server)[0].values({"N15428": "behöriga"}, ["1883", "0000"], [2018, 2019])
    assert list(frame.columns) == ["kpi", "municipality", "period", "gender", "value", "count", "status"]
    assert len(frame) == 9
    assert set(frame["gender"]) == {"all", "girls", "boys"}
    hidden = frame[(frame["period"] == 2019)]
    assert hidden["value"].isna().all()
    assert set(hidden["status"]) == {"Private"}
    nation = frame[(frame["municipality"] == "0000") & (frame["gender"] == "all")]
    assert nation["value"].tolist() == [84.4]


def test_municipalities(server: Server) -> None:
    server.answers["municipality"] = [page([{"id": "1883", "title": "Karlskoga", "type": "K"}])]
    assert client(server)[0].municipalities().to_dict("records") == [
        {"municipality": "1883", "title": "Karlskoga", "type": "K"}
    ]


def test_long_lists_are_asked_for_in_parts(server: Server) -> None:
    places = [f"{1000 + number}" for number in range(30)]
    for some in (places[:25], places[25:]):
        path = f"data/kpi/N15428/municipality/{','.join(some)}"
        server.answers[path] = [page([data(2018, place) for place in some])]
    assert client(server)[0].values(["N15428"], places)["municipality"].nunique() == 30


@pytest.mark.parametrize(
    ("ids", "title"),
    [(["N15428"], "Elever i åk 9, meritvärde"), ({"N15428": "gymnasieskolans yrkesprogram"}, TITLE)],
)
def test_a_title_that_is_not_what_was_asked_for(server: Server, ids: Any, title: str) -> None:
    server.answers["kpi/N15428"] = [page([kpi(title=title)])]
    with pytest.raises(DataError, match="N15428") as raised:
        client(server)[0].values(ids, ["1883"])
    assert title in str(raised.value)
    assert ("gymnasieskolans" if isinstance(ids, dict) else "behöriga") in str(raised.value)


def test_an_unknown_indicator(server: Server) -> None:
    server.answers["kpi/N15428"] = [page([])]
    with pytest.raises(DataError, match="no indicator N15428"):
        client(server)[0].kpi(["N15428"])


@pytest.mark.parametrize(
    "fault",
    [
        500,
        503,
        429,
        slow,
        lambda handler: send(handler, b'{"values": [{"id"', length=400),
        lambda handler: send(handler, b'{"values": [{"id"', length=0),
        b"<html>",
    ],
    ids=["500", "503", "429", "slow", "cut off", "cut off without a length", "no JSON"],
)
def test_a_fault_of_the_moment_is_mended_by_another_try(server: Server, fault: Any) -> None:
    server.answers["kpi/N15428"] = [fault, fault, page([kpi()])]
    asking, pauses = client(server)
    if fault is slow:  # the last try may take its time

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            asking.timeout = 0.2 if len(pauses) < 2 else PATIENCE

        asking.timeout, asking.sleep = 0.2, pause
    assert asking.kpi(["N15428"])["title"].tolist() == [TITLE]
    assert 0.25 <= pauses[0] <= 0.75
    assert 0.5 <= pauses[1] <= 1.5


def test_a_pause_that_the_service_asks_for_is_made(server: Server) -> None:
    def later(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(429)
        handler.send_header("Retry-After", "7")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.answers["kpi/N15428"] = [later, page([kpi()])]
    asking, pauses = client(server)
    asking.kpi(["N15428"])
    assert pauses == [7]


@pytest.mark.parametrize(
    ("fault", "word"), [(500, "status 500"), (slow, "nothing within"), (dripping, "nothing within")]
)
def test_a_fault_that_stays_is_told_after_a_few_tries(server: Server, fault: Any, word: str) -> None:
    server.answers["kpi/N15428"] = [fault]
    asking, pauses = client(server, tries=3, timeout=PATIENCE if fault == 500 else 0.2)
    with pytest.raises(DataError, match=word):
        asking.kpi(["N15428"])
    assert len(server.asked) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize("status", [400, 404])
def test_a_refused_question_is_not_repeated(server: Server, status: int) -> None:
    server.answers["kpi/N15428"] = [status]
    with pytest.raises(DataError, match=f"status {status}"):
        client(server)[0].kpi(["N15428"])
    assert len(server.asked) == 1


def test_cut_off_on_the_second_page_loses_nothing(server: Server) -> None:
    server.answers["municipality"] = [page([{"id": "0001", "title": "A"}], "/v3/municipality?page=2")]
    cut = json.dumps(page([{"id": "0002", "title": "B"}])).encode()
    server.answers["municipality?page=2"] = [
        lambda handler: send(handler, cut[:20], length=len(cut)),
        page([{"id": "0002", "title": "B"}]),
    ]
    assert client(server)[0].municipalities()["municipality"].tolist() == ["0001", "0002"]


def test_pages_that_go_in_a_circle(server: Server) -> None:
    server.answers["municipality?page=2"] = [page([], "/v3/municipality?page=2")]
    server.answers["municipality"] = [page([], "/v3/municipality?page=2")]
    with pytest.raises(DataError, match="do not end"):
        client(server)[0].municipalities()
    assert len(server.asked) == 2


def test_pages_that_never_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbanalytics.municipal.kolada.MOST_PAGES", 5)

    def another(handler: BaseHTTPRequestHandler) -> None:
        send(handler, json.dumps(page([], f"/v3/municipality?page={len(server.asked)}")).encode())

    server.answers["municipality"] = [another]
    with pytest.raises(DataError, match="do not end"):
        client(server)[0].municipalities()
    assert len(server.asked) == 5


def test_a_page_that_is_too_large(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbanalytics.municipal.kolada.MOST_BYTES", 1000)
    server.answers["municipality"] = [b" " * 5000]
    with pytest.raises(DataError, match="larger"):
        client(server)[0].municipalities()


@pytest.mark.parametrize(
    "link", ["http://example.org/v3/municipality", "//example.org/x", "file:///etc/passwd", "http://[", 7]
)
def test_another_host_is_not_followed(server: Server, link: Any) -> None:
    server.answers["municipality"] = [page([], link)]
    with pytest.raises(DataError, match=r"another host|not text"):
        client(server)[0].municipalities()


def test_a_redirect_to_another_host_is_not_followed(server: Server) -> None:
    def away(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://localhost:9/v3/municipality")
        handler.end_headers()

    server.answers["municipality"] = [away]
    with pytest.raises(DataError, match="another host"):
        client(server)[0].municipalities()


def test_the_cache_spares_questions_and_helps_offline(server: Server, tmp_path: Path) -> None:
    now = [1_000_000.0]
    asking, _ = client(server, cache=tmp_path / "cache", max_age=3600, clock=lambda: now[0])
    first = asking.kpi(["N15428"])
    assert asking.kpi(["N15428"]).equals(first)
    assert len(server.asked) == 1
    now[0] += 86_400 * 2
    server.answers["kpi/N15428"] = [500]
    assert asking.kpi(["N15428"]).equals(first)
    assert "2 days ago" in asking.remarks[0]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".json"]


def test_a_damaged_cache_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    asking, _ = client(server, cache=tmp_path)
    asking.kpi(["N15428"])
    (stored,) = tmp_path.iterdir()
    for content in (b"", b"\x00\xff", b"[]", b'{"url": 1}', stored.read_bytes()[:-9], b"[" * 100_000):
        stored.write_bytes(content)
        asking.kpi(["N15428"])
    assert len(server.asked) == 7


def test_a_cache_that_cannot_be_written_is_remarked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    asking, _ = client(server, cache=tmp_path / "file" / "cache")
    asking.kpi(["N15428"])
    assert "cannot be written" in asking.remarks[0]


def test_offline_without_a_cache_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match="cannot be reached"):
        Kolada("http://127.0.0.1:9", sleep=lambda seconds: None).municipalities()


@pytest.mark.parametrize("kpis", [[], "N15428", ["N15428/../x"], ["15428"], ["N1542８"]])
def test_identifiers_are_checked_before_anything_is_asked(server: Server, kpis: Any) -> None:
    with pytest.raises(DataError):
        client(server)[0].kpi(kpis)
    with pytest.raises(DataError):
        client(server)[0].values(["N15428"], ["Karlskoga"])
    assert not server.asked


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["values", "next_url", "kpi", "municipality", "period", "gender", "value", "id", "title", "count"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(answer=JSON | st.binary(max_size=60))
def test_any_answer_is_understood_or_refused(server: Server, answer: Any) -> None:
    asking, _ = client(server, tries=1)
    for path in ("kpi/N15428", "municipality", "data/kpi/N15428/municipality/1883"):
        wrapped = answer if isinstance(answer, bytes) else page([answer] if not isinstance(answer, list) else answer)
        server.answers = {"kpi/N15428": [page([kpi()])], path: [wrapped]}
        for question in (asking.municipalities, lambda: asking.values(["N15428"], ["1883"])):
            with suppress(DataError):
                question()


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.binary(max_size=60) | JSON.map(lambda content: json.dumps(content).encode()))
def test_whatever_stands_in_the_cache_is_asked_for_again(server: Server, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as cache:
        expected = client(server, cache=cache)[0].kpi(["N15428"])
        (stored,) = Path(cache).iterdir()
        stored.write_bytes(content)
        server.asked.clear()
        assert client(server, cache=cache)[0].kpi(["N15428"]).equals(expected)
        assert server.asked
