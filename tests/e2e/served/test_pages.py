"""What people see: Prefect's form, graph and artifacts and MLflow's comparison, in a real browser.

The pictures are in SCREENSHOTS, if that names a folder (docs/images are such).
"""

import os
import shutil
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright
from prefect.client.schemas.objects import StateType

from tests.e2e.deployed import PATIENCE
from tests.e2e.served.servers import Served

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian's package chromium)"),
]
# As root, without a network and a desktop: nothing but pages of 127.0.0.1.
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
SIZE = {"width": 1280, "height": 900}
MS = 1000
SUBMISSIONS = 5
CHOSEN = "[class*='selection-item-content']"
FIGURES = "img[src^='data:image/png']"
ALL_DRAWN = f"""() => [...document.querySelectorAll("{FIGURES}")]
    .every(figure => figure.naturalWidth > 100)"""


@pytest.fixture
def page() -> Iterator[Page]:
    expect.set_options(timeout=60 * MS)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        opened = browser.new_page(viewport=SIZE)
        opened.set_default_timeout(60 * MS)
        yield opened
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def take(page: Page, path: Path, seen: Locator) -> None:
    """A picture of the page once something is seen on it."""
    expect(seen.first).to_be_visible()
    page.wait_for_timeout(1.5 * MS)  # its animations
    page.screenshot(path=path)
    assert path.stat().st_size > 10_000


def _submit(page: Page) -> None:
    """Press the form's button, again if the server is too busy (503) and the page reports it."""
    for _ in range(SUBMISSIONS):
        with page.expect_response("**/create_flow_run") as answer:
            page.get_by_role("button", name="Submit").click()
        if answer.value.status != HTTPStatus.SERVICE_UNAVAILABLE:
            break
        page.wait_for_timeout(2 * MS)
    assert answer.value.ok, answer.value.text()


def test_a_run_from_the_form_to_the_comparison(served: Served, page: Page, pictures: Path) -> None:
    deployed, mlflow = served.deployed, served.mlflow
    base = deployed.server.url

    page.goto(f"{base}/deployments")
    page.get_by_role("link", name="reproduce", exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    expect(page.get_by_text("trains each model for 20 epochs")).to_be_visible()
    # A click of Playwright's opens the list and closes it again.
    page.get_by_role("button", name="synthetic", exact=True).press("ArrowDown")
    page.get_by_text("tiny", exact=True).last.click()
    expect(page.get_by_role("button", name="tiny", exact=True)).to_be_visible()
    take(
        page, pictures / "prefect_form.png", page.get_by_text("Also run stages that are up to date")
    )
    _submit(page)

    page.goto(f"{base}/runs")
    page.get_by_role("link", name="reproduce-tiny").first.click(timeout=PATIENCE * MS)
    page.wait_for_url("**/runs/flow-run/*")
    run = UUID(page.url.rpartition("/")[2].partition("?")[0])
    seen = page.url
    page.goto("about:blank")  # the run's graph, drawn without a GPU, takes a core while it is open
    assert "13 unchanged" in str(deployed.wait_for(run, StateType.COMPLETED).message)
    page.goto(seen)
    # The page renders only the lines of the log that are in view.
    take(page, pictures / "prefect_run.png", page.get_by_text("Cached('unchanged'"))

    page.goto(f"{base}/artifacts")
    take(page, pictures / "prefect_artifacts.png", page.get_by_text("leaderboard-tiny"))
    page.get_by_text("leaderboard-tiny").first.click()
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    take(page, pictures / "prefect_leaderboard.png", page.get_by_text("rn18-tcn-g1").first)
    page.goto(f"{base}/artifacts/key/figures-tiny")
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    figures = page.locator(FIGURES)
    expect(figures).to_have_count(3)
    page.wait_for_function(ALL_DRAWN)
    take(page, pictures / "prefect_figures.png", figures)

    page.goto(f"{base}/artifacts/key/links-tiny")
    page.locator("a[href*='/artifacts/artifact/']").first.click()
    runs = page.get_by_role("link", name="All models, the most accurate first")
    models = str(runs.get_attribute("href"))
    link = page.get_by_role("link", name="The generations of rn18-tcn compared")
    address = str(link.get_attribute("href"))
    assert address.startswith(mlflow.url)
    page.goto(address)
    for model in ("rn18-tcn-g0", "rn18-tcn-g1"):
        expect(page.get_by_text(model, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Close").click()  # an assistant next to it
    # What its plot shows first.
    expect(page.locator(CHOSEN).filter(has_text="accuracy/test_top1")).to_be_attached()
    take(page, pictures / "mlflow_comparison.png", page.get_by_text("Comparing 2 Runs"))

    page.goto(models)
    for column in ("accuracy/test_top1", "cost/params_m", "cost/gflops", "kind"):
        expect(page.get_by_text(column, exact=True).last).to_be_visible()
    take(page, pictures / "mlflow_runs.png", page.get_by_text("rn18-tcn-g1", exact=True))
