"""A headless Chromium for tests: that of `make browser`, or else one that is installed."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

NPM_CHROMIUM = Path(__file__).parent / "browser" / "node_modules" / "chromium"
expect.set_options(timeout=30_000)
INSTALLED = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",  # it refuses to run as root with one, and sees nothing but this project's own page
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.contextmanager
def chromium() -> Generator[Browser]:
    """Skips the test where there is none, unless CI is set: there a missing browser is a failure."""
    with tempfile.TemporaryDirectory() as folder:
        executable, environment = _find(Path(folder))
        if executable is None:
            reason = f"no {', '.join(INSTALLED)} on PATH: run `make browser`, or install one"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=executable, args=OPTIONS, env={**os.environ, **environment}
            )
            try:
                yield browser
            finally:
                browser.close()


def _find(folder: Path) -> tuple[str | None, dict[str, str]]:
    if (NPM_CHROMIUM / "chromium").is_file():
        # Its own configuration names folders of AWS Lambda; without any font there is no text.
        fonts = folder / "fonts.conf"
        folders = f"<dir>{NPM_CHROMIUM / 'fonts'}</dir><dir>/usr/share/fonts</dir>"
        fonts.write_text(f"<fontconfig>{folders}<cachedir>{folder}</cachedir></fontconfig>")
        libraries = os.pathsep.join(
            [str(NPM_CHROMIUM / "al2023" / "lib"), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        )
        return str(NPM_CHROMIUM / "chromium"), {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_FILE": str(fonts)}
    return next(filter(None, map(shutil.which, INSTALLED)), None), {}
