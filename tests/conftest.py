"""Fixtures that several test files use: the built site, its addresses, a browser, a course."""

import contextlib
import fcntl
import functools
import http.server
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import settings

from tools.course import TrialCourse

# How long one example takes says more about the machine than about the code.
settings.register_profile("course", deadline=None)
settings.load_profile("course")

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
# Files that have tests of a minute and more.
LONGEST = ("test_mutation.py", "test_course.py", "test_stop_and_resume.py")


def pytest_collection_modifyitems(items):
    """Put long tests first: where two processes share the tests, neither is alone at the end."""

    def turn(item):
        return item.path.name not in LONGEST, item.get_closest_marker("slow") is None

    items.sort(key=turn)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Start torch's numbers anew: what a test draws hangs on no test that ran before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def site():
    """Return the folder of the built site."""
    if not (HTML / "intro.html").exists():
        pytest.fail("the site is not built: run `make book` first")
    return HTML


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve ``folder`` on a free port of this machine and give its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def addresses(site, tmp_path_factory):
    """Return the three ways to open the site: {"root", "sub-path", "folder"} -> address."""
    parent = tmp_path_factory.mktemp("host")
    (parent / "course").symlink_to(site, target_is_directory=True)
    with served(site) as root, served(parent) as host:
        yield {"root": root, "sub-path": f"{host}/course", "folder": site.as_uri()}


@pytest.fixture(scope="session")
def browser():
    """Return a running Chromium; skip where there is none, unless LOWBIT_REQUIRE_BROWSER is 1."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        reason = f"no browser: none of {', '.join(names)} is installed"
        if os.environ.get("LOWBIT_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def generated(request, tmp_path_factory):
    """Return the instructor's folder of a course in which nbgrader generated all assignments.

    It is made once for all processes of tests, and only to be read: whoever grades takes a copy.
    """
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # one of several processes, with a folder of its own
        shared = shared.parent
    folder, done = shared / "generated", shared / "generated.done"
    with (shared / "generated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            TrialCourse(folder).generate()
            done.touch()
    return folder / "instructor"
