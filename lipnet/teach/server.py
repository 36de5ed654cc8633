"""The server of `lipnet teach`: its page, and the requests of that page alone, on 127.0.0.1."""

import hmac
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lipnet.errors import InputError, describe_os_error
from lipnet.records import Record, parse_json
from lipnet.teach.session import TeachSession
from lipnet.web.folder import PAGE
from lipnet.web.server import HOST, TYPES

TEACH_PAGE = PAGE.with_name("teach")
# What the page is made of, by its address; the others are those of the page that reads.
FILES = {
    "": TEACH_PAGE / "index.html",
    "teach.js": TEACH_PAGE / "teach.js",
    "recorder.js": TEACH_PAGE / "recorder.js",
    "teach.css": TEACH_PAGE / "teach.css",
    "style.css": PAGE / "style.css",
    "messages.js": PAGE / "messages.js",
    "icon.svg": PAGE / "icon.svg",
}
TEXT_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".json": "application/json"}
JSON_TYPE, VIDEO_TYPE = "application/json", "application/octet-stream"
MAX_VIDEO, MAX_TEXT = 20 * 2**20, 2**16  # bytes of a request
TIMEOUT = 30  # seconds that a request may pause
FRAMES = "frame-ancestors 'none'"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    f"media-src 'self' blob:; base-uri 'none'; form-action 'none'; {FRAMES}"
)
READER = "reader/"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address has the token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=()",
}


class Refused(Exception):
    """A request that is not answered: its status and one line."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@contextmanager
def serve_session(session: TeachSession, port: int = 0) -> Iterator[str]:
    """Serve the session while the context lasts; the address of its page, which has a random
    token. `port` 0 is any free one. InputError if it is taken."""
    try:
        server = TeachServer(session, port)
    except OSError as error:
        raise InputError(f"port {port} of {HOST} cannot be used: {error.strerror}") from None
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.port}/{server.token}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TeachServer(ThreadingHTTPServer):
    """The server of one session, with the names and the token that each request has to have."""

    daemon_threads = True

    def __init__(self, session: TeachSession, port: int) -> None:
        super().__init__((HOST, port), TeachHandler)
        self.session = session
        self.token = secrets.token_urlsafe(32)
        self.port = int(self.server_address[1])
        self.hosts = {f"{name}:{self.port}" for name in (HOST, "localhost")}


class TeachHandler(BaseHTTPRequestHandler):
    """Answers the requests of the page; any other is refused with one line of JSON."""

    server: TeachServer
    timeout = TIMEOUT
    server_version, sys_version = "lipnet", ""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _answer(self, make: Callable[[str], tuple[bytes, str]]) -> None:
        try:
            answer = make(check_request(self, self.server.hosts, self.server.token))
        except Refused as error:
            self._refuse(error.status, str(error))
        except InputError as error:
            self._refuse(HTTPStatus.CONFLICT, str(error))
        except TimeoutError:
            self.close_connection = True
        except OSError as error:
            self._refuse(HTTPStatus.CONFLICT, describe_os_error(error) or str(error))
        else:
            self._send(HTTPStatus.OK, *answer)

    def _get(self, path: str) -> tuple[bytes, str]:
        if path == "state":
            return to_json(self.server.session.state())
        return read_page(path, self.server.session)

    def _post(self, path: str) -> tuple[bytes, str]:
        name, _, query = path.partition("?")
        if name not in ACTIONS:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        session = self.server.session
        return to_json(ACTIONS[name].run(self, session, query) or session.state())

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self._send(status, *to_json({"error": text}))

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        # The page that reads has a policy of its own, which lets it run its networks.
        is_reader = self.path.startswith(f"/{self.server.token}/{READER}")
        policy = FRAMES if is_reader else POLICY
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in {"Content-Security-Policy": policy, **HEADERS}.items():
            self.send_header(name, value)
        with suppress(ConnectionError):  # the page was closed
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: each request would be a line."""


def check_request(request: BaseHTTPRequestHandler, hosts: set[str], token: str) -> str:
    """The path after the token; Refused for a request that another page, another name of this
    machine or anyone without the token sends."""
    headers = request.headers
    if headers.get_all("Host") is None or set(headers.get_all("Host", [])) - hosts:
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
    origins = set(headers.get_all("Origin", []))
    is_foreign = bool(origins - {f"http://{host}" for host in hosts})
    site = headers.get("Sec-Fetch-Site", "none")
    if is_foreign or site not in ("none", "same-origin"):
        raise Refused(HTTPStatus.FORBIDDEN, "requests of other pages are not answered")
    if request.command == "POST" and not origins:
        raise Refused(HTTPStatus.FORBIDDEN, "a request without an origin is not answered")
    _, given, rest = [*request.path.split("/", 2), "", ""][:3]
    if not hmac.compare_digest(given.encode(), token.encode()) or request.path.count("/") < 2:
        raise Refused(HTTPStatus.NOT_FOUND, "the address is not complete: copy all of it")
    return rest


def read_body(request: BaseHTTPRequestHandler, kind: str, limit: int) -> bytes:
    """The whole body of a request; Refused if it is of another type, or longer than the limit, or
    its length is not known, or it ends early."""
    headers = request.headers
    if headers.get("Content-Type", "").partition(";")[0].strip() != kind:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body has to be {kind}")
    lengths = set(headers.get_all("Content-Length", []))
    length = lengths.pop() if len(lengths) == 1 else ""
    if headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit()):
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "the length of the body is not known")
    if len(length) > 12 or int(length) > limit:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit} bytes")
    body = request.rfile.read(int(length))
    if len(body) != int(length):
        raise Refused(HTTPStatus.BAD_REQUEST, "the body ended early")
    return body


def read_page(path: str, session: TeachSession) -> tuple[bytes, str]:
    """A file of the page, or of the page that reads, and its type; Refused if there is none."""
    file = FILES.get(path)
    if path.startswith(READER) and session.has_reader:
        file = find_file(session.plan.reader, unquote(urlsplit(path).path.removeprefix(READER)))
    if file is None or not file.is_file():
        raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
    kind = {**TYPES, **TEXT_TYPES}.get(file.suffix, "application/octet-stream")
    return file.read_bytes(), kind


def find_file(folder: Path, name: str) -> Path | None:
    """A file in the folder, or the index of one of its folders; None if it would be outside."""
    if "\0" in name:
        return None
    root = folder.resolve()
    found = (root / name).resolve()
    return (
        (found / "index.html" if found.is_dir() else found) if found.is_relative_to(root) else None
    )


def to_json(value: Mapping[str, object]) -> tuple[bytes, str]:
    """A JSON text and its type."""
    return json.dumps(value).encode(), JSON_TYPE


def _parse_words(query: str, body: bytes) -> tuple[list[str]]:
    words = Record(parse_json(body)).list("words")
    if not all(isinstance(word, str) for word in words):
        raise ValueError("the words are not all text")
    return ([str(word) for word in words],)


def _parse_take(query: str, body: bytes) -> tuple[str, bytes]:
    words = parse_qs(query, strict_parsing=True, max_num_fields=1).get("word", [])
    if len(words) != 1:
        raise ValueError("a take needs one word")
    return words[0], body


def _parse_discarded(query: str, body: bytes) -> tuple[str, str]:
    found = Record(parse_json(body))
    return found.text("word"), found.text("name")


def _parse_nothing(query: str, body: bytes) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Action:
    """What a request of the page does: `act` of the session, with what `parse` makes of the query
    and of a body of this type and size; ValueError if that is not possible."""

    parse: Callable[[str, bytes], tuple[Any, ...]]
    act: Callable[..., dict[str, object] | None]
    kind: str = JSON_TYPE
    limit: int = MAX_TEXT

    def run(self, request: BaseHTTPRequestHandler, session: TeachSession, query: str) -> Any:
        """The answer, None for the session's state; Refused for a request that cannot be read."""
        body = read_body(request, self.kind, self.limit)
        try:
            given = self.parse(query, body)
        except ValueError as error:
            text = f"not a request of this page: {error}"
            raise Refused(HTTPStatus.BAD_REQUEST, text) from None
        return self.act(session, *given)


ACTIONS = {
    "words": Action(_parse_words, TeachSession.set_words),
    "take": Action(_parse_take, TeachSession.add, VIDEO_TYPE, MAX_VIDEO),
    "discard": Action(_parse_discarded, TeachSession.discard),
    "train": Action(_parse_nothing, TeachSession.train),
    "reader": Action(_parse_nothing, TeachSession.write_reader),
}
