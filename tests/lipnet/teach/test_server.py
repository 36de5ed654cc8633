"""The server of `lipnet teach`: its page to those with its address, and nothing to anyone else."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lipnet.errors import InputError
from lipnet.teach.server import FILES, MAX_VIDEO, POLICY, TEACH_PAGE, serve_session
from lipnet.teach.session import Plan, TeachSession
from lipnet.teach.takes import WORK

JSON = {"Content-Type": "application/json"}
VIDEO = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def session(tmp_path: Path, released: Path) -> TeachSession:
    return TeachSession(Plan(tmp_path, released, tmp_path / "w.safetensors", takes=3), ["a", "b"])


@pytest.fixture
def address(session: TeachSession) -> Iterator[str]:
    with serve_session(session) as served:
        yield served


class Client:
    """Requests with any headers, in place of those that a browser sends."""

    def __init__(self, address: str) -> None:
        found = urlsplit(address)
        self.host, self.path = found.netloc, found.path

    def ask(
        self, method: str, name: str, body: bytes | None = None, **changes: str | None
    ) -> tuple[int, dict[str, Any], http.client.HTTPMessage]:
        """The status, the JSON or text, and the headers; `changes` are headers, with _ for -."""
        headers = {"Host": self.host, **({"Origin": f"http://{self.host}"} if body else {})}
        given = {key.replace("_", "-"): value for key, value in changes.items()}
        path = changes.pop("path", None) or self.path + name
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        own = {**headers, "Content-Length": str(len(body or b"")), **given}
        for key, value in own.items():
            if value is not None and key != "path":
                connection.putheader(key, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, json.loads(content) if is_json else {}, answer.headers


@pytest.fixture
def client(address: str) -> Client:
    return Client(address)


def test_the_page_and_its_headers(client: Client) -> None:
    for name, file in FILES.items():
        status, _, headers = client.ask("GET", name)
        assert (status, headers["Content-Length"]) == (200, str(file.stat().st_size))
        assert headers["Content-Security-Policy"] == POLICY
        assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
        assert "Access-Control-Allow-Origin" not in headers
    assert "lipnet/" not in client.ask("GET", "")[2]["Server"]  # phrases: allow
    assert "Python" not in client.ask("GET", "")[2]["Server"]


def test_the_page_names_only_its_own_files() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in TEACH_PAGE.iterdir())
    assert not re.findall(r"https?:|//[a-z]+\.|<script>|style=| on[a-z]+=", text)
    named = re.findall(r'(?:src|href)="([^"]+)"|from "\./([^"]+)"', text)
    assert {one or other for one, other in named} - {"reader/"} <= set(FILES)


def test_words_and_state(client: Client, session: TeachSession) -> None:
    status, state, _ = client.ask("POST", "words", b'{"words": ["yes", "n\\u00e9"]}', **JSON)
    assert status == 200
    assert state == client.ask("GET", "state")[1] == session.state()
    assert [own["word"] for own in state["words"]] == ["yes", "n\u00e9"]
    assert "Origin" not in client.ask("GET", "state", Origin=None)[2]


HOSTILE: list[tuple[str, str, dict[str, str | None], int]] = [
    ("GET", "state", {"path": "/state"}, 404),
    ("GET", "state", {"path": "/" + "x" * 43 + "/state"}, 404),
    ("GET", "state", {"path": "//state"}, 404),
    ("GET", "state", {"path": "/"}, 404),
    ("GET", "state", {"Host": "evil.example"}, 421),
    ("GET", "state", {"Host": "127.0.0.1"}, 421),
    ("GET", "state", {"Host": None}, 421),
    ("GET", "state", {"Origin": "http://evil.example"}, 403),
    ("GET", "state", {"Origin": "null"}, 403),
    ("GET", "state", {"Sec_Fetch_Site": "cross-site"}, 403),
    ("GET", "state", {"Sec_Fetch_Site": "same-site"}, 403),
    ("GET", "../../etc/passwd", {}, 404),
    ("GET", "%2e%2e/%2e%2e/etc/passwd", {}, 404),
    ("GET", "reader/", {}, 404),
    ("GET", "words", {}, 404),
    ("OPTIONS", "words", {}, 501),
    ("DELETE", "words", {}, 501),
]


@pytest.mark.parametrize(("method", "name", "changes", "status"), HOSTILE)
def test_other_requests_are_refused(
    client: Client, method: str, name: str, changes: dict[str, str | None], status: int
) -> None:
    found, answer, headers = client.ask(method, name, **changes)
    assert found == status
    assert set(answer) <= {"error"}
    assert "Access-Control-Allow-Origin" not in headers


WORDS = b'{"words": ["c", "d"]}'
HOSTILE_POSTS: list[tuple[str, bytes, dict[str, str | None], int]] = [
    ("words", WORDS, {**JSON, "Origin": None}, 403),
    ("words", WORDS, {**JSON, "Origin": "http://127.0.0.1:1"}, 403),
    ("words", WORDS, {**JSON, "path": "/wrong/words"}, 404),
    ("words", WORDS, {"Content-Type": "text/plain"}, 415),
    ("words", WORDS, {}, 415),
    ("words", WORDS, {**JSON, "Content-Length": None}, 411),
    ("words", WORDS, {**JSON, "Content-Length": "-1"}, 411),
    ("words", WORDS, {**JSON, "Content-Length": "1" * 5000}, 413),
    ("words", WORDS, {**JSON, "Content-Length": str(2**16 + 1)}, 413),
    ("words", WORDS, {**JSON, "Transfer-Encoding": "chunked"}, 411),
    ("words", b"{", JSON, 400),
    ("words", b"[" * 9000, JSON, 400),
    ("words", b'{"words": [1, "b"]}', JSON, 400),
    ("words", b'{"words": "ab"}', JSON, 400),
    ("words", b'{"words": ["a", "../b"]}', JSON, 409),
    ("words", b'{"words": ["a", "\\ud800"]}', JSON, 409),
    ("words", b'{"words": ["a", "=b"]}', JSON, 409),
    ("take", b"\x1a\x45\xdf\xa3", VIDEO, 400),
    ("take?word=a&word=b", b"\x1a\x45\xdf\xa3", VIDEO, 400),
    ("take?word=..%2Fa", b"\x1a\x45\xdf\xa3", VIDEO, 409),
    ("take?word=%00", b"\x1a\x45\xdf\xa3", VIDEO, 409),
    ("take?word=a", b"\x1a\x45\xdf\xa3", VIDEO, 409),
    ("take?word=a", b"x", {**VIDEO, "Content-Length": str(MAX_VIDEO + 1)}, 413),
    ("discard", b'{"word": "a", "name": "../../x"}', JSON, 409),
    ("discard", b'{"word": "a"}', JSON, 400),
    ("train", b"{}", JSON, 409),
    ("reader", b"{}", JSON, 409),
    ("shutdown", b"{}", JSON, 404),
]


@pytest.mark.parametrize(("name", "body", "changes", "status"), HOSTILE_POSTS)
def test_changes_that_the_page_does_not_send_change_nothing(
    client: Client,
    session: TeachSession,
    tmp_path: Path,
    name: str,
    body: bytes,
    changes: dict[str, str | None],
    status: int,
) -> None:
    before = session.state()
    found, answer, _ = client.ask("POST", name, body, **changes)
    assert found == status
    assert answer["error"]
    assert session.state() == before
    assert {path.name for path in tmp_path.rglob("*")} <= {WORK, "incoming"}


def test_a_body_that_ends_early_changes_nothing(client: Client, session: TeachSession) -> None:
    host, port = client.host.split(":")
    with socket.create_connection((host, int(port))) as raw:
        lines = (
            f"POST {client.path}words HTTP/1.1\r\nHost: {client.host}\r\n"
            f"Origin: http://{client.host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(WORDS) + 5}\r\n\r\n"
        )
        raw.sendall(lines.encode() + WORDS)
        raw.shutdown(socket.SHUT_WR)
        assert b" 400 " in raw.makefile("rb").readline()
    assert [own["word"] for own in session.state()["words"]] == ["a", "b"]  # type: ignore[attr-defined]


def test_the_page_that_reads_is_served_once_it_is_written(
    client: Client, session: TeachSession
) -> None:
    folder = session.plan.reader
    (folder / "licences").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (folder / "licences" / "index.html").write_text("the licences")
    (folder / "a.wasm").write_bytes(b"x")
    (folder / "out").symlink_to("/etc")
    assert client.ask("GET", "reader/")[0] == 404
    session._outcome.has_reader = True
    status, _, headers = client.ask("GET", "reader/")
    assert (status, headers["Content-Length"]) == (200, "8")
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert client.ask("GET", "reader/a.wasm")[2]["Content-Type"] == "application/wasm"
    assert client.ask("GET", "reader/licences/")[2]["Content-Length"] == "12"
    for name in ("../lock", "%2e%2e/lock", "out/passwd", "/etc/passwd", "%00", "none"):
        assert client.ask("GET", f"reader/{name}")[0] == 404


def test_a_port_that_is_taken_is_an_error(client: Client, session: TeachSession) -> None:
    port = int(client.host.split(":")[1])
    with pytest.raises(InputError, match="cannot be used"), serve_session(session, port):
        pass
