"""The recipe of a container, as far as it can be checked where no container can be built."""

import json
import re
import shlex
import tomllib

from tests.grader.grading_support import ROOT

LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
STEPS = [line.split(maxsplit=1) for line in LINES if line.strip() and not line.startswith("#")]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def texts(instruction):
    return [text for name, text in STEPS if name == instruction]


def copied():
    return [name for text in texts("COPY") for name in text.split()[:-1]]


def test_the_image_holds_what_the_package_is_made_of():
    needed = {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "constraints.txt"}
    assert needed | {"quantlib", "quantgrader"} == set(copied())
    assert all((ROOT / name).exists() for name in copied())


def test_nothing_else_is_sent_to_the_builder():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    assert {line[1:] for line in patterns if line.startswith("!")} == set(copied())


def test_what_is_installed_is_pinned_and_known():
    (apt, pip) = texts("RUN")
    assert "bubblewrap" in shlex.split(apt)
    assert "-c constraints.txt" in pip
    extras = re.search(r"\[([a-z,]+)\]", pip)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"]) and "course" in extras
    (base,) = texts("FROM")
    assert base.startswith("python:3.11-")


def test_the_command_is_the_graders():
    assert json.loads(texts("ENTRYPOINT")[0]) == ["quantgrader"]
    assert json.loads(texts("CMD")[0]) == ["check"]
    assert PROJECT["scripts"]["quantgrader"] == "quantgrader.cli:main"


def test_the_page_and_the_check_name_the_same_rights():
    """What Docker must allow stands in three places."""
    from quantgrader.sandbox.walls import _ADVICE_NAMESPACES

    page = (ROOT / "book" / "for_instructors.md").read_text()
    recipe = (ROOT / "Dockerfile").read_text()
    for right in (
        "seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined",
        "--cap-add SYS_ADMIN",
    ):  # fmt: skip
        assert right in _ADVICE_NAMESPACES and right in recipe and right in page
