"""Only the server's own pages, and programs on this machine, get through to Prefect."""

from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.guard import LOCAL_HOSTS, Guard, Receive, Scope, Send

HOSTS = ("127.0.0.1:4200", "localhost:4200", "localhost", "[::1]:4200", "LOCALHOST:1")
NAMES = st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z]{2,5}){0,2}(:[0-9]{1,5})?", fullmatch=True)
PROXY = "https://prefect.example.org"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "passed"})


def ask(
    guard: Guard, *, kind: str = "http", **headers: str | None
) -> list[MutableMapping[str, Any]]:
    """What the guard sends in answer to a request with these headers."""
    sent: list[MutableMapping[str, Any]] = []
    pairs = [(name.encode(), value.encode()) for name, value in headers.items() if value]

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    with suppress(StopIteration):  # it waits for nothing, so it needs no event loop
        guard({"type": kind, "headers": pairs}, receive, send).send(None)
    return sent


def passes(guard: Guard, **headers: str | None) -> bool:
    """Whether a request with these headers reaches the application, the same by websocket."""
    plain, websocket = ask(guard, **headers), ask(guard, kind="websocket", **headers)
    passed = plain == [{"type": "passed"}]
    assert passed == (websocket == [{"type": "passed"}])
    if not passed:
        assert plain[0]["status"] == 403
        assert [message["type"] for message in websocket] == ["websocket.close"]
    return passed


@pytest.mark.parametrize("host", HOSTS)
def test_programs_and_the_servers_own_pages_pass(host: str) -> None:
    assert passes(Guard(application), host=host)
    assert passes(Guard(application), host=host, origin=f"http://{host.lower()}")


@pytest.mark.slow
@given(name=NAMES)
def test_a_name_that_resolves_to_this_machine_is_not_known(name: str) -> None:
    known = name.partition(":")[0] in LOCAL_HOSTS
    assert passes(Guard(application), host=name) == known
    assert passes(Guard(application), host=name, origin=f"http://{name}") == known


@pytest.mark.parametrize("host", [None, "", "127.0.0.1.elsewhere.example", "[::1"])
def test_a_malformed_host_is_refused(host: str | None) -> None:
    assert not passes(Guard(application), host=host)


@given(origin=st.one_of(NAMES.map("http://{}".format), st.text(min_size=1).map(repr)))
def test_other_pages_are_refused(origin: str) -> None:
    assert not passes(Guard(application), host=HOSTS[0], origin=origin.encode().decode("latin-1"))


@pytest.mark.parametrize("origin", ["null", "http://localhost:4200", "http://127.0.0.1:3000"])
def test_pages_of_other_ports_and_without_an_origin_are_refused(origin: str) -> None:
    assert not passes(Guard(application), host="127.0.0.1:4200", origin=origin)


def test_two_hosts_are_refused() -> None:
    guard = Guard(application)
    pair = (b"host", HOSTS[0].encode())
    assert guard.find_fault([pair]) == ""
    assert guard.find_fault([pair, (b"Host", b"elsewhere.example")]) != ""


@pytest.mark.parametrize("page", [f"{PROXY}/api", PROXY, f" {PROXY.upper()} "])
def test_pages_behind_a_proxy_pass(page: str) -> None:
    guard = Guard(application, ["", "*", page])
    for host in ("prefect.example.org", HOSTS[0]):
        assert passes(guard, host=host, origin=PROXY)
        assert not passes(guard, host=host, origin="https://elsewhere.example")
    assert not passes(guard, host="elsewhere.example")


def test_starting_and_stopping_pass() -> None:
    assert ask(Guard(application), kind="lifespan") == [{"type": "passed"}]
