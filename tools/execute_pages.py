"""Execute the pages of the book side by side, before Sphinx reads them one after the other.

The results go into the cache where Sphinx looks for them. A page that fails is left out: Sphinx
executes it once more, and says what is wrong.
"""

import contextlib

import joblib
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook

from quantgrader.kernels import START_SECONDS, SteadyKernelManager

__all__ = ["execute_pages"]

#: A kernel with torch takes half a gigabyte.
MOST_KERNELS = 4


def execute_pages(paths, cache_path, timeout):
    """Execute those notebooks of ``paths`` that the cache at ``cache_path`` does not have.

    ``timeout`` is for a cell, in seconds.
    """
    cache, missing = get_cache(str(cache_path)), {}
    for path in sorted(paths, key=lambda path: -path.stat().st_size):  # the longest ones first
        text = path.read_text(encoding="utf-8")
        if not is_myst_markdown_notebook(text):
            continue
        notebook = read_myst_markdown_notebook(text, add_source_map=True, path=str(path))
        with contextlib.suppress(KeyError):
            cache.match_cache_notebook(notebook)
            continue
        missing[path] = notebook
    if len(missing) < 2:
        return
    n_jobs = min(joblib.cpu_count(), MOST_KERNELS, len(missing))
    with joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered") as parallel:
        for path, done in parallel(
            joblib.delayed(_execute)(path, notebook, timeout) for path, notebook in missing.items()
        ):
            if done.err is None:
                print(f"executed {path.name} in {done.time:.0f} s", flush=True)
                bundle = CacheBundleIn(done.nb, str(path), data={"execution_seconds": done.time})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def _execute(path, notebook, timeout):
    return path, single_nb_execution(
        notebook,
        cwd=str(path.parent),
        timeout=timeout,
        allow_errors=False,
        startup_timeout=START_SECONDS,
        kernel_manager_class=SteadyKernelManager,
    )
