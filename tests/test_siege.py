"""The server under siege: whoever takes lines, kernels or file descriptors leaves the static pages to the others."""

import asyncio
import gc
import json
import re
import socket
import stat
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from patience import PATIENCE, eventually
from serving import AT_ONCE, get, running
from test_hardening import kernel_of, message, say_farewell, talk
from tornado.httpclient import HTTPClientError
from tornado.httputil import HTTPHeaders
from tornado.websocket import websocket_connect

from nbanalytics.errors import DataError, NbanalyticsError
from nbanalytics.municipal.pseudonyms import Key, estimated_bits, read_key
from nbanalytics.serve import find_dashboards
from nbanalytics.serve.gate import access, from_elsewhere, lines_and_pages, visitor_of
from nbanalytics.serve.handlers import answer_in, question_in

# Tornado's client leaves refused websockets to the garbage collector, in whatever test that comes.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Unclosed WebSocketClientConnection:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WAITING = len(find_dashboards())
IMPATIENT = (
    "from nbanalytics.serve import app, gate, handlers; gate.PATIENCE = app.PATIENCE = 1.0; handlers.UNCLAIMED = 1.0; "
    + AT_ONCE
)


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def impatient():
    """A server that waits for one second where others wait for twenty."""
    with running(start=IMPATIENT, live_limit=30) as started:
        yield started


def request(peer="127.0.0.1", **headers):
    named = HTTPHeaders({"Host": "skola.example"} | {name.replace("_", "-"): text for name, text in headers.items()})
    return SimpleNamespace(headers=named, remote_ip=peer)


# ------------------------------------------------------------------ who may start a kernel


ELSEWHERE = (
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Referer": "http://evil.example/page"},
    {"Referer": "http://skola.example.evil.example/"},
    {"Sec_Fetch_Site": "none", "Sec_Purpose": "prefetch;prerender"},
)


def test_a_request_of_another_site_is_told_from_a_visit():
    assert [headers for headers in ELSEWHERE if not from_elsewhere(request(**headers))] == []
    visits = (
        {},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://skola.example"},
        {"Referer": "https://skola.example/board"},
        {"Origin": "https://SKOLA.example"},
    )
    assert [headers for headers in visits if from_elsewhere(request(**headers))] == []


def test_another_site_s_page_starts_no_kernel_and_its_visitor_is_led_on_by_a_link(server):
    assert eventually(lambda: len(server.kernels()) == WAITING)
    waiting = server.kernels()
    for headers in ELSEWHERE:
        status, _, page = get(f"{server.address}live/board", **headers)
        assert status == 403
        assert 'href="/live/board?lang=sv"' in page
        assert "data-nba-kernel" not in page
    assert server.kernels() == waiting


def test_a_visitor_is_an_address_or_the_one_that_a_proxy_here_names():
    assert visitor_of(request("192.0.2.7")) == "192.0.2.7"
    assert visitor_of(request("192.0.2.7", X_Real_IP="198.51.100.1")) == "192.0.2.7"  # anybody may write that
    assert visitor_of(request("127.0.0.1", X_Real_IP="198.51.100.1")) == "198.51.100.1"
    assert visitor_of(request("127.0.0.1", X_Real_IP="no address")) == "127.0.0.1"
    household = {visitor_of(request(f"2001:db8:1:2::{number:x}")) for number in range(1, 50)}
    assert household == {"2001:db8:1:2::/64"}
    assert visitor_of(request("::ffff:192.0.2.7")) == "192.0.2.7"


def test_plain_requests_of_one_visitor_leave_room_for_others(server):
    def come(**headers):
        return get(f"{server.address}live/board", **headers)

    answers = [come(X_Real_IP="198.51.100.1") for _ in range(20)]
    taken = [page for status, _, page in answers if status == 200]
    assert len(taken) == 12  # a fifth of sixty
    assert {status for status, _, _ in answers} == {200, 503}
    assert "från din adress" in answers[-1][2]
    assert get(f"{server.address}live/board", "HEAD", X_Real_IP="198.51.100.1")[0] == 503
    status, _, other = come(X_Real_IP="198.51.100.2")
    assert status == 200
    for page in (*taken, other):
        say_farewell(server, page)
    status, _, page = come(X_Real_IP="198.51.100.1")
    assert status == 200
    say_farewell(server, page)


def test_a_kernel_that_no_page_claims_ends_and_one_that_is_claimed_stays(impatient):
    async def claim():
        """A page's line; a busy machine may have ended its kernel as unclaimed before it could be opened."""
        for _ in range(50):
            page = await asyncio.to_thread(get, f"{impatient.address}live/board")
            if page[0] == 200:
                url = f"ws://127.0.0.1:{impatient.port}/api/kernels/{kernel_of(page[2])}/channels?session_id=s"
                with suppress(HTTPClientError):
                    return await websocket_connect(url)
        raise AssertionError

    async def hold():
        line = await claim()
        for _ in range(4):
            await asyncio.to_thread(get, f"{impatient.address}live/board")
        ended = await asyncio.to_thread(eventually, lambda: len(impatient.kernels()) == WAITING + 1)
        await asyncio.sleep(3)  # three times as long as an unclaimed kernel has
        left = len(impatient.kernels())
        line.close()
        return ended, left

    assert asyncio.run(hold()) == (True, WAITING + 1)
    assert eventually(lambda: len(impatient.kernels()) == WAITING)  # it ends after its line, too


def test_a_kernel_has_few_lines_however_many_are_asked_for(server):
    page = get(f"{server.address}live/board")[2]
    url = f"ws://127.0.0.1:{server.port}/api/kernels/{kernel_of(page)}/channels?session_id="

    async def crowd():
        asked = await asyncio.gather(
            *(websocket_connect(f"{url}{number}") for number in range(200)), return_exceptions=True
        )
        opened = [line for line in asked if not isinstance(line, BaseException)]
        refused = {line.code for line in asked if isinstance(line, HTTPClientError)}
        static = await asyncio.to_thread(get, f"{server.address}board")
        for line in opened:
            line.close()
            while await line.read_message() is not None:
                pass
        return len(opened), len(asked), refused, static[0]

    assert asyncio.run(crowd()) == (2, 200, {404}, 200)
    say_farewell(server, page)


# ------------------------------------------------------------------ what goes over a line


COMM = "0" * 32
UPDATE = {"comm_id": COMM, "data": {"method": "update", "state": {"selection": {"sex": "girl"}}, "buffer_paths": []}}


def frame(**changes):
    data = UPDATE["data"] | changes.pop("data", {})
    whole = json.loads(message("comm_msg", UPDATE | {"data": data}))
    return json.dumps(whole | changes)


MALFORMED = (
    "",
    "{",
    "[]",
    "null",
    "1",
    '"text"',
    "[" * 60_000,
    b"\x00" * 100,
    frame(channel="control"),
    frame(channel=["shell"]),
    frame(header=None),
    frame(header={"msg_type": "execute_request"}),
    frame(content=None),
    frame(content={"comm_id": "../../etc", "data": UPDATE["data"]}),
    frame(content={"comm_id": COMM}),
    frame(data={"method": "custom", "content": {"kind": "plotly"}}),
    frame(data={"state": None}),
    frame(data={"state": {}}),
    frame(data={"state": {"selection": []}}),
    frame(data={"state": {"selection": {"sex": {}}}}),
    frame(data={"state": {"selection": {}, "lang": "xx"}}),
    frame(data={"state": {"selection": {}, "page": {}}}),
    frame(data={"state": {"selection": {}, "_esm": "alert(1)"}}),
)


def test_a_frame_that_is_no_page_s_question_is_dropped_and_of_a_question_only_the_question_is_left():
    assert [text for text in MALFORMED if question_in(text) is not None] == []
    asked = question_in(frame(parent_header={"username": "x"}, metadata={"y": 1}, buffers=["z"]))
    assert asked["content"] == UPDATE
    assert (asked["parent_header"], asked["metadata"], asked["buffers"]) == ({}, {}, [])


def test_of_a_kernel_s_messages_a_page_hears_its_views_and_whether_it_lives():
    header = {"username": "root", "session": "s"}
    said = {"header": header, "parent_header": header, "metadata": {}, "buffers": [], "channel": "iopub"}
    trace = {"ename": "KeyError", "evalue": "/home/x.py", "traceback": ["/home/x.py"]}
    silent = (
        ("error", trace),
        ("stream", {"name": "stderr", "text": "Traceback (most recent call last)"}),
        ("execute_input", {"code": "x"}),
        ("display_data", {"data": {"text/plain": "/home/x.py"}}),
        ("comm_open", {"comm_id": COMM, "data": {}}),
        ("comm_msg", {"comm_id": COMM, "data": {"method": "custom", "content": {}}}),
        ("comm_msg", {"comm_id": COMM, "data": {"method": "echo_update", "state": {"view": {}}}}),
        ("comm_msg", {"comm_id": COMM, "data": {"method": "update", "state": {"_esm": "code"}}}),
    )
    assert [kind for kind, content in silent if answer_in(said | {"msg_type": kind, "content": content})] == []
    assert answer_in(b"binary") is None
    heard = answer_in(json.dumps(said | {"msg_type": "status", "content": {"execution_state": "dead", "x": "/home"}}))
    assert heard == {"msg_type": "status", "content": {"execution_state": "dead"}}
    view = {"comm_id": COMM, "data": {"method": "update", "state": {"view": {"a": 1}, "_css": "x"}, "y": 1}}
    heard = answer_in(said | {"msg_type": "comm_msg", "content": view})
    assert heard["content"] == {"comm_id": COMM, "data": {"method": "update", "state": {"view": {"a": 1}}}}


def test_malformed_messages_are_answered_with_nothing_and_leave_the_log_alone(tmp_path):
    with running() as server:
        page = get(f"{server.address}live/board")[2]
        comm = re.search(r'data-nba-model="([^"]+)"', page)[1]
        wrong = {"sex": "nothing", "cohort": True, "school": 7, "": "x"}
        sent = [
            frame(content={"comm_id": name, "data": {"method": "update", "state": {"selection": wrong}}})
            for name in (comm, COMM)
        ]
        heard = asyncio.run(talk(server.port, kernel_of(page), sent, seconds=5))
        heard += asyncio.run(talk(server.port, kernel_of(page), MALFORMED[:-5], seconds=2))
        told = json.dumps(heard)
        assert {answer["msg_type"] for answer in heard} <= {"status", "comm_msg"}
        for secret in ("Traceback", "site-packages", "nbanalytics/", str(Path.home()), "username", "KeyError"):
            assert secret not in told

        async def flood():
            url = f"ws://127.0.0.1:{server.port}/api/kernels/{kernel_of(page)}/channels?session_id=f"
            line = await websocket_connect(url)
            for number in range(500):
                try:
                    await line.write_message(MALFORMED[number % len(MALFORMED)] or "x")
                except Exception:
                    break
            while await asyncio.wait_for(line.read_message(), 60) is not None:
                pass
            return line.close_code

        assert asyncio.run(flood()) == 1008
        assert get(f"{server.address}board")[0] == 200
        say_farewell(server, page)
        server.process.terminate()
        assert len(server.process.stderr.read()) < 2000


# ------------------------------------------------------------------ lines


@contextmanager
def half_open(port, count, data=b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
    with ExitStack() as lines:
        for _ in range(count):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            with suppress(ConnectionError):  # it may have made room already
                line.sendall(data)
        yield


def test_requests_whose_headers_or_body_do_not_come_are_cut(impatient):
    start = b"POST /voila/api/shutdown/00000000-0000-0000-0000-000000000007 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for data in (b"GET / HTTP/1.1\r\n", start + b"Content-Length: 10\r\n\r\n12", b""):
        with socket.create_connection(("127.0.0.1", impatient.port), timeout=60) as line:
            line.sendall(data)
            assert line.recv(1000) == b""  # closed by the server


#: Takes the descriptors of the server's process: but for 20 as soon as it listens, then none, then all.
TAKER = """
import os, resource, threading, time
from nbanalytics.serve import app, gate, handlers
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
app._REFILLED, made, make, listen = 1, [], app.server_of, gate.Door.add_sockets
app.server_of = lambda *given: made.append(make(*given)) or made[-1]

def take(left):
    held = []
    try:
        while True: held.append(os.open(os.devnull, 0))
    except OSError: [os.close(held.pop()) for _ in range(left)]
    return held

def done(step):
    os.replace({folder!r} + step, {folder!r} + "done " + step)

def asked(step):
    while not os.path.exists({folder!r} + step): time.sleep(0.1)

def ready():  # a kernel that is still being started holds descriptors, and opens more
    kernels = made[0].kernel_manager
    waiting = [task for pool in kernels._pools.values() for task in pool]
    return len(handlers.heated(kernels)) == {waiting} and all(task.result()["task"].done() for task in waiting)

def steps(held):
    asked("give")
    [os.close(file) for file in held]
    while not ready(): time.sleep(0.1)
    done("give")
    asked("take")
    steps.held = take(0)
    done("take")

def begin(*given):
    listen(*given)
    threading.Thread(target=steps, args=(take(20),), daemon=True).start()

gate.Door.add_sockets = begin
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on file descriptors")
def test_half_open_lines_and_lines_without_descriptors_leave_the_static_pages_up(tmp_path):
    """Few descriptors for kernels, then for lines, then none: static pages are answered, and kernels started later."""

    def step(name):
        (tmp_path / name).touch()
        assert eventually((tmp_path / f"done {name}").exists)

    with running(start=TAKER.format(folder=f"{tmp_path}/", waiting=WAITING) + AT_ONCE) as server:
        address, before = server.address, get(f"{server.address}board")[2]
        assert get(f"{address}live/board")[0] == 503
        assert server.kernels() == set()  # 20 descriptors are too few to start one
        step("give")
        assert len(server.kernels()) == WAITING
        with half_open(server.port, 300):
            for _ in range(5):
                assert get(f"{address}board")[2] == before
        step("take")
        with half_open(server.port, 100):
            end = time.monotonic() + 6  # longer than the server takes to think that its release is gone
            while time.monotonic() < end:
                assert get(f"{address}board")[2] == before
                assert get(address)[0] == 200
            assert get(f"{address}live/board")[0] == 503
        assert get(f"{address}board")[2] == before
        server.process.terminate()
        assert len(server.process.stderr.read()) < 20_000


@pytest.mark.slow
def test_a_soak_of_pages_lines_and_half_open_connections_leaves_the_static_pages_up(server):
    for _ in range(10):
        pages = [get(f"{server.address}live/board", X_Real_IP=f"198.51.100.{number}") for number in range(5)]
        kernels = [kernel_of(page) for status, _, page in pages if status == 200]

        async def crowd(kernels=kernels):
            base = f"ws://127.0.0.1:{server.port}/api/kernels/"
            wanted = [f"{base}{kernel}/channels?session_id={n}" for kernel in kernels for n in range(40)]
            lines = await asyncio.gather(*map(websocket_connect, wanted), return_exceptions=True)
            assert (await asyncio.to_thread(get, f"{server.address}board"))[0] == 200
            for line in lines:
                if not isinstance(line, BaseException):
                    line.close()
                    while await line.read_message() is not None:
                        pass

        with half_open(server.port, 400), half_open(server.port, 100, b""):
            asyncio.run(crowd())
        for status, _, page in pages:
            if status == 200:
                get(f"{server.address}voila/api/shutdown/{kernel_of(page)}", "POST", b"")
    assert eventually(lambda: len(server.kernels()) <= WAITING)
    gc.collect()  # here, and not in a test or at an end where warnings of unclosed lines count


def test_lines_and_pages_fit_into_the_descriptors_that_there_are(monkeypatch):
    resource = pytest.importorskip("resource")
    for soft, hard in ((256, 256), (1024, 1024), (1024, 65_536), (64, 64), (10, 10)):
        now = [soft, hard]
        monkeypatch.setattr(resource, "getrlimit", lambda _, now=now: tuple(now))
        monkeypatch.setattr(resource, "setrlimit", lambda _, given, now=now: now.__setitem__(slice(None), given))
        lines, pages = lines_and_pages(60)
        assert lines >= 8
        assert 0 <= pages <= 60
        assert pages == 0 or lines + 32 * pages + 96 <= now[0] <= hard
    assert (lines, pages) == (8, 0)


# ------------------------------------------------------------------ methods and addresses


def test_head_answers_as_get_without_a_body_and_a_slash_too_many_leads_to_the_page(server):
    asset = re.search(r'"/?(assets/[^"]+)"', get(f"{server.address}board")[2])[1]
    kept = ("Content-Type", "Content-Length", "Etag", "Cache-Control", "Content-Security-Policy")
    for path in ("", "board", "baseline", "accessibility", "en/", "en/board", asset, "board/", "en", "nowhere"):
        status, headers, _ = get(f"{server.address}{path}")
        again, short, body = get(f"{server.address}{path}", "HEAD")
        assert (again, body) == (status, ""), path
        assert [short[name] for name in kept] == [headers[name] for name in kept], path
    waiting = server.kernels()
    assert get(f"{server.address}live/board", "HEAD")[0] == 200
    assert server.kernels() == waiting
    for path, way in {
        "board/": "/board",
        "en/board/?lang=en": "/en/board?lang=en",
        "en": "/en/",
        "accessibility/": "/accessibility",
    }.items():
        status, headers, _ = get(f"{server.address}{path}")
        assert (status, headers["Location"]) == (301, way)


# ------------------------------------------------------------------ the token


@pytest.fixture(scope="module")
def closed():
    with running(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", names=["skola.example"]) as started:
        yield started


def test_the_token_leaves_the_address_on_every_visit_and_the_cookie_is_strict(closed):
    token = closed.announced.partition("=")[2]
    status, headers, page = get(closed.announced.replace("?", "board?lang=en&"))
    assert status == 200
    assert '<a href="/board?lang=en">' in page
    assert token not in page
    assert headers["Referrer-Policy"] == "no-referrer"
    cookie = headers["Set-Cookie"]
    assert "; HttpOnly; SameSite=Strict" in cookie
    kept = cookie.partition(";")[0]
    for shown in (token, "another"):
        status, _, page = get(f"{closed.address}board?token={shown}", Cookie=kept)
        assert status == 200
        assert '<a href="/board">' in page
        assert 'data-nba-model="' not in page
    assert get(f"{closed.address}board?token={token}", "HEAD")[0] == 200
    assert get(f"{closed.address}//evil.example/?token={token}")[2].count('href="//') == 0
    assert 'data-nba-model="' in get(f"{closed.address}board", Cookie=kept)[2]


def test_who_comes_from_another_site_without_the_cookie_is_led_on_by_a_link_once(closed):
    status, headers, page = get(f"{closed.address}board", Sec_Fetch_Site="cross-site")
    assert status == 403
    assert '<a href="/board">' in page
    assert "<script" not in page
    assert headers["Set-Cookie"] is None
    assert "<a href" not in get(f"{closed.address}board", Sec_Fetch_Site="same-origin")[2].partition("<main")[2]


def test_a_cookie_is_of_one_start_though_the_token_is_the_same(monkeypatch):
    starts = []
    for _ in range(2):
        monkeypatch.setenv("NBANALYTICS_TOKEN", "iX3v9_Qd7Lr2-bWk")
        starts.append(access(address="10.0.0.5"))
    one, other = starts
    assert one.token == other.token
    assert one.remembers(one.cookie)
    assert not other.remembers(one.cookie)
    assert one.token not in repr(one)


PHRASES = (
    "aaaaaaaaaaaaaaaa",
    "abababababababab",
    "abcdefghijklmnop",
    "1234567890123456",
    "qwertyuiopasdfgh",
    "passwordpassword",
    "a-token-of-mine-123",
    "KarlskogaKommun2024",
    "Sommar2024Sommar2024",
)


def test_a_token_that_can_be_guessed_is_refused_and_not_repeated(monkeypatch):
    for phrase in PHRASES:
        monkeypatch.setenv("NBANALYTICS_TOKEN", phrase)
        with pytest.raises(NbanalyticsError, match="token_urlsafe") as raised:
            access(address="10.0.0.5")
        assert phrase not in str(raised.value)
    for drawn in ("iX3v9_Qd7Lr2-bWk", "7f3b91c04ed258a6", "0d8ce1b24f7a95e3c61f"):
        monkeypatch.setenv("NBANALYTICS_TOKEN", drawn)
        assert access(address="10.0.0.5").token == drawn


def test_a_phrase_is_no_key(tmp_path):
    phrases = [
        "correct horse battery staple correct horse",
        "hemligheten ligger i skogen bakom det röda huset",
        "Detta är vår hemliga nyckel för pseudonymer 2024!!",
        "I ett hus vid skogens slut, liten tomte tittar ut.",
        "Karlskoga kommun hemlig nyckel 1",
        "0123456789abcdef" * 4,
        *(phrase * 4 for phrase in PHRASES),
    ]
    for number, phrase in enumerate(phrases):
        file = tmp_path / str(number)
        file.write_text(phrase, encoding="utf-8")
        file.chmod(0o600)
        with pytest.raises(DataError, match="a key is created there") as raised:
            read_key(file)
        assert phrase not in str(raised.value)
        with pytest.raises(DataError):
            Key(phrase.encode())


def test_what_is_drawn_counts_as_drawn():
    """Of strings drawn by chance none is taken for a phrase: the digits of pi in hexadecimal, and their base 64."""
    import base64
    import hashlib

    for number in range(300):
        drawn = hashlib.sha256(str(number).encode()).digest()
        assert estimated_bits(drawn.hex()) > 200
        assert estimated_bits(drawn) > 200
    bits = sorted(
        estimated_bits(base64.urlsafe_b64encode(hashlib.sha256(str(number).encode()).digest()).decode())
        for number in range(300)
    )
    assert bits[2] > 128


BROWSER = """#!{python}
import json, os, re, sys
from pathlib import Path
told = sys.argv[1]
path = Path(told.removeprefix("file://"))
found = dict(told=sys.argv[1:], text=path.read_text() if told.startswith("file:") else "", mode=path.stat().st_mode if
    told.startswith("file:") else 0, folder=path.parent.stat().st_mode if told.startswith("file:") else 0)
Path({out!r}).with_suffix(".part").write_text(json.dumps(found))
os.replace(Path({out!r}).with_suffix(".part"), {out!r})
"""


@pytest.fixture
def browsed(tmp_path, monkeypatch):
    """What a browser is given, and what it reads there."""
    script, out = tmp_path / "browser", tmp_path / "told.json"
    script.write_text(BROWSER.format(python=sys.executable, out=str(out)), encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{script} %s")

    def told():
        assert eventually(out.exists)
        return json.loads(out.read_text(encoding="utf-8"))

    return told


def test_the_browser_is_opened_without_the_token_in_any_program_s_arguments(browsed):
    with running(r"http://127\.0\.0\.1:\d+/\?token=.+", names=["skola.example"], open_browser=True) as server:
        found, token = browsed(), server.announced.partition("=")[2]
        arguments = Path(f"/proc/{server.process.pid}/cmdline")
        assert not arguments.exists() or token.encode() not in arguments.read_bytes()
        (given,) = found["told"]
        assert given.startswith("file:///")
        assert token not in given
        assert f'content="0; url={server.announced}"' in found["text"]
        assert not re.findall(r'(?:src|href)="(?!http://127\.0\.0\.1)', found["text"])
        assert stat.S_IMODE(found["mode"]) == 0o600
        assert stat.S_IMODE(found["folder"]) == 0o700
        file = Path(given.removeprefix("file://"))
    assert not file.parent.exists()  # nothing is left behind


def test_without_a_token_the_browser_is_given_the_address(browsed):
    with running(open_browser=True) as server:
        assert browsed()["told"] == [server.announced]


# ------------------------------------------------------------------ what the terminal says


def test_a_server_says_what_it_serves_and_how_to_stop(server):
    line = server.process.stdout.readline()
    assert "Serving " in line
    assert "Ctrl+C" in line


@pytest.mark.parametrize("command", ["serve", "explore", "staff"])
def test_a_line_is_shown_before_anything_is_loaded(run, monkeypatch, tmp_path, command):
    import nbanalytics.serve
    import nbanalytics.serve.explore

    def loading(*_arguments, **_named):
        raise NbanalyticsError(f"begun after: {sys.stderr is not None}")

    monkeypatch.setattr(nbanalytics.serve, "serve", loading)
    monkeypatch.setattr(nbanalytics.serve.explore, "explore", loading)
    status, _, err = run(command, tmp_path)
    assert status == 1
    lines = err.splitlines()
    assert lines[0].endswith("…")
    assert str(tmp_path) in lines[0]
    assert "begun after" in lines[1]
