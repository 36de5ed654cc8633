"""The server of a folder: its types, its headers, and nothing outside of it."""

from pathlib import Path

import httpx
import pytest

from lipnet.errors import InputError
from lipnet.web.server import serve_folder


def test_files_of_the_folder_with_their_types(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (tmp_path / "secret.txt").write_text("no")
    for name in ("index.html", "a.mjs", "b.wasm"):
        (page / name).write_text(name)
    with serve_folder(page) as address:
        assert address.startswith("http://127.0.0.1:")
        found = {name: httpx.get(address + name) for name in ("", "a.mjs", "b.wasm")}
        outside = httpx.get(address + "../secret.txt")
        with pytest.raises(InputError, match=r"port \d+ of 127.0.0.1 cannot be used"):
            serve_folder(page, int(address.split(":")[2].strip("/"))).__enter__()
    types = {name: answer.headers["content-type"] for name, answer in found.items()}
    assert types == {"": "text/html", "a.mjs": "text/javascript", "b.wasm": "application/wasm"}
    assert found[""].headers["cache-control"] == "no-store"
    assert outside.status_code == 404
