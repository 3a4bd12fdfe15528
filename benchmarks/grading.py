"""Submissions graded a minute: ``python -m benchmarks.grading`` or ``make bench-grading``.

The same submissions of a torch exercise, on the same two cores, one way after the other, round
by round: the command ``nbgrader autograde``, two of them side by side (half of the students
each), and ``quantgrader grade`` in its sandbox. Each run starts with the submissions, a fresh
gradebook and nothing warm; what is timed is the whole command. All must give the same marks, but
for one thing that nbgrader doesn't do and whose time counts here: `quantgrader` asks a function
that calls a wrong earlier one again, with the model answer in its place, so its mark may be better.

The medians are written to benchmarks/results/grading.json, with every single time beside them.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import nbformat
import psutil

from quantgrader.cases.source import used_names
from quantgrader.sandbox import walls
from tests.variants import harness
from tools.course import ROOT, TrialCourse, environment, fill_in, read_notebook

ASSIGNMENT = "01_uniform"
RESULT = ROOT / "benchmarks" / "results" / "grading.json"
TARGET = 5.0
# The students' names start with one of these: half of them each.
HALVES = ("a", "b")


def submissions(number):
    """Return {student: {grade_id: variant}}: of each student's answers every fourth is wrong.

    The others are right answers in several ways. All are from the bank in tests/variants.
    """
    assignment = harness.load_assignments()[ASSIGNMENT]
    bank = [v for v in harness.load_bank() if v.assignment == ASSIGNMENT]
    found = {}
    for i in range(number):
        answers = found[f"{HALVES[i % 2]}{i:02}"] = {}
        for j, exercise in enumerate(assignment.exercises):
            is_right = (i + j) % 4 != 0
            mine = [v for v in bank if v.function == exercise.function and v.is_right is is_right]
            answers[exercise.grade_id] = mine[i % len(mine)]
    return found


def set_up(folder, answers):
    """A course in ``folder`` with everybody's notebook handed in; return the instructor's one."""
    course = TrialCourse(folder, assignments=[ASSIGNMENT])
    course.generate()
    released = course.instructor / "exercises" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    for student, variants in answers.items():
        sources = {grade_id: variant.source for grade_id, variant in variants.items()}
        path = course.instructor / "submitted" / student / ASSIGNMENT / released.name
        path.parent.mkdir(parents=True)
        nbformat.write(fill_in(read_notebook(released), sources), path)
    return course


def start(course, module, *arguments, output=subprocess.PIPE):
    """Start a command in the instructor's folder."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=course.instructor,
        env=environment(course.instructor / "home"),
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_all(*processes):
    """Wait for commands and stop with what one printed if it failed."""
    with ThreadPoolExecutor(len(processes)) as pool:
        printed = list(pool.map(lambda process: process.communicate()[0], processes))
    for process, text in zip(processes, printed, strict=True):
        if process.returncode != 0:
            raise SystemExit(f"{process.args} exited with {process.returncode}:\n{text}")


def nbgrader(course):
    """Grade everybody with one command, as an instructor does."""
    run_all(start(course, "nbgrader", "autograde", ASSIGNMENT))


def two_nbgraders(course):
    """Grade everybody with two commands at a time, so that both cores have work."""
    run_all(
        *(start(course, "nbgrader", "autograde", ASSIGNMENT, f"--student={h}*") for h in HALVES)
    )


def quantgrader(course):
    """Grade everybody in the sandbox."""
    run_all(start(course, "quantgrader.cli", "grade", ASSIGNMENT))


WAYS = {
    "nbgrader autograde": nbgrader,
    "nbgrader autograde, two at a time": two_nbgraders,
    "quantgrader grade": quantgrader,
}


def measure(course, gradebook, way):
    """Return (seconds, marks by student and cell) of one run, with nothing graded before it."""
    for name in ("autograded", "journal"):
        shutil.rmtree(course.instructor / name, ignore_errors=True)
    (course.instructor / "gradebook.db").write_bytes(gradebook)
    started = time.perf_counter()
    WAYS[way](course)
    seconds = time.perf_counter() - started
    marks = {
        student: {name: score for name, (score, _) in mark[ASSIGNMENT].cells.items()}
        for student, mark in course.marks().items()
    }
    return seconds, marks


def machine(cores):
    """What the times depend on; nothing that names a host or a person."""
    model = platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2] for line in lines if "model name" in line), model)
    return {
        "processor": " ".join(model.split()),
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("nbgrader", "torch", "ipykernel")},
    }


def main():
    """Measure, print and write the result; exit status 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is timed")
    parser.add_argument("--submissions", type=int, default=20, help="how many are graded")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the result goes")
    options = parser.parse_args()
    if not walls.availability().usable:
        raise SystemExit(str(walls.availability()))
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, cores)  # the commands inherit it

    answers = submissions(options.submissions)
    seconds, loads, expected = {way: [] for way in WAYS}, [], None
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        course = set_up(Path(folder, "course"), answers)
        gradebook = (course.instructor / "gradebook.db").read_bytes()
        for number in range(options.rounds):
            for way in WAYS:
                loads.append(round(os.getloadavg()[0], 1))
                taken, marks = measure(course, gradebook, way)
                if marks.keys() != answers.keys():
                    raise SystemExit(f"{way} did not grade everybody: {sorted(marks)}")
                expected = expected or marks
                found = differences(expected, marks)
                if way == "quantgrader grade":
                    found = [each for each in found if not is_second_look(answers, *each)]
                if found:
                    raise SystemExit(f"{way} gives other marks: {found}")
                seconds[way].append(taken)
                print(f"round {number + 1}: {way}: {taken:.1f} s", flush=True)
            result = summary(len(answers), len(cores), seconds, loads)
            options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    for way, measured in result["ways"].items():
        print(f"{way:36} {measured['submissions_per_minute']:6.1f} submissions a minute")
    ratio = result["times_as_fast_as_nbgrader"]
    print(f"{ratio:.1f} times as fast as nbgrader (target: {TARGET:g})")
    return 0 if ratio >= TARGET else 1


def summary(number, cores, seconds, loads):
    """What is written: the machine, all times of each way, their medians and the ratios."""
    median = {way: statistics.median(times) for way, times in seconds.items()}
    plain, two, sandboxed = median.values()
    return {
        "assignment": ASSIGNMENT,
        "submissions": number,
        "machine": machine(cores),
        "load_before_each_run": loads,
        "ways": {
            way: {
                "seconds": [round(t, 2) for t in times],
                "median_seconds": round(median[way], 2),
                "submissions_per_minute": round(60 * number / median[way], 1),
            }
            for way, times in seconds.items()
        },
        "times_as_fast_as_nbgrader": round(plain / sandboxed, 2),
        "times_as_fast_as_two_nbgraders": round(two / sandboxed, 2),
        "target": TARGET,
    }


def differences(expected, marks):
    """Marks that are not the same: (student, cell, one, other)."""
    return [
        (student, cell, score, marks[student].get(cell))
        for student, cells in expected.items()
        for cell, score in cells.items()
        if marks[student].get(cell) != score
    ]


def is_second_look(answers, student, cell, score, other):
    """Whether a mark is better because the functions that are called were the course's own."""
    variants = answers[student].values()
    wrong = {variant.function for variant in variants if not variant.is_right}
    function = cell.removesuffix("-test").replace("-", "_")
    called = used_names([variant.source for variant in variants], function) - {function}
    return bool(called & wrong) and other > score


if __name__ == "__main__":
    sys.exit(main())
