"""`lipnet demo`: serves the page of a model until it is interrupted."""

from pathlib import Path

import httpx
import pytest

from lipnet.cli import demo
from lipnet.cli.main import main

Printed = pytest.CaptureFixture[str]


def test_the_page_is_served_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    given: dict[str, object] = {}
    opened: list[str] = []

    def write(weights: Path, folder: Path, **settings: object) -> None:
        given.update(settings, weights=weights)
        folder.mkdir()
        (folder / "index.html").write_text("the page")

    def interrupt(seconds: float) -> None:
        assert httpx.get(opened[0]).text == "the page"
        raise KeyboardInterrupt

    monkeypatch.setattr("lipnet.web.folder.write_page", write)
    monkeypatch.setattr(demo.webbrowser, "open", opened.append)
    monkeypatch.setattr(demo.time, "sleep", interrupt)
    main(["demo"])
    assert f"{opened[0]} is open until Ctrl+C" in capsys.readouterr().out
    assert given == {"weights": demo.MODEL, "face": "", "example": demo.EXAMPLE}
    assert demo.EXAMPLE.is_file()
    with pytest.raises(httpx.ConnectError):
        httpx.get(opened[0])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--weights", "none.safetensors"], "--weights none.safetensors does not exist"),
        (["--example", "none.mp4"], "--example none.mp4 does not exist"),
        (["--port", "70000"], "--port must be in 0..65535, not 70000"),
    ],
)
def test_what_cannot_be_served_is_one_line(arguments: list[str], error: str) -> None:
    with pytest.raises(SystemExit, match=error):
        main(["demo", *arguments])
