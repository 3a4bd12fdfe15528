"""A thousand submissions in one run: ``python -m benchmarks.grading_many``, ``make bench-grading``.

The same submissions as in benchmarks.grading, as many as are asked for, graded by ``quantgrader
grade`` on this machine, and then over a Dask scheduler with two workers. While each runs, memory is
looked at every second: of the command itself, and of all its processes (or all the cluster's)
together. Both ways must give the same marks. Memory is flat when what the command takes doesn't
grow with the number of submissions that are done: the result tells by how many kilobytes for each.

The results are written to benchmarks/results/grading_many.json.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.grading import ASSIGNMENT, differences, machine, set_up, start, submissions
from quantgrader.sandbox import walls
from tools.course import ROOT, environment

RESULT = ROOT / "benchmarks" / "results" / "grading_many.json"
WORKERS = 2
# More than this for each submission, from the first quarter on, is no flat curve.
TARGET_KB = 100
_POINTS = 50


class Memory:
    """What some processes and all that they have started take, second by second."""

    def __init__(self, course, main, *others):
        self._journal = course.instructor / "journal" / ASSIGNMENT
        self._main, self._others = psutil.Process(main), [psutil.Process(pid) for pid in others]
        self.curve = []  # (submissions done, MB of the command, MB of all)

    def look(self):
        """Take a point of the curve."""
        done = len(list(self._journal.glob("*.json"))) if self._journal.is_dir() else 0
        with contextlib.suppress(psutil.Error):
            own, everything = self._main.memory_info().rss, 0
            for top in (self._main, *self._others):
                for process in (top, *top.children(recursive=True)):
                    with contextlib.suppress(psutil.Error, OSError):
                        everything += _share(process)
            self.curve.append((done, round(own / 1e6, 1), round(everything / 1e6, 1)))

    def growth_kb(self, column):
        """Kilobytes for each submission that is done: the slope, from the first quarter on."""
        last = self.curve[-1][0] if self.curve else 0
        points = [(p[0], p[column]) for p in self.curve if p[0] >= last / 4]
        if len({done for done, _ in points}) < 2:
            return None
        return round(1e3 * statistics.linear_regression(*zip(*points, strict=True)).slope, 1)

    def summary(self):
        """What is written: some points of the curve, the most, and the growth."""
        step = max(len(self.curve) // _POINTS, 1)
        return {
            "columns": ["submissions done", "MB of the command", "MB of all processes"],
            "curve": self.curve[::step],
            "most_mb": [max(p[column] for p in self.curve) for column in (1, 2)],
            "growth_kb_per_submission": [self.growth_kb(1), self.growth_kb(2)],
        }


def _share(process):
    """Memory of a process, with its share only of what others have as well."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return (
        next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    )


def grade(course, gradebook, *options, cluster=()):
    """Grade everybody with one command; return (seconds, marks, `Memory`)."""
    for name in ("autograded", "journal"):
        shutil.rmtree(course.instructor / name, ignore_errors=True)
    (course.instructor / "gradebook.db").write_bytes(gradebook)
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as printed:
        process = start(course, "quantgrader.cli", "grade", ASSIGNMENT, *options, output=printed)
        memory = Memory(course, process.pid, *cluster)
        while process.poll() is None:
            memory.look()
            time.sleep(1)
        seconds = time.perf_counter() - started
        if process.returncode != 0:
            printed.seek(0)
            raise SystemExit(f"quantgrader exited with {process.returncode}:\n{printed.read()}")
    marks = {
        student: {name: score for name, (score, _) in mark[ASSIGNMENT].cells.items()}
        for student, mark in course.marks().items()
    }
    return seconds, marks, memory


@contextlib.contextmanager
def cluster(folder):
    """A Dask scheduler and two workers of one thread each: (address, process numbers)."""
    where = folder / "scheduler.json"
    folder.mkdir()
    dask, place = [sys.executable, "-m", "dask"], ["--scheduler-file", str(where), "--no-dashboard"]
    command = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *place]
    worker = [*dask, "worker", "--nworkers", "1", "--nthreads", "1", *place]
    worker += ["--local-directory", str(folder)]
    options = {
        "cwd": folder, "env": environment(folder / "home"), "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }  # fmt: skip
    with contextlib.ExitStack() as stack:

        def run(line):
            process = subprocess.Popen(line, **options)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process.pid

        numbers = [run(command)]
        while not where.is_file():
            time.sleep(0.2)
        numbers += [run(worker) for _ in range(WORKERS)]
        address = json.loads(where.read_text())["address"]
        _wait_for_workers(address)
        yield address, numbers


def _wait_for_workers(address):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(WORKERS, timeout=120)


def main():
    """Measure, print and write the result; exit status 1 if memory grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=1000, help="how many are graded")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the result goes")
    options = parser.parse_args()
    if not walls.availability().usable:
        raise SystemExit(str(walls.availability()))
    cores = sorted(os.sched_getaffinity(0))[:WORKERS]
    os.sched_setaffinity(0, cores)  # the commands inherit it

    ways, grows = {}, False
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        course = set_up(Path(folder, "course"), submissions(options.submissions))
        gradebook = (course.instructor / "gradebook.db").read_bytes()
        found = {"one machine": grade(course, gradebook, "--jobs", str(WORKERS))}
        with cluster(Path(folder, "cluster")) as (address, numbers):
            found[f"{WORKERS} Dask workers"] = grade(
                course, gradebook, "--scheduler", address, cluster=numbers
            )
    (_, expected, _), *_ = found.values()
    if len(expected) != options.submissions:
        raise SystemExit(f"{len(expected)} of {options.submissions} submissions have marks")
    for way, (seconds, marks, memory) in found.items():
        if marks != expected:
            raise SystemExit(f"{way} gives other marks: {differences(expected, marks)[:10]}")
        ways[way] = {
            "seconds": round(seconds, 1),
            "submissions_per_minute": round(60 * options.submissions / seconds, 1),
            "memory": memory.summary(),
        }
        growth = memory.growth_kb(1)
        grows |= growth is not None and growth > TARGET_KB
        print(
            f"{way:16} {seconds:8.1f} s, at most {ways[way]['memory']['most_mb'][0]:.0f} MB for "
            f"the command and {growth} kB more for each submission",
            flush=True,
        )
    result = {
        "assignment": ASSIGNMENT, "submissions": options.submissions,
        "machine": machine(len(cores)), "ways": ways, "target_kb_per_submission": TARGET_KB,
    }  # fmt: skip
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(grows)


if __name__ == "__main__":
    sys.exit(main())
