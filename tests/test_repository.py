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


CHAPTERS = sorted(path.stem for path in ROOT.glob("book/[0-9][0-9]_*.md"))
NOTEBOOKS = sorted([*ROOT.glob("solutions/*/*.ipynb"), *ROOT.glob("exercises/*/*.ipynb")])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_notebook_is_committed_without_outputs(path):
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_every_chapter_has_its_notebooks():
    for folder in ("solutions", "exercises"):
        notebooks = [p.stem for p in NOTEBOOKS if p.relative_to(ROOT).parts[0] == folder]
        assert notebooks == CHAPTERS
    assert {"01_uniform", "02_logarithmic", "03_nonuniform"} <= set(CHAPTERS)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_stands_in_every_folder(chapter):
    """Page, code, exercise, tests: whoever knows one chapter finds the others."""
    idea = chapter[3:]
    columns = {
        "code": [f"quantlib/{idea}.py", f"quantlib/{idea}/__init__.py"],
        "solution": [f"solutions/{chapter}/{chapter}.ipynb"],
        "hidden checks": [f"solutions/{chapter}/hidden.py"],
        "exercise": [f"exercises/{chapter}/{chapter}.ipynb"],
        "tests": [f"tests/{idea}/test_*.py"],
        "right and wrong answers": [f"tests/variants/{chapter}/*.py"],
    }
    missing = {
        column: patterns
        for column, patterns in columns.items()
        if not any(any(ROOT.glob(pattern)) for pattern in patterns)
    }
    assert missing == {}


def test_no_module_has_a_prefix_where_a_package_belongs():
    """`binary/scales.py`, and not `binary_scales.py`."""
    prefixed = re.compile(
        r"quantlib/((binary|packed|log|nonuniform|data|abc|ternary|ptq)_[a-z_]+)\.py"
    )
    names = [str(path.relative_to(ROOT)) for path in tracked_files()]
    found = {match[1] for match in map(prefixed.fullmatch, names) if match}
    assert found - {chapter[3:] for chapter in CHAPTERS} == set()  # such as abc_net


# Modules whose functions stand elsewhere on the API page, or that only other modules call.
NOT_ON_THE_API_PAGE = {
    "quantlib.evaluation",
    "quantlib.kernels.levels",
    "quantlib.ternary.lowering",
}


def test_the_api_page_has_every_module():
    page = (ROOT / "book" / "api.md").read_text()
    shown = set(re.findall(r"automodule:: (\S+)", page)) | {"quantlib"}
    paths = [path.relative_to(ROOT).with_suffix("") for path in ROOT.glob("quantlib/**/*.py")]
    parts = [path.parts[: -1 if path.name == "__init__" else None] for path in paths]
    modules = {".".join(names) for names in parts if not any(n.startswith("_") for n in names)}
    assert modules - shown <= NOT_ON_THE_API_PAGE
    assert shown <= modules


def test_every_page_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    listed = [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]
    assert sorted(listed) == sorted(path.stem for path in ROOT.glob("book/*.md"))


def test_the_readme_names_every_chapter():
    readme = " ".join((ROOT / "README.md").read_text().split())
    for chapter in CHAPTERS:
        page = (ROOT / "book" / f"{chapter}.md").read_text()
        title = re.search(r"^# (.+)$", page, re.MULTILINE)[1]
        assert f"{int(chapter[:2])} *{title}*" in readme


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_and_its_exercise_tell_the_same_time(chapter):
    page = (ROOT / "book" / f"{chapter}.md").read_text()
    notebook = (ROOT / "exercises" / chapter / f"{chapter}.ipynb").read_text()
    told = re.search(r"\*\*Time\*\* about \d+ minutes to read, (\d+) for \[the exercise\]", page)
    assert told[1] == re.search(r"\*\*Time:\*\* about (\d+) minutes", notebook)[1]


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


# The processor's time: how busy the machine is with other work changes the clock's alone.
IMPORT = """
import sys, time
start = time.process_time()
import quantlib
seconds = time.process_time() - start
heavy = sorted({"torch", "matplotlib", "numba", "scipy", "ipywidgets"} & set(sys.modules))
print(seconds, *heavy)
"""


def test_quantlib_is_imported_fast_and_alone():
    times = []
    for _ in range(5):
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
    for target in ["book", "check", "test", "lab", "serve", "release", "demo", "clean"]:
        assert f"make {target} " in listed
