"""One worker: takes jobs as lines of JSON, runs them in its sandbox, gives outcomes back.

The same function `run` serves a local worker process (this module as a program) and a worker of
a Dask cluster. Only texts go in and come out.
"""

import json
import os
import queue
import sys
import threading

_runners = threading.local()


def settings(*, limits, preload, hidden, mode):
    """What a worker needs to know to start its sandbox, as a text."""
    return json.dumps(
        {
            "limits": limits.as_dict(),
            "preload": list(preload),
            "hidden": [str(path) for path in hidden],
            "mode": mode,
        },
        sort_keys=True,
    )


def run(sandbox_settings, job):
    """Run a job, given as a text, in this thread's own warm sandbox; return a text.

    The answer holds "outcome", or "unavailable" with the reason why nothing was run.
    """
    from quantgrader.sandbox.job import Job
    from quantgrader.sandbox.walls import SandboxUnavailable

    try:
        runner = _runner(sandbox_settings)
        outcome = runner.run(Job.from_dict(json.loads(job)))
    except SandboxUnavailable as error:
        return json.dumps({"unavailable": str(error)})
    return json.dumps({"outcome": outcome.as_dict()})


def _runner(sandbox_settings):
    """The runner of this thread: started once, and anew when the settings are others."""
    from quantgrader.sandbox.limits import Limits
    from quantgrader.sandbox.runner import Runner

    if getattr(_runners, "settings", None) != sandbox_settings:
        if getattr(_runners, "runner", None) is not None:
            _runners.runner.close()
            _runners.runner = None
        found = json.loads(sandbox_settings)
        _runners.runner = Runner(
            Limits.from_dict(found["limits"]),
            preload=found["preload"],
            hidden=found["hidden"],
            mode=found["mode"],
        )
        _runners.settings = sandbox_settings
    return _runners.runner


def answer_lines(answer):
    """Answer lines until the other side is gone; then end at once, with all that was started.

    A line holds two texts, the arguments of ``answer``, which gives a text without ends of lines.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    lines = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        arguments = json.loads(lines.get())
        try:
            text = answer(*arguments)
        except Exception as error:
            text = json.dumps({"broken": f"{type(error).__name__}: {error}"})
        answers.write(text + "\n")
        answers.flush()


if __name__ == "__main__":
    answer_lines(run)
