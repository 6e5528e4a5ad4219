"""The server behind Debian's nginx with the configuration of the docs: the pages come through, nothing else does."""

import asyncio
import itertools
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from patience import eventually
from serving import get, running
from test_hardening import UNKNOWN, kernel_of, message, talk, view_in

EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "nginx.conf.example"
AROUND = """
daemon off;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    include {work}/example.conf;
}}
"""
HOST = "skola.example"


def nginx():
    """Where nginx is; without one the tests are skipped on a developer's machine and fail in CI."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        message = "no nginx on this machine: install the package nginx-light"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def for_this_machine(text, work, port, behind):
    """The example with what every site fills in itself: ports, certificates, where logs go."""
    changed = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};").replace(
        "127.0.0.1:8866", f"127.0.0.1:{behind}"
    )
    changed = re.sub(r"server \{\s+listen 80;.*?\n\}\n", "", changed, flags=re.DOTALL)
    changed = re.sub(r" +ssl_certificate\S* [^\n]+\n", "", changed)
    return changed.replace("/var/log/nginx", str(work))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """Address of nginx before a server that asks for its token, and the cookie of a browser that has shown it."""
    program, work = nginx(), tmp_path_factory.mktemp("nginx")
    with running(names=[HOST], idle=600) as server:
        process, port = started(program, work, server.port)
        with process:
            address = f"http://127.0.0.1:{port}/"
            welcome = get(f"{address}?{server.announced.partition('?')[2]}", Host=HOST)
            yield address, welcome[1]["Set-Cookie"].partition(";")[0], server, work
            process.terminate()


def started(program, work, behind):
    """Start nginx on a port that is free; another program may take it meanwhile, then on another one."""
    (work / "nginx.conf").write_text(AROUND.format(work=work), encoding="utf-8")
    command = [program, "-p", str(work), "-c", str(work / "nginx.conf"), "-e", str(work / "start.log")]
    for _ in range(5):
        port = free_port()
        text = for_this_machine(EXAMPLE.read_text(encoding="utf-8"), work, port, behind)
        (work / "example.conf").write_text(text, encoding="utf-8")
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert eventually(lambda port=port, process=process: process.poll() is not None or answers(port))
        if process.poll() is None:
            return process, port
        told = process.communicate()[1]
    raise AssertionError(told)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def through(proxy, path, method="GET", data=None, **headers):
    return get(proxy[0] + path, method, data, **({"Host": HOST, "Cookie": proxy[1]} | headers))


def test_the_pages_and_their_files_come_through(proxy):
    for path in ("", "board", "en/", "live/board"):
        status, headers, page = through(proxy, path)
        assert status == 200, path
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for asset in set(re.findall(r'"(?:\.\./|/)?((?:assets|data)/[^"]+\.(?:js|css))"', page)):
            found = through(proxy, asset, Accept_Encoding="gzip")
            assert found[0] == 200, asset
            assert "immutable" in found[1]["Cache-Control"]
        if path == "live/board":
            assert through(proxy, f"voila/api/shutdown/{kernel_of(page)}", "POST", b"")[0] == 204


def test_a_live_page_reaches_its_kernel(proxy):
    page = through(proxy, "live/board")[2]
    comm = re.search(r'data-nba-model="([^"]+)"', page)[1]
    chosen = {"cohort": "*", "school": "*", "sex": "boy", "newly_arrived": "*"}
    asked = {"comm_id": comm, "data": {"method": "update", "state": {"selection": chosen}, "buffer_paths": []}}
    port = int(proxy[0].rsplit(":", 1)[1].strip("/"))
    headers = {"Host": HOST, "Cookie": proxy[1]}
    sent = [message("comm_msg", asked)]
    heard = asyncio.run(talk(port, kernel_of(page), sent, f"http://{HOST}", headers=headers, until=view_in))
    assert [view["selection"]["sex"] for view in map(view_in, heard) if view] == ["boy"]
    assert through(proxy, f"voila/api/shutdown/{kernel_of(page)}", "POST", b"")[0] == 204


ELSEWHERE = (
    "board.ipynb",
    "release/manifest.json",
    "assets/../release/manifest.json",
    "assets/%2e%2e/release/manifest.json",
    "api/kernels",
    f"api/kernels/{UNKNOWN}",
    "api/contents",
    "voila/files/board.ipynb",
    "voila/static/voila.js",
    "voila/templates/lab/static/voila.js",
    "static/x",
    ".git/config",
    "live/board.ipynb",
)


def test_nothing_else_reaches_the_server(proxy):
    for path, method in itertools.product(ELSEWHERE, ("GET", "POST", "DELETE")):
        status, _, page = through(proxy, path, method, b"" if method == "POST" else None)
        assert status in (403, 404), (method, path)
        assert "nba-bar" not in page or status == 404, (method, path)


def test_pages_are_only_read_and_other_hosts_and_visitors_without_the_token_are_refused(proxy):
    assert through(proxy, "board", "POST", b"x=1")[0] == 403
    assert through(proxy, f"voila/api/shutdown/{UNKNOWN}")[0] == 403
    assert through(proxy, "board", Host="evil.example")[0] == 403
    for path in ("", "board", "live/board", "assets/x.js"):
        assert through(proxy, path, Cookie="")[0] == 403
    assert through(proxy, "board", "POST", b"a" * 100_000)[0] in (403, 413)
    assert through(proxy, "board", X="a" * 40_000)[0] in (400, 403)


def test_the_log_tells_neither_who_came_nor_what_was_asked(proxy):
    through(proxy, "board?sex=girl")
    log = proxy[3] / "nbanalytics.log"
    before = log.stat().st_size
    through(proxy, "board?sex=girl")
    assert eventually(lambda: log.stat().st_size > before)
    log = log.read_text(encoding="utf-8")
    for word in ("token", "127.0.0.1", "girl", "board", proxy[1]):
        assert word not in log
