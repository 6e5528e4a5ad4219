"""The running server, attacked: whatever is asked beyond its pages gets 403 or 404, never content, never a kernel."""

import asyncio
import itertools
import json
import os
import re
import signal
import time
import uuid
from pathlib import Path

import pytest
from patience import PATIENCE, eventually
from releases import released
from serving import get, running
from test_browser_board import process_of
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from nbanalytics.errors import NbanalyticsError
from nbanalytics.release import read_release
from nbanalytics.release.files import signed
from nbanalytics.serve import default_release, find_dashboards, refuse_weak, serve
from nbanalytics.serve.gate import access

HEATED = len(find_dashboards())
REFUSED = (403, 404)
UNKNOWN = uuid.UUID(int=7)
SECRETS = ("Traceback", "BoardPage(", "checksum", "root:", "/home/", "site-packages", "student_id")
TRICKS = ("../", "./../", "%2e%2e/", "..%2f", "%2e%2e%2f", "..%5c", "....//", "%252e%252e/", "%00../", "public/../")
ROUTES = (
    "",
    "assets/",
    "data/",
    "live/",
    "voila/static/",
    "voila/templates/lab/static/",
    "voila/templates/nbanalytics/static/",
    "voila/files/",
    "voila/labextensions/",
    "voila/api/themes/",
    "static/",
    "files/",
    "en/",
)
TARGETS = ("dashboards/release/manifest.json", "dashboards/board.ipynb", "pyproject.toml", "etc/passwd")


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


def settled(server, kernels=HEATED):
    """Whether no more kernels are left than those that wait for a visitor."""
    return eventually(lambda: len(server.kernels()) <= kernels)


def refused(answer, asked):
    status, headers, page = answer
    assert status in REFUSED, (asked, status)
    assert not [secret for secret in SECRETS if secret in page], asked
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "nbanalytics"


def test_no_route_leads_out_of_what_is_served(server):
    for route, trick, depth, target in itertools.product(ROUTES, TRICKS, (1, 4), TARGETS):
        line = server.raw(f"GET /{route}{trick * depth}{target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert re.match(rb"HTTP/1.1 40[34] ", line), (route, trick, target, line)


#: What Voila, Jupyter and careless servers answer.
ELSEWHERE = (
    "board.ipynb",
    "explorer",
    "explorer.ipynb",
    "live/explorer",
    "live/explorer.ipynb",
    "live/board/",
    "live/../board.ipynb",
    "live//board",
    "notebooks/01-cohort.ipynb",
    "voila/render/board.ipynb",
    "voila/render/../notebooks/01-cohort.ipynb",
    "voila/tree/",
    "voila/execution/board.ipynb",
    f"voila/query/{UNKNOWN}",
    "release/manifest.json",
    "release/tables/groups.csv",
    "voila/files/release/tables/groups.csv",
    "voila/files/./release/tables/groups.csv",
    "voila/files/../docs/board.png",
    "voila/files/docs/board.png",
    "docs/board.png",
    "data/release/tables/groups.csv",
    "data/sample/students.csv",
    ".git/config",
    ".env",
    ".ipynb_checkpoints/board-checkpoint.ipynb",
    "assets/.git/config",
    "assets/plotly.js",
    "assets/board.js",
    "voila/static/voila.js",
    "voila/templates/lab/static/voila.js",
    "voila/labextensions/jupyterlab-plotly/package.json",
    "voila/api/themes/dark",
    "voila/api/contents",
    "api",
    "api/",
    "api/me",
    "api/status",
    "api/spec.yaml",
    "api/config/notebook",
    "api/contents",
    "api/contents/board.ipynb",
    "api/kernels",
    f"api/kernels/{UNKNOWN}",
    f"voila/api/shutdown/{UNKNOWN}",
    f"api/kernels/{UNKNOWN}/interrupt",
    f"api/kernels/{UNKNOWN}/restart",
    f"api/kernels/{UNKNOWN}/channels",
    "api/kernelspecs",
    "api/sessions",
    "api/shutdown",
    "api/terminals",
    "terminals/websocket/1",
    "nbconvert/html/board.ipynb",
    "metrics",
    "login",
    "logout",
    "lab",
    "tree",
    "files/board.ipynb",
    "view/board.ipynb",
    "robots.txt",
    "favicon.ico",
)


def test_nothing_but_the_pages_is_answered_by_any_method(server):
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
    for path, method in itertools.product(ELSEWHERE, methods):
        data = b"{}" if method in ("POST", "PUT", "PATCH") else None
        refused(get(server.address + path, method, data), (method, path))
    assert settled(server)


def test_pages_are_only_read(server):
    paths, methods = ("", "board", "live/board", "en/"), ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    for path, method in itertools.product(paths, methods):
        status, _, page = get(server.address + path, method, b"{}" if method == "POST" else None)
        assert status in (*REFUSED, 405), (method, path)
        assert not [secret for secret in SECRETS if secret in page], (method, path)
    assert settled(server)


def test_a_template_theme_or_kernel_in_the_address_changes_nothing_and_leaves_no_kernel(server):
    queries = ("template=nonexist", "template=lab", "voila-template=lab", "theme=dark", "template=../..")
    for query in (*queries, "kernel_name=x"):
        status, _, page = get(f"{server.address}live/board?{query}")  # a stock Voila never answers
        assert status == 200, query
        assert "data-nba-model" in page, query
        say_farewell(server, page)
    assert settled(server)


def kernel_of(page):
    return re.search(r'data-nba-kernel="([^"]+)"', page)[1]


def say_farewell(server, page):
    assert get(f"{server.address}voila/api/shutdown/{kernel_of(page)}", "POST", b"")[0] == 204


def test_a_foreign_host_is_refused_and_this_machine_s_own_names_are_answered(server):
    foreign = ("evil.example", "127.0.0.1.evil.example", "evil.example:80", "[::2]", "127.0.0.2", "")
    for host, path in itertools.product(foreign, ("", "board", "live/board", "assets/x.js", "api/kernels")):
        line = server.raw(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert line == b"HTTP/1.1 403 Forbidden", (host, path)
    for host in ("127.0.0.1", "localhost", "LOCALHOST:8866", "[::1]:8866"):
        line = server.raw(f"GET /board HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert line == b"HTTP/1.1 200 OK", host


def test_huge_headers_addresses_and_bodies_are_refused_without_reading_them(server):
    host = b"Host: 127.0.0.1\r\n"
    assert b" 403 " in server.raw(b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 20_000 + b"\r\n\r\n")
    assert b" 403 " in server.raw(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n" + host + b"\r\n")
    assert b" 403 " in server.raw(b"POST / HTTP/1.1\r\n" + host + b"Content-Length: 1000000000\r\n\r\n")
    assert b" 403 " in server.raw(b"POST / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n")
    far_beyond = server.raw(b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n")
    assert far_beyond == b"" or b" 4" in far_beyond[:13]
    assert get(f"{server.address}board")[0] == 200


@pytest.mark.parametrize(
    "line", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n"]
)
def test_what_is_no_request_gets_no_answer_but_400(server, line):
    assert server.raw(line) in (b"", b"HTTP/1.1 400 Bad Request")


def message(kind, content, channel="shell"):
    header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": "s", "username": "", "version": "5.3"}
    whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
    return json.dumps(whole | {"buffers": []})


async def talk(port, kernel, messages, origin=None, seconds=PATIENCE, headers=None, until=lambda answer: False):
    """Send messages to a kernel's websocket; return what it answers within a while, or until what was waited for."""
    headers = {"Origin": origin or f"http://127.0.0.1:{port}"} | (headers or {})
    url = f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels?session_id=s"
    request = HTTPRequest(url, headers=headers, connect_timeout=PATIENCE, request_timeout=PATIENCE)
    socket = await websocket_connect(request)
    for sent in messages:
        await socket.write_message(sent)
    heard, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            answer = await asyncio.wait_for(socket.read_message(), left)
        except TimeoutError:
            break
        if answer is None:
            break
        heard.append(json.loads(answer) if isinstance(answer, str) else answer)
        if until(heard[-1]):
            break
    socket.close()
    while await asyncio.wait_for(socket.read_message(), PATIENCE) is not None:
        pass
    return heard


def view_in(answer):
    """Return the view that a message brings to a page, None if it brings none."""
    return answer["content"]["data"]["state"].get("view") if answer["msg_type"] == "comm_msg" else None


def test_no_code_is_run_completed_or_inspected_over_a_page_s_websocket(server, tmp_path):
    page = get(f"{server.address}live/board")[2]
    kernel, mark = kernel_of(page), tmp_path / "taken"
    code = {"code": f"open({str(mark)!r}, 'w')", "silent": False, "store_history": True, "cursor_pos": 3}
    kinds = ("execute_request", "complete_request", "inspect_request", "history_request", "is_complete_request")
    sent = [message(kind, code, channel) for kind in kinds for channel in ("shell", "control")]
    sent.append(message("shutdown_request", {"restart": False}, "control"))
    sent.append(message("debug_request", {"type": "request", "command": "evaluate"}, "control"))
    sent.append(message("comm_open", {"comm_id": "x", "target_name": "jupyter.widget", "data": {"state": {}}}))
    # The kernel still answers what its page asks, and only that: it would have answered the others before.
    comm = re.search(r'data-nba-model="([^"]+)"', page)[1]
    for sex in ("girl", "boy"):
        chosen = {"cohort": "*", "school": "*", "sex": sex, "newly_arrived": "*"}
        asked = {"comm_id": comm, "data": {"method": "update", "state": {"selection": chosen}, "buffer_paths": []}}
        heard = asyncio.run(talk(server.port, kernel, [*sent, message("comm_msg", asked)], until=view_in))
        told = {answer["msg_type"] for answer in heard}
        assert not {kind for kind in told if kind.endswith("_reply")} | (told & {"execute_result", "stream"})
        assert [view["selection"]["sex"] for view in map(view_in, heard) if view] == [sex]
        assert not mark.exists()
    say_farewell(server, page)
    assert settled(server)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_a_foreign_page_cannot_join_a_kernel_s_websocket(server, origin):
    page = get(f"{server.address}live/board")[2]
    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(talk(server.port, kernel_of(page), [], origin))
    say_farewell(server, page)
    assert settled(server)


@pytest.mark.parametrize("name", [str(UNKNOWN), "board", "..%2f..%2f"])
def test_a_websocket_of_one_s_own_makes_no_kernel(server, name):
    with pytest.raises(HTTPClientError, match=r"40[34]"):
        asyncio.run(talk(server.port, name, []))
    assert settled(server)


def test_strict_headers_are_on_every_answer(server):
    asset = re.search(r'"/?(assets/[^"]+)"', get(f"{server.address}board")[2])[1]
    for path in ("", "board", asset, "live/board", "nowhere", f"api/kernels/{UNKNOWN}/channels"):
        _, headers, page = get(server.address + path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert "unsafe-eval" not in policy
        assert "frame-ancestors 'self'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "SAMEORIGIN"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert headers["Access-Control-Allow-Origin"] is None
        assert headers["Server"] == "nbanalytics"
        if "data-nba-kernel" in page:
            say_farewell(server, page)


def test_kernels_of_tabs_that_said_no_farewell_are_reaped_and_those_that_wait_are_not():
    with running(idle=3) as server:
        assert settled(server)
        for _ in range(2):
            assert get(f"{server.address}live/board")[0] == 200

        def spared():
            """The same kernels wait for longer than one may be idle, and no others are left."""
            waiting = server.kernels()
            time.sleep(7)
            return len(waiting) == HEATED and server.kernels() == waiting

        assert eventually(spared)
        assert get(f"{server.address}live/board")[0] == 200


def test_a_kernel_that_dies_is_not_started_anew(server):
    if not Path("/proc/net/unix").exists():
        pytest.skip("needs /proc to see the processes")
    page = get(f"{server.address}live/board")[2]
    kernel = kernel_of(page)
    os.kill(process_of(kernel), signal.SIGKILL)
    assert settled(server)
    time.sleep(8)  # a restarter looks every three seconds
    assert process_of(kernel) is None
    with pytest.raises(HTTPClientError, match="404"):
        asyncio.run(talk(server.port, kernel, []))


@pytest.fixture(scope="module")
def behind_token():
    with running(
        r"http://127\.0\.0\.1:\d+/skola/\?token=[\w-]{20,}", names=["skola.example"], base_url="/skola/"
    ) as run:
        yield run


def test_without_the_token_nothing_is_answered_not_even_static_files(behind_token):
    page = get(behind_token.announced)
    assert page[0] == 200
    assert '<a href="/skola/">' in page[2]
    cookie = page[1]["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/skola/" in cookie
    assert behind_token.announced.partition("=")[2] not in cookie
    kept = cookie.partition(";")[0]
    board = get(f"{behind_token.address}board", Cookie=kept)
    assert board[0] == 200
    asset = re.search(r'"(?:/skola/)?(assets/static[^"]+)"', board[2])[1]
    for path in ("", "board", "en/", asset, "live/board", "nowhere", f"api/kernels/{UNKNOWN}/channels"):
        for wrong in ({}, {"Cookie": kept[:-1]}, {"Cookie": f"{kept[:-4]}abcd"}, {"Authorization": "token x"}):
            status, _, text = get(behind_token.address + path, **wrong)
            assert status == 403
            assert ("key" if path.startswith("en") else "nyckel") in text
            assert asset not in text
    assert get(f"{behind_token.address}?token=x{'a' * 30}")[0] == 403
    assert get(behind_token.announced, "POST", b"")[0] == 403
    assert get(f"{behind_token.address}{asset}", Cookie=kept)[0] == 200


def test_a_base_url_and_the_name_of_a_proxy_are_followed(behind_token):
    kept = get(behind_token.announced)[1]["Set-Cookie"].partition(";")[0]
    outside = behind_token.address.removesuffix("skola/")
    assert get(f"{behind_token.address}board", Cookie=kept, Host="skola.example")[0] == 200
    assert get(f"{behind_token.address}board", Cookie=kept, Host="other.example")[0] == 403
    for path in ("", "board", "live/board", "assets/x.js"):
        assert get(f"{outside}{path}", Cookie=kept)[0] == 404
    secure = get(behind_token.announced, X_Forwarded_Proto="https")[1]["Set-Cookie"]
    assert secure.endswith("; Secure")
    live = get(f"{behind_token.address}live/board", Cookie=kept)[2]
    assert 'data-base="/skola/"' in live
    assert get(f"{behind_token.address}voila/api/shutdown/{kernel_of(live)}", "POST", b"", Cookie=kept)[0] == 204


def test_a_token_is_asked_for_unless_the_address_is_this_machine_or_the_release_public(monkeypatch):
    assert access().token == ""
    assert access(address="::1").token == ""
    assert access(address="10.0.0.5").token
    assert access(names=["skola.example"]).token
    assert access(closed=True).token
    assert access(address="10.0.0.5", public=True).token == ""
    assert access(address="10.0.0.5", public=True).knows("10.0.0.5:80")
    assert not access(address="10.0.0.5", public=True).knows("127.0.0.1")
    monkeypatch.setenv("NBANALYTICS_TOKEN", "iX3v9_Qd7Lr2-bWk")
    assert access(address="10.0.0.5").token == "iX3v9_Qd7Lr2-bWk"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"address": "skola.example"}, "not an IP address"),
        ({"address": "0.0.0.0"}, "--name"),
        ({"names": ["http://skola.example"]}, "not a host name"),
        ({"base_url": "/../x"}, "base URL"),
        ({"base_url": "/a b/"}, "base URL"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_before_anything_starts(settings, said):
    with pytest.raises(NbanalyticsError, match=said):
        serve(port=0, **settings)


def test_a_token_too_short_is_refused_and_not_repeated(monkeypatch):
    monkeypatch.setenv("NBANALYTICS_TOKEN", "hemlig")
    with pytest.raises(NbanalyticsError, match="NBANALYTICS_TOKEN") as raised:
        access(address="10.0.0.5")
    assert "hemlig" not in str(raised.value)


def test_a_release_that_does_not_hold_is_not_served_to_the_public(tmp_path):
    def unhide(manifest, tables):
        """Publish what a sum then gives away: one hidden cell of a row whose others are shown."""
        table = tables["groups"]
        hidden = table.index[(table["status"] == "suppressed")]
        row = table.loc[hidden[0]]
        same = (table["cohort"] == row["cohort"]) & (table["school"] == row["school"]) & (table["sex"] == row["sex"])
        same &= table["newly_arrived"] == row["newly_arrived"]
        others = [place for place in hidden if same[place] and place != hidden[0]]
        table.loc[others, ["value", "status"]] = [1.0, "ok"]

    weak = read_release(released(tmp_path / "release", unhide))
    with pytest.raises(NbanalyticsError, match="does not hold"):
        refuse_weak(weak, seconds=0)


def test_a_release_whose_witnesses_are_another_s_is_not_served_to_the_public():
    sample = read_release(default_release())
    assert sample.witnesses is not None
    refuse_weak(sample, seconds=0)  # the attack has no time to find a table, the witnesses are enough
    rows = sample.witnesses.decode("utf-8").splitlines(keepends=True)
    half = int(rows[-1].split(",")[0]) // 2
    kept = [row for row in rows[1:] if int(row.split(",")[0]) < half]
    fewer = signed(sample.manifest, sample.tables, "".join([rows[0], *kept]).encode("utf-8"))
    with pytest.raises(NbanalyticsError, match=r"does not hold.*--replay"):
        refuse_weak(fewer, seconds=0)
