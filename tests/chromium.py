"""A Chromium for the browser tests, by whichever way this machine allows.

`python -m tests.chromium` makes sure that there is one; `executable()` says which, and `arguments()` how to start it.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """Return the path of a Chromium, the system's before Playwright's own, or None if there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if pathlib.Path(own).exists() else None


def arguments() -> list[str]:
    """Return what Chromium has to be told here: its sandbox does not work for root."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


def _starts(path: str) -> bool:
    command = [path, "--headless", *arguments(), "--disable-gpu", "--dump-dom", "about:blank"]
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _install() -> None:
    root = os.geteuid() == 0
    playwright = [sys.executable, "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium"]
    if subprocess.run(playwright, check=False).returncode and root and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update"], check=False)
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium"], check=False)


def main() -> None:
    if (found := executable()) is None:
        print("No Chromium here: installing one", flush=True)
        _install()
        found = executable()
    if found is None or not _starts(found):
        sys.exit(
            "The browser tests need a Chromium that starts. Install one and run `make test` again:\n"
            "    sudo apt-get install chromium        (Debian)\n"
            f"    sudo {sys.executable} -m playwright install --with-deps chromium"
        )
    print(f"Browser: {found}")


if __name__ == "__main__":
    main()
