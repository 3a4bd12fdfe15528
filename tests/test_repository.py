"""The repository itself: notebooks, pins, import time, sizes, the commands that README names."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


def tracked_files():
    """Return the files that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


NOTEBOOKS = sorted([*ROOT.glob("solutions/*/*.ipynb"), *ROOT.glob("exercises/*/*.ipynb")])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_notebook_is_committed_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_every_chapter_has_its_notebooks():
    chapters = {path.stem for path in ROOT.glob("book/[0-9][0-9]_*.md")}
    for folder in ("solutions", "exercises"):
        assert {path.stem for path in NOTEBOOKS if folder in path.parts} == chapters
    assert {"01_uniform", "02_logarithmic", "03_nonuniform"} <= chapters


def test_every_page_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]
    assert sorted(listed) == sorted(path.stem for path in ROOT.glob("book/*.md"))


def test_the_npm_lock_file_has_no_download_addresses():
    lock = json.loads((ROOT / "package-lock.json").read_text())
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert not any("resolved" in package for package in lock["packages"].values())
    for name, version in wanted.items():
        package = lock["packages"][f"node_modules/{name}"]
        assert package["version"] == version
        assert package["integrity"].startswith("sha512-")


def test_every_requirement_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    pinned = pins()
    for requirement in (Requirement(line) for names in lists for line in names):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
    assert pinned["torch"] == "2.13.0"


IMPORT = """
import sys, time
start = time.perf_counter()
import quantlib
seconds = time.perf_counter() - start
heavy = sorted({"torch", "matplotlib", "numba", "scipy", "ipywidgets"} & set(sys.modules))
print(seconds, *heavy)
"""


def test_quantlib_is_imported_fast_and_alone():
    """In three tries, since another process may hold the machine up for a moment."""
    times = []
    for _ in range(3):
        result = subprocess.run(
            [sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, check=True, text=True
        )
        seconds, *heavy = result.stdout.split()
        assert heavy == []
        times.append(float(seconds))
    assert min(times) < 0.3


def test_no_file_is_larger_than_2_mb():
    large = {str(path): path.stat().st_size for path in tracked_files()}
    assert large
    assert {path: size for path, size in large.items() if size > 2e6} == {}


def test_the_commands_that_the_texts_name_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ["README.md", "book/getting_started.md"]:
        text = (ROOT / name).read_text()
        named = set(re.findall(r"^\s*make ([a-z]+)", text, re.MULTILINE))
        named |= set(re.findall(r"`make ([a-z]+)[^`]*`", text))
        assert {"book", "test", "lab"} <= named
        assert named <= targets


def test_make_alone_lists_the_commands():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for target in ["book", "test", "lab", "serve", "release", "demo", "clean"]:
        assert f"make {target} " in listed
