"""The runner: what comes out of honest cells, broken ones, and ones that forge their answers."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest

from quantgrader.endings import cell_texts
from quantgrader.sandbox import collector, received
from quantgrader.sandbox import runner as runner_module
from quantgrader.sandbox.client import Conversation
from quantgrader.sandbox.job import Job, Outcome, imports_of
from quantgrader.sandbox.launcher import Launcher
from quantgrader.sandbox.limits import Limits
from quantgrader.sandbox.provisioner import kernel_spec
from quantgrader.sandbox.runner import Runner
from tests.grader.sandbox_support import LIMITS, job, printed, require_sandbox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runner():
    require_sandbox()
    with Runner(LIMITS, preload=("numpy", "matplotlib.pyplot")) as runner:
        yield runner


def array(values, dtype="<f8"):
    values = np.asarray(values, dtype)
    text = base64.b64encode(values.tobytes()).decode()
    return {"array": text, "dtype": dtype, "shape": list(values.shape)}


def ask(runner, source, *arguments, name="f", limits=None):
    """The answer of one function to one question."""
    return runner.run(job(source, probes=[(name, *arguments)]), limits).probes[0]


# Honest work


def test_outputs(runner):
    outcome = runner.run(
        job(
            "import sys\nprint('one')\nprint('two')\nprint('three', file=sys.stderr)\n6 * 7",
            "from IPython.display import HTML\ndisplay(HTML('<b>x</b>'))",
            "import matplotlib.pyplot as plt\nplt.plot([1, 2])",
            "x = 1 / 0",
            "input()",
            "import asyncio\nawait asyncio.sleep(0.01)\nprint(open('points.csv').read())",
            "def broken(:",
            files={"points.csv": b"1,2", "more/deep.txt": b"x"},
        )
    )
    cells = outcome.cells
    streams = [(out["name"], out["text"]) for out in cells[0].outputs if "name" in out]
    assert ("stdout", "one\ntwo\n") in streams and ("stderr", "three\n") in streams
    assert cells[0].outputs[-1]["data"]["text/plain"] == "42"
    assert cells[0].outputs[-1]["execution_count"] == 1
    assert cells[1].outputs[0]["data"]["text/html"] == "<b>x</b>"
    assert base64.b64decode(cells[2].outputs[-1]["data"]["image/png"])[1:4] == b"PNG"
    assert cells[3].status == "error"
    assert cells[3].error == {"type": "ZeroDivisionError", "message": "division by zero"}
    assert "1 / 0" in "".join(cells[3].outputs[0]["traceback"])
    assert cells[4].error["type"] == "StdinNotImplementedError"
    assert cells[5].outputs[0]["text"] == "1,2\n"
    assert cells[6].error["type"] == "SyntaxError"
    assert outcome.ended is None and outcome.kernels == 1
    assert outcome.seconds > 0 and outcome.cpu_seconds > 0


def test_job_and_outcome_are_json(runner):
    wanted = job("def f(x):\n    return x", probes=[("f", 1)], files={"a": b"\xff\x00"})
    wanted = Job.from_dict(json.loads(json.dumps(wanted.as_dict())))
    assert wanted.files == {"a": b"\xff\x00"}
    outcome = runner.run(wanted)
    again = Outcome.from_dict(json.loads(json.dumps(outcome.as_dict())))
    assert again == outcome and again.probes[0]["value"] == 1


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("None", None),
        ("(1, True, 'é', 0.5)", {"tuple": [1, True, "é", 0.5]}),
        ("[float('nan'), -float('inf')]", [{"float": "nan"}, {"float": "-inf"}]),
        ("1 + 2j", {"complex": [1.0, 2.0]}),
        ("{8: [1], 'a': ()}", {"dict": [[8, [1]], ["a", {"tuple": []}]]}),
        ("np.arange(3, dtype='>i4')", array([0, 1, 2], "<i4")),
        ("np.float32(0.5)", array(0.5, "<f4") | {"scalar": True}),
        ("np.ones((0, 2))", array(np.ones((0, 2)))),
        ("np.eye(2).T[:, ::-1]", array([[0, 1], [1, 0]])),
    ],
)
def test_values(runner, value, encoded):
    answer = ask(runner, f"import numpy as np\ndef f():\n    return {value}")
    assert answer["value"] == encoded
    assert answer["arguments_changed"] is False


@pytest.mark.parametrize(
    "value",
    [
        "object()",
        "range(3)",
        "{1, 2}",
        "np.array([None])",
        "np.array(['a'])",
        "np.zeros(3, 'g')",
        "lambda: 0",
        "[[object()]]",
        "1 << 100_000",
        "np.zeros(1 << 22)",
        "'x' * (1 << 25)",
        "nested",
        "[0] * (1 << 24)",
    ],
)
def test_what_is_no_plain_data_is_refused(runner, value):
    source = "import numpy as np\nnested = []\nnested.append(nested)\n"
    answer = ask(runner, f"{source}def f():\n    return {value}")
    assert set(answer) == {"refused"} and answer["refused"]


def test_arguments(runner):
    source = (
        "def f(x, more):\n"
        "    x[0] = 5\n"
        "    return [type(x).__name__, x.dtype.str, more, x]\n"
        "def g(x, more):\n"
        "    return 0"
    )
    more = {"dict": [["a", {"tuple": [1, {"float": "inf"}]}]]}
    outcome = runner.run(job(source, probes=[(n, array([1, 2]), more) for n in "fg"]))
    changed, kept = outcome.probes
    assert changed["value"] == ["ndarray", "<f8", more, array([5, 2])]
    assert changed["arguments_changed"] is True
    assert kept["arguments_changed"] is False


def test_built_arguments(runner):
    source = "def f(x, pi):\n    return x.numerator, pi"
    third = {"build": "fractions.Fraction", "arguments": [2, 6], "keywords": {}, "attributes": []}
    pi = {"build": "math.pi", "call": False}
    answer = ask(runner, source, third, pi)
    assert answer["value"] == {"tuple": [1, 3.141592653589793]}
    third["attributes"] = ["denominator"]
    assert ask(runner, "def f(x):\n    return x", third)["value"] == 3


def test_warnings_are_told(runner):
    source = (
        "import warnings\nimport numpy as np\n"
        "def f(x):\n"
        "    for number in range(9):\n"
        "        warnings.warn('w' * 300 if number else 'first')\n"
        "    return np.log2(x)"
    )
    answer = ask(runner, source, array([1, 0]))
    assert answer["warnings"][0] == "UserWarning: first" and len(answer["warnings"][1]) == 200
    assert answer["warnings"][2] == "RuntimeWarning: divide by zero encountered in log2"
    assert ask(runner, "def f():\n    return 0")["warnings"] == []


def test_changed_networks(runner):
    """A built argument is compared by its state, if it has one."""
    source = (
        "import torch\ndef f(layer):\n    layer.bias.data[0] = 1\n"
        "def g(layer):\n    return [layer.weight, layer.training]"
    )
    layer = {"build": "torch.nn.Flatten", "arguments": [], "keywords": {}}
    zeros = {"build": "torch.nn.Linear", "arguments": [2, 2], "keywords": {}}
    with Runner(LIMITS, preload=("torch",)) as warm:
        assert ask(warm, source, zeros)["arguments_changed"] is True
        assert ask(warm, source, zeros, name="g")["arguments_changed"] is False
        flat = "def f(layer):\n    layer.start_dim = 7"
        assert ask(warm, flat, layer)["arguments_changed"] is False  # it has no state
        assert "cannot be made" in ask(warm, flat, {"build": "torch.nn.Nothing"})["refused"]


def test_torch_after_a_fork():
    """Networks work in a forked kernel: gradients, matrix products, tensors as results."""
    require_sandbox()
    source = (
        "import torch\n"
        "def f(seed):\n"
        "    torch.manual_seed(seed)\n"
        "    layer = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU())\n"
        "    layer(torch.ones(8, 1, 12, 12)).sum().backward()\n"
        "    a = torch.ones(300, 300)\n"
        "    zeros = torch.zeros(2, dtype=torch.bfloat16)\n"
        "    return (a @ a)[0, :2], layer[0].bias.grad.shape[0], zeros"
    )
    with Runner(LIMITS, preload=("torch",)) as warm:
        answers = [ask(warm, source, 1) for _ in range(2)]
    assert answers[0] == answers[1]
    first, size, last = answers[0]["value"]["tuple"]
    assert first == array([300, 300], "<f4") and size == 4 and last == array([0, 0], "<f4")


def test_without_sandbox():
    """Only for those who ask for it; the same outcome."""
    with Runner(LIMITS, mode="none") as runner:
        outcome = runner.run(job("import os\nprint(os.getuid())", "def f():\n    return 1",
                                 probes=[("f",)]))  # fmt: skip
    assert printed(outcome.cells[0]) == os.getuid()
    assert outcome.probes[0]["value"] == 1 and outcome.ended is None


def test_imports_that_start_threads(monkeypatch):
    """A process with threads must not be forked: each kernel is started afresh then."""
    require_sandbox()
    original = Launcher._wait_for_imports

    def with_threads(self, *rest):
        return original(self, *rest) + 1

    monkeypatch.setattr(Launcher, "_wait_for_imports", with_threads)
    with Runner(LIMITS) as runner:
        assert ask(runner, "def f():\n    return 1")["value"] == 1
        assert runner.mode == "cold"


def test_imports_of():
    sources = ["import numpy as np, os.path\nfrom quantlib import data", "def broken(:", "import a"]
    assert imports_of(sources) == ("numpy", "os.path", "quantlib", "quantlib.data", "a")


def test_limits_are_checked():
    assert Limits.from_dict(LIMITS.as_dict()) == LIMITS
    for name, value in (("cell_seconds", 0), ("processes", -1), ("memory_bytes", "1 GB")):
        with pytest.raises(ValueError, match=name):
            replace(LIMITS, **{name: value})
    with pytest.raises(ValueError, match="mode must be"):
        Runner(mode="hot")


def test_plain_jupyter_tools_get_a_kernel_in_the_sandbox(tmp_path, monkeypatch):
    """By the kernel's specification alone: nbclient, and so nbgrader's own autograder."""
    require_sandbox()
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path / "kernels" / "sandboxed"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(kernel_spec()))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    sources = ["import os\nprint(os.getcwd(), os.path.exists('/proc/1/root/var'))", "while True: 0"]
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, sources)])
    NotebookClient(
        notebook, kernel_name="sandboxed", timeout=8, interrupt_on_timeout=True, allow_errors=True
    ).execute()
    assert notebook.cells[0].outputs[0].text == "/box/work False\n"
    assert notebook.cells[1].outputs[-1].ename == "KeyboardInterrupt"
    assert not [child for child in psutil.Process().children() if child.name() == "sandboxed"]


# What goes wrong costs itself only


def test_dead_kernels_cost_their_own_cell_only(runner):
    outcome = runner.run(
        job(
            "print('a')\ndef f(x):\n    return x",
            "import os\nos._exit(3)",
            "def g(x):\n    import ctypes\n    return ctypes.string_at(0)",
            "import ctypes\nctypes.string_at(0)",
            "def h(x):\n    return 2 * x",
            probes=[("f", 1), ("g", 2), ("g", 3), ("h", 4), ("none", 5)],
        )
    )
    assert [cell.status for cell in outcome.cells] == ["ok", "killed", "ok", "killed", "ok"]
    assert outcome.cells[1].error == {
        "type": "died",
        "message": "ended by itself with exit status 3",
    }
    assert outcome.cells[3].error == {"type": "died", "message": "ended by signal 11"}
    assert outcome.cells[0].outputs == [{"output_type": "stream", "name": "stdout", "text": "a\n"}]
    first, second, third, fourth, fifth = outcome.probes
    assert first["value"] == 1 and fourth["value"] == 8
    assert second == {"killed": "died", "detail": "ended by signal 11"}
    assert "earlier call" in third["missing"]
    assert fifth["error"]["type"] == "NameError"
    assert outcome.ended is None and outcome.kernels == 5


def test_an_honest_function_is_not_taken_for_a_deadly_one(runner):
    """What a late cell left behind ends the kernel while a function is asked that is right."""
    left_behind = (
        "import os, threading, time\n"
        "started = time.monotonic()\n"
        "class Slow:\n"
        "    def __init__(self):\n"
        "        threading.Timer(0.2, os._exit, (3,)).start()\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    Slow()\n    raise"
    )
    outcome = runner.run(
        job(
            "import time\ndef f(x):\n    time.sleep(0.5)\n    return x",
            left_behind,
            probes=[("f", 1), ("f", 2)],
        ),
        replace(LIMITS, cell_seconds=4),
    )
    assert outcome.cells[1].status == "timeout" and outcome.kernels == 2
    assert [probe.get("value") for probe in outcome.probes] == [1, 2]


def test_memory_is_put_down_to_the_cell_that_took_it(runner):
    """However soon the next cell comes."""
    outcome = runner.run(
        job(
            "import numpy as np, os, time\n"
            "end, begin = os.pipe()\n"
            "for _ in range(3):\n"
            "    if os.fork() == 0:\n"
            "        x = np.ones(32 << 20)\n"
            "        os.write(begin, b'.')\n"
            "        time.sleep(60)\n"
            "for _ in range(3):\n"
            "    os.read(end, 1)",
            "y = 1",
            "z = 2",
        ),
        replace(LIMITS, memory_bytes=512 << 20),
    )
    assert [cell.status for cell in outcome.cells] == ["killed", "ok", "ok"]
    assert outcome.kernels == 2


def test_exit_ends_nothing_that_comes_after_it(runner):
    """IPython's `exit` ends the kernel a moment later: in a cell or a call that can't help it."""
    sources = ("exit", "def f():\n    return 42", "import time\ntime.sleep(0.5)", "quit()")
    outcome = runner.run(job(*sources, probes=[("f",)]))
    assert outcome.ended is None and outcome.kernels == 1
    assert [cell.status for cell in outcome.cells] == ["ok"] * 4
    assert outcome.probes[0]["value"] == 42


def test_kernel_that_cannot_start(runner):
    """More files than there is room for: a reason, and the next submission is served."""
    outcome = runner.run(
        job("1", files={"big": bytes(2 << 20)}, probes=[("f",)]),
        replace(LIMITS, disk_bytes=1 << 20),
    )
    assert outcome.ended["reason"] == "sandbox" and "space" in outcome.ended["detail"]
    assert outcome.cells[0].status == "skipped" and outcome.probes == ({"missing": "sandbox"},)
    for name in ("/etc/x", "../x", "a/../../x", ""):
        with pytest.raises(ValueError, match="working folder"):
            runner.run(job("1", files={name: b""}))
    assert runner.run(job("1")).ended is None


def test_number_of_kernels_is_limited(runner):
    outcome = runner.run(job(*["import os\nos._exit(0)"] * 3, probes=[("f",)]),
                         replace(LIMITS, attempts=2))  # fmt: skip
    assert [cell.status for cell in outcome.cells] == ["killed", "killed", "skipped"]
    assert outcome.ended["reason"] == "died" and outcome.probes == ({"missing": "died"},)


def test_time(runner):
    """Interrupted where it can be, ended where not; of a cell, of a question, of all."""
    outcome = runner.run(
        job(
            "while True:\n    pass",
            "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass",
            "def f():\n    while True:\n        pass\ndef g():\n    return 1",
            probes=[("f",), ("g",)],
        ),
        replace(LIMITS, cell_seconds=3, probe_seconds=3),
    )
    assert [cell.status for cell in outcome.cells] == ["timeout", "killed", "ok"]
    assert outcome.cells[0].error["type"] == outcome.cells[1].error["type"] == "timeout"
    assert outcome.probes[0] == {"timeout": 3} and outcome.probes[1]["value"] == 1
    outcome = runner.run(
        job("import time\ntime.sleep(1e6)", "1", probes=[("f",)]), replace(LIMITS, total_seconds=1)
    )
    assert [cell.status for cell in outcome.cells] == ["killed", "skipped"]
    assert outcome.ended["reason"] == "timeout" and outcome.probes == ({"missing": "timeout"},)
    assert outcome.seconds < 60


def test_a_function_that_is_late_takes_no_time_from_others(runner):
    """It is asked again when all others were asked, and not without end."""
    source = (
        "asked = []\n"
        "def f(x):\n    asked.append('f')\n    while True:\n        pass\n"
        "def g(x):\n    asked.append('g')\n    return x\n"
        "def h(x):\n    while x == 2:\n        pass\n    return ''.join(asked)"
    )
    probes = [(name, number) for name in "fgh" for number in range(1, 6)]
    outcome = runner.run(job(source, probes=probes), replace(LIMITS, probe_seconds=2))
    late, on_time, once = (outcome.probes[n : n + 5] for n in (0, 5, 10))
    assert [probe.get("value") for probe in on_time] == [1, 2, 3, 4, 5]
    assert list(late[:3]) == [{"timeout": 2}] * 3 and once[1] == {"timeout": 2}
    # f is late first, and all that was never late is asked before f again.
    assert once[0]["value"] == "fggggg"
    assert [probe.get("value") is None for probe in once] == [False, True, False, False, False]
    assert all("took too long" in probe["missing"] for probe in late[3:])


def test_cpu_time(runner):
    source = "import os\nfor _ in range(2):\n    if os.fork() == 0:\n        while True: pass\n"
    outcome = runner.run(job(source + "os.wait()"), replace(LIMITS, cpu_seconds=5))
    assert outcome.cells[0].error["type"] == "cpu"


def test_output_is_cut(runner):
    """A long output of a cell is cut; what follows is as before."""
    limits = replace(LIMITS, cell_output_bytes=10_000, total_output_bytes=25_000)
    cell = "print('x' * 20_000)"
    outcome = runner.run(
        job(cell, cell, cell, cell, "def f():\n    return 1", probes=[("f",)]), limits
    )
    kept = [sum(len(out["text"]) for out in cell.outputs) for cell in outcome.cells]
    assert kept == [10_000, 10_000, 5_000, 0, 0]
    assert [cell.truncated for cell in outcome.cells] == [True] * 4 + [False]
    assert outcome.probes[0]["value"] == 1


def test_output_flood_ends_the_kernel(runner):
    """100 lines of 1 MB are neither kept nor read to the end."""
    source = "for _ in range(100):\n    print('x' * 1_000_000)"
    limits = replace(LIMITS, received_bytes=20_000_000)
    outcome = runner.run(job(source, "def f():\n    return 1", probes=[("f",)]), limits)
    assert (outcome.cells[0].status, outcome.cells[0].error["type"]) == ("killed", "output")
    assert len(json.dumps(outcome.as_dict())) < 2 * limits.cell_output_bytes
    assert outcome.probes[0]["value"] == 1


def test_what_was_cleared_takes_no_room():
    """A live plot keeps its last frame, also where the loop ends by asking for the next one."""
    outputs = received.Outputs(100_000)
    for number in range(40):
        frame = {"image/png": "A" * 40_000, "text/plain": f"frame {number}"}
        outputs.add("display_data", {"data": frame, "metadata": {}})
        outputs.add("clear_output", {"wait": True})
    (kept,) = outputs.as_list()
    assert kept["data"]["text/plain"] == "frame 39" and not outputs.truncated
    assert 40_000 < outputs.kept_bytes < 41_000
    outputs.add("stream", {"name": "stdout", "text": "x" * 200_000})
    assert [out["text"] for out in outputs.as_list()] == ["x" * 100_000] and outputs.truncated
    outputs.add("clear_output", {})
    assert (outputs.as_list(), outputs.kept_bytes, outputs.truncated) == ([], 0, False)


def test_frames_without_end_end_the_kernel(runner):
    source = "from IPython.display import clear_output\n"
    source += "while True:\n    print('x' * 100_000)\n    clear_output(wait=True)"
    limits = replace(LIMITS, received_bytes=5_000_000)
    outcome = runner.run(job(source, "def f():\n    return 1", probes=[("f",)]), limits)
    assert (outcome.cells[0].status, outcome.cells[0].error["type"]) == ("killed", "output")
    assert outcome.probes[0]["value"] == 1


def test_threads_that_go_on(runner):
    """They may print as they like: it is no part of another cell, and ends with the kernel."""
    source = (
        "import threading\n"
        "def work():\n"
        "    while True:\n"
        "        print('noise')\n"
        "        threading.Event().wait(0.01)\n"
        "threading.Thread(target=work).start()"
    )
    outcome = runner.run(job(source, "def f():\n    return 1", probes=[("f",)]))
    assert outcome.probes[0]["value"] == 1 and outcome.ended is None
    assert runner.run(job("1")).cells[0].outputs[0]["data"] == {"text/plain": "1"}


def test_results_are_bounded_in_sum_for_each_function(runner):
    """What one gives too much of, no other lacks."""
    limits = replace(LIMITS, total_result_bytes=200_000, total_values=4_000)
    source = (
        "def long():\n    return 'x' * 40_000\n"
        "def many():\n    return [[]] * 900\n"
        "def honest():\n    return 7"
    )
    names = ["long"] * 4 + ["many"] * 4 + ["honest"] * 4
    found = runner.run(job(source, probes=[(name,) for name in names]), limits).probes
    assert ["value" in answer for answer in found] == [True, False, False, False] + (
        [False] * 4 + [True] * 4
    )
    assert "all together" in found[1]["refused"] and found[-1]["value"] == 7


def test_a_message_with_more_values_than_any_honest_one_has(runner):
    limits = replace(LIMITS, message_values=10_000)
    source = "from IPython.display import display\ndisplay({'text/plain': [[]] * 20_000}, raw=True)"
    outcome = runner.run(job(source, "def f():\n    return 1", probes=[("f",)]), limits)
    assert outcome.cells[0].error["type"] == "output" and outcome.probes[0]["value"] == 1


@pytest.mark.parametrize("times", [1, 2])
def test_a_kernel_that_is_killed_from_outside(runner, monkeypatch, times):
    """As by a machine whose memory runs out: the cell runs once more, and a second end is named."""
    left = [times]

    class Killed(Conversation):
        def run_cell(self, source, *arguments):
            if "victim" in source and left[0]:
                left[0] -= 1
                os.kill(self._kernel.root_pid, signal.SIGKILL)
                while self._kernel.poll() is None:
                    time.sleep(0.01)
            return super().run_cell(source, *arguments)

    monkeypatch.setattr(runner_module, "Conversation", Killed)
    cells = ["print('before')", "victim = 7\nprint(victim)", "def f():\n    return victim"]
    outcome = runner.run(job(*cells, probes=[("f",)]))
    assert outcome.ended is None and outcome.kernels == 1 + times
    assert [cell.status for cell in outcome.cells] == ["ok", "ok" if times == 1 else "killed", "ok"]
    if times == 1:
        assert outcome.probes[0]["value"] == 7 and outcome.cells[1].outputs[0]["text"] == "7\n"
    else:
        (text,) = cell_texts("c", outcome.cells[1], is_marked=False)
        assert "signal 9, twice" in text and "memory of the machine ran out" in text


def test_the_warm_process_is_started_again(runner):
    require_sandbox(warm=True)
    assert runner.run(job("1")).ended is None
    process = runner._launcher._zygote[0]
    process.kill()
    process.wait()
    assert ask(runner, "def f():\n    return 1")["value"] == 1


def test_open_files_do_not_add_up(runner):
    runner.run(job("1"))
    before = psutil.Process().num_fds()
    for _ in range(3):
        runner.run(job("import os\nos._exit(0)", "2"))
    assert psutil.Process().num_fds() <= before + 2


@pytest.mark.parametrize("mode", ["warm", "cold"])
def test_killed_grader_leaves_nothing_running(mode):
    """kill -9 of the grader in the middle of a submission ends the submission's processes too."""
    require_sandbox()
    number = f"9{os.getpid() % 10000}.{['warm', 'cold'].index(mode)}"
    code = (
        "from quantgrader.sandbox.job import *\n"
        "from quantgrader.sandbox.runner import *\n"
        f'source = \'import subprocess; subprocess.run(["sleep", "{number}"])\'\n'
        f"Runner(preload=(), mode={mode!r}).run(Job((Cell('', source),)))"
    )
    grader = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)

    def sleeping():
        lines = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
        return ["sleep", number] in lines

    try:
        assert wait_for(sleeping, 120) and grader.poll() is None
        inside = psutil.Process(grader.pid).children(recursive=True)
    finally:
        grader.kill()
        grader.wait()
    assert wait_for(lambda: not sleeping(), 60)
    assert wait_for(lambda: not any(process.is_running() for process in inside), 60)


def wait_for(condition, seconds):
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return true


# Forgery: changes its own answers only, and never confuses the grader

ANSWER = (
    "import quantgrader.sandbox.collector as collector\n"
    "class Fake:\n"
    "    def __init__(self, data): self.data = data\n"
    "    def _repr_mimebundle_(self, include=None, exclude=None): return self.data\n"
    "def reply(data):\n"
    "    collector.ask = lambda *_: Fake(data)\n"
    "def raw(data):\n"
    "    reply({collector.MIME: data})\n"
    "def text(data):\n"
    "    raw(__import__('json').dumps([data]))\n"
)


@pytest.mark.parametrize(
    "forged",
    [
        "reply({})",
        "reply({'text/plain': 'hello'})",
        "raw(None)",
        "raw(7)",
        "raw('')",
        "raw('[')",
        "raw('[]')",
        "raw('7')",
        "raw('[' * 100_000)",
        "raw('[' * 100_000 + ']' * 100_000)",
        "text(None)",
        "text(7)",
        "text('')",
        "text('{')",
        "text('[1, 2]')",
        "text('null')",
        "text('[' * 100_000)",
        "text('{\"value\": ' + '[' * 500 + ']' * 500 + '}')",
        "text('{\"value\": NaN}')",
        "text('{\"value\": ' + '9' * 5000 + '}')",
        "text('{\"error\": [1]}')",
        "collector.ask = lambda *_: 1 / 0",
        "collector.ask = None",
        "import sys\nsys.modules['quantgrader.sandbox.collector'] = None",
    ],
)
def test_malformed_answers_are_refused(runner, forged):
    answer = ask(runner, f"{ANSWER}def f():\n    return 1\n{forged}")
    assert set(answer) == {"refused"}, str(answer)[:300]


def test_answers_without_end_are_refused_as_large(runner):
    forged = "text('{\"value\": 1, \"x\": \"' + 'x' * (1 << 24) + '\"}')"
    answer = ask(runner, f"{ANSWER}def f():\n    return 1\n{forged}")
    assert answer == {"refused": "the result takes more than 16777216 bytes", "large": True}


def test_forged_answers_are_plain_data(runner):
    """Whatever is claimed has the promised shape, and can be written as UTF-8."""
    forged = (
        'text(\'{"value": ["\\\\ud800", 1e999], "warnings": 1, "arguments_changed": "no",\'\n'
        "     ' \"points\": 100}')"
    )
    answer = ask(runner, f"{ANSWER}{forged}")
    assert set(answer) == {"value", "arguments_changed", "warnings"}
    assert answer["warnings"] == [] and answer["arguments_changed"] is True
    json.dumps(answer, ensure_ascii=False, allow_nan=False).encode("utf-8")


def test_numpy_replaced(runner):
    """The fake changes what leaves for this student, and nothing for the next."""
    source = (
        "import numpy as np\n"
        "np.allclose = np.array_equal = lambda *_, **__: True\n"
        "np.ndarray = np.generic = None\n"
        "def f():\n    return np.zeros(2)"
    )
    assert "value" not in ask(runner, source)
    honest = ask(runner, "import numpy as np\ndef f():\n    return np.zeros(2)")
    assert honest["value"] == array([0, 0])


FORGER = (
    "import zmq, threading, time\n"
    "kernel = get_ipython().kernel\n"
    "session, iopub = kernel.session, kernel.iopub_thread\n"
    "parent = kernel.get_parent()\n"
    "def send(kind, content, header=parent):\n"
    "    session.send(iopub, kind, content, parent=header, ident=b'x')\n"
)


def test_forged_messages(runner):
    """Signed nonsense, unsigned nonsense, other types, deep nesting: dropped or mere output."""
    outcome = runner.run(
        job(
            FORGER + "send('stream', {'name': 'stdout', 'text': 5})\n"
            "send('stream', {'name': 7, 'text': 'x'})\n"
            "send('stream', {'name': 'stdout', 'text': 'forged'})\n"
            "send('display_data', {'data': [1], 'metadata': 3})\n"
            "send('display_data', {'data': {'text/html': {'a': float('nan')}}, 'metadata': {}})\n"
            "send('execute_result', {'data': {}, 'metadata': {}, 'execution_count': 'one'})\n"
            "send('error', {'ename': [1], 'evalue': None, 'traceback': 'text'})\n"
            "send('status', {'execution_state': 'idle'})\n"
            "send('execute_reply', {'status': 'ok'})\n"
            "send('stream', b'[1, 2]')\n"
            "deep = 1\n"
            "for _ in range(200):\n    deep = [deep]\n"
            "send('display_data', {'data': {'text/plain': deep}, 'metadata': {}})\n"
            "iopub.send_multipart([b'no', b'message'])\n"
            "iopub.send_multipart([b'<IDS|MSG>', b'', b'{', b'}', b'[', b']'])\n"
            "iopub.send_multipart([b'<IDS|MSG>'] + [b'\\xff'] * 50)\n",
            "def f():\n    return 1",
            "print('next')",
            probes=[("f",)],
        )
    )
    assert outcome.ended is None and outcome.probes[0]["value"] == 1
    assert [cell.status for cell in outcome.cells] == ["ok"] * 3
    assert any(out.get("text") == "forged" for out in outcome.cells[0].outputs)
    assert outcome.cells[2].outputs == [
        {"output_type": "stream", "name": "stdout", "text": "next\n"}
    ]
    json.dumps(outcome.as_dict(), allow_nan=False).encode()


def test_forged_reply_to_the_next_cell(runner):
    """A thread that answers in the kernel's place speaks for this student only."""
    source = (
        FORGER + "send_shell = kernel.shell.execution_count\n"
        "original = session.send\n"
        "def reply(stream, kind, content=None, *rest, **more):\n"
        "    if kind == 'execute_reply':\n"
        "        content = {'status': ['ok'], 'user_expressions': {'result': {'status': 'ok',\n"
        "                   'data': 5}}, 'ename': {}, 'evalue': [[]]}\n"
        "    return original(stream, kind, content, *rest, **more)\n"
        "object.__setattr__(session, 'send', reply)\n"
    )
    outcome = runner.run(job(source, "1", "def f():\n    return 1", probes=[("f",)]))
    assert outcome.cells[1].status in ("ok", "error")
    assert set(outcome.probes[0]) <= {"refused", "value"}
    json.dumps(outcome.as_dict(), allow_nan=False).encode()
    assert ask(runner, "def f():\n    return 2")["value"] == 2


def test_message_that_never_ends(runner):
    """A message longer than any allowed one is not taken in; the next submission is served."""
    source = FORGER + "iopub.send_multipart([b'x' * (64 << 20)])\ntime.sleep(1)"
    outcome = runner.run(job(source, "1"), replace(LIMITS, result_bytes=1 << 20))
    assert outcome.cells[0].error["type"] == "output" and outcome.cells[1].status == "ok"
    assert len(json.dumps(outcome.as_dict())) < 100_000
    assert ask(runner, "def f():\n    return 2")["value"] == 2


def test_silence(runner):
    """A kernel that answers nothing any more is ended when the cell's time is over."""
    source = "import zmq\nget_ipython().kernel.session.send = lambda *_, **__: None"
    limits = replace(LIMITS, cell_seconds=3)
    outcome = runner.run(job(source, "def f():\n    return 1", probes=[("f",)]), limits)
    assert outcome.cells[0].status == "killed" and outcome.cells[0].error["type"] == "timeout"
    assert outcome.probes[0]["value"] == 1


@pytest.mark.parametrize("streams", ["shell", "control", "shell control"])
def test_kernel_that_hangs_up(runner, streams):
    """With its sockets closed there is nobody to send to: the grader must not wait for that."""
    source = (
        "kernel = get_ipython().kernel\n"
        f"for name in {streams.split()}:\n"
        "    stream = getattr(kernel.parent, name + '_socket')\n"
        "    stream.close(linger=0)\n"
        "while True:\n    pass"
    )
    limits = replace(LIMITS, cell_seconds=3, attempts=2)
    outcome = runner.run(job(source, "def f():\n    return 1", probes=[("f",)]), limits)
    assert outcome.cells[0].status == "killed"
    assert outcome.probes[0]["value"] == 1 and outcome.seconds < 60


def test_broken_modules(runner):
    """What the kernel itself needs: it falls silent, and the others go on."""
    limits = replace(LIMITS, cell_seconds=1, probe_seconds=1, attempts=2)
    source = "import json\njson.dumps = json.loads = None"
    outcome = runner.run(job(source, "def f():\n    return 1", probes=[("f",)]), limits)
    assert {"value", "refused", "killed", "missing"} & set(outcome.probes[0])
    assert ask(runner, "def f():\n    return 2")["value"] == 2


def test_parse_result():
    assert received.parse_result('{"value": [1]}', 100)["value"] == [1]
    assert "bytes" in received.parse_result("x" * 101, 100)["refused"]
    assert received.parse_result('{"error": {"type": "E", "message": 3}}', 100) == {
        "error": {"type": "E", "message": "3"}
    }
    assert received.parse_result('{"refused": ["a"]}', 100) == {"refused": "['a']"}


def test_encoding_and_decoding_agree():
    """What the collector encodes it decodes to the same, types included."""
    values = [None, True, -3, 1.5, "é", (1, [2.0, (3,)]), {1: (2,), "a": {"b": [None]}}, 1 - 2j]
    for value in values:
        again = collector.decode(json.loads(json.dumps(collector.encode(value))))
        assert again == value and type(again) is type(value)
    for dtype in ("?", "i1", "u8", "f2", "f4", "f8", "c8", ">f4"):
        value = np.arange(6).reshape(2, 3).astype(dtype)
        again = collector.decode(json.loads(json.dumps(collector.encode(value))))
        np.testing.assert_array_equal(again, value)
        assert again.dtype == value.dtype.newbyteorder("<")
    again = collector.decode(collector.encode(np.float32(0.1)))
    assert isinstance(again, np.float32) and again == np.float32(0.1)
