"""What the kernels ask of the machine: threads, compilation, other processors, no compiler."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import get_thread_id, njit, prange
from numba.core.dispatcher import Dispatcher

from quantlib import kernels
from quantlib.kernels import _threads
from quantlib.kernels._compile import Loops, both
from tests.kernels.checks import CHECKS

ROOT = Path(__file__).resolve().parents[2]


def in_a_new_process(code, *arguments, **environment):
    """Run Python ``code`` and return what it printed, read as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FIRST_USE = """
import json
from tests.kernels import checks as kernel_checks
print(json.dumps({str(n): kernel_checks.first_use_seconds(n) for n in %s}))
"""


def test_importing_compiles_nothing_and_does_not_load_torch():
    code = """
import json, sys
import quantlib
loaded = "numba" in sys.modules
from quantlib import kernels
from quantlib.kernels import levels
kernels.xnor_gemm, kernels.bitplane_gemm, kernels.shift_gemm, kernels.pack_signs
from numba.core.dispatcher import Dispatcher
functions = [
    (f"{name}.{key}", function)
    for name, module in list(sys.modules.items()) if name.startswith("quantlib.kernels")
    for key, value in vars(module).items()
    for function in (value if isinstance(value, tuple) else [value])
    if isinstance(function, Dispatcher)
]
compiled = [name for name, function in functions if function.signatures]
print(json.dumps([loaded, len(functions), compiled, "torch" in sys.modules]))
"""
    loaded, n_functions, compiled, torch = in_a_new_process(code)
    assert n_functions > 40
    assert not loaded and not compiled and not torch


@pytest.mark.parametrize("name", CHECKS)
def test_without_compilation(name, uncompiled):
    assert uncompiled[name] > 0


@pytest.fixture(scope="module")
def uncompiled():
    return in_a_new_process(FIRST_USE % "[1]", NUMBA_DISABLE_JIT="1")["1"]


COMPILED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from numba.core import event
from quantlib import kernels
assert kernels.__file__.startswith(sys.argv[1])
from tests.kernels import checks
with event.install_recorder("numba:compile") as compiled:
    checks.first_use_seconds(2)
print(json.dumps(len(compiled.buffer)))
"""


@pytest.mark.slow
def test_what_one_process_compiled_the_next_one_does_not(tmp_path):
    # A copy, with what is compiled already: other tests may write to the original meanwhile, and
    # numba's index then loses what one of two writers had added. Files half written are left out.
    half_written = shutil.ignore_patterns("*.tmp.*", "*.pyc.*")
    shutil.copytree(ROOT / "quantlib", tmp_path / "quantlib", ignore=half_written)
    in_a_new_process(COMPILED, tmp_path)
    assert in_a_new_process(COMPILED, tmp_path) == 0


ONE_LOOP = """
import json, sys, warnings
sys.path.insert(0, sys.argv[1])
import numpy as np
from numba.core import event
with event.install_recorder("numba:compile") as code, warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from quantlib.kernels import levels
    assert levels.__file__.startswith(sys.argv[1])
    assert levels.all_finite(np.ones(3)) and not levels.all_finite(np.array([np.inf]))
    levels.sum_up(levels.Line(np.ones(2), np.ones(0), 0.0, 1.0, 0, np.zeros((3, 3))))
print(json.dumps([len(code.buffer) > 0, [str(warning.message) for warning in said]]))
"""


@pytest.fixture
def installation(tmp_path):
    """A copy of the package that has compiled nothing."""
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "quantlib", tmp_path / "site" / "quantlib", ignore=leave_out)
    return tmp_path / "site"


def test_machine_code_beside_the_source_serves_who_has_a_folder_of_his_own(installation, tmp_path):
    own = {"NUMBA_CACHE_DIR": str(tmp_path / "own")}
    assert in_a_new_process(ONE_LOOP, installation) == [True, []]
    assert in_a_new_process(ONE_LOOP, installation, **own) == [False, []]
    shutil.rmtree(installation / "quantlib/kernels/__pycache__")
    assert in_a_new_process(ONE_LOOP, installation, **own) == [True, []]
    assert in_a_new_process(ONE_LOOP, installation, **own) == [False, []]


def test_where_nothing_can_be_written_kernels_run_and_say_so_once(installation, tmp_path):
    # Not by permissions: to the system's administrator they forbid nothing.
    (installation / "quantlib/kernels/__pycache__").write_text("a file, not a folder")
    (tmp_path / "home").write_text("a file, not a folder")
    nowhere = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    compiled, (warning,) = in_a_new_process(ONE_LOOP, installation, **nowhere)
    assert compiled and "the machine code of the kernels can't be kept on disk" in warning


@pytest.mark.slow
def test_correct_on_a_processor_without_vector_popcount(tmp_path):
    environment = {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
    }
    assert set(in_a_new_process(FIRST_USE % "[1]", **environment)["1"]) == set(CHECKS)


IMAGES = np.ones((1, 2, 4, 70), np.float32)
SHIFTS = kernels.pack_shifts(np.ones((2, 70), int), np.zeros((2, 70), int))
BYTES = kernels.pack_int8(np.ones((2, 64), int))
SIGNS = kernels.pack_signs(IMAGES[0, 0])
LIMITS = kernels.pack_thresholds(IMAGES[0, 0, :1], np.arange(2))

#: What takes an array as it lies in memory, and such an array.
TAKERS = {
    "pack_signs along rows": (kernels.pack_signs, IMAGES[0, 0]),
    "pack_signs along columns": (lambda x: kernels.pack_signs(x, 0), IMAGES[0, 0]),
    "pack_planes": (lambda x: kernels.pack_planes(x, 2), np.ones((4, 70), np.int8)),
    "pack_ternary": (kernels.pack_ternary, np.ones((4, 70), np.int8)),
    "threshold_signs": (lambda x: kernels.threshold_signs(x, x[0, 0, 0]), IMAGES),
    "threshold_codes": (lambda x: kernels.threshold_codes(x, LIMITS), IMAGES),
    "real_conv2d": (
        lambda x: kernels.real_conv2d(x, x.transpose(3, 2, 0, 1), layout="NHWC"),
        np.ones((1, 1, 16, 16), np.float32),
    ),
    "max_pool2d": (lambda x: kernels.max_pool2d(x, 2, layout="NHWC"), IMAGES),
    "xnor_input_scale": (lambda x: kernels.xnor_input_scale(x, (2, 2)), IMAGES),
    "xnor_gemm": (
        lambda x: kernels.xnor_gemm(SIGNS, SIGNS, row_scale=x[:, 0], column_scale=x[0, :4]),
        IMAGES[0, 0],
    ),
    "int8_gemm": (lambda x: kernels.int8_gemm(x, BYTES), np.ones((3, 64), np.uint8)),
    "shift_gemm": (lambda x: kernels.shift_gemm(x, SHIFTS), np.ones((3, 70), np.int16)),
}


def lying(x, how):
    """Return the same values in memory that cannot be written, or that is not aligned."""
    memory = np.zeros(x.nbytes + 1, np.uint8)[how == "not aligned" :]
    y = memory[: x.nbytes].view(x.dtype).reshape(x.shape)
    y[...] = x
    y.flags.writeable = how != "read-only"
    return y


@pytest.mark.parametrize("name", TAKERS)
def test_nothing_is_compiled_anew_for_memory_of_another_kind(name):
    """Machine code for each kind would cost seconds at the first array that is read-only."""
    call, x = TAKERS[name]
    wanted = call(x)
    before = signatures()
    for how in ("read-only", "not aligned"):
        found = call(lying(x, how))
        if isinstance(wanted, np.ndarray):
            np.testing.assert_array_equal(found, wanted)
        else:
            np.testing.assert_array_equal(found.words, wanted.words)
    assert signatures() == before


def signatures():
    """Return how often each loop of the kernels was compiled."""
    return {
        (name, key, i): len(function.signatures)
        for name, module in list(sys.modules.items())
        if name.startswith("quantlib.kernels")
        for key, value in vars(module).items()
        for i, function in enumerate(value if isinstance(value, tuple) else [value])
        if isinstance(function, Dispatcher)
    }


@njit(parallel=True)
def _ids(n_tasks, found):
    for task in prange(n_tasks):
        found[task] = get_thread_id()
        total = 0.0
        for i in range(20_000):
            total += np.sqrt(i)
        found[task] += 0 * total


def serial(n_tasks, found):
    found[:] = -1


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor only")
def test_the_number_of_threads_is_obeyed_and_left_as_it_was():
    before = numba.get_num_threads()
    found = np.zeros(64)
    for threads in (1, 2):
        _threads.run(Loops(serial, _ids), threads, len(found), found)
        assert len(set(found)) <= threads
        assert (found == -1).all() == (threads == 1)
    assert numba.get_num_threads() == before
    with pytest.raises(ZeroDivisionError):
        _threads.run(Loops(serial, lambda n: 1 // 0), 2, 9)
    assert numba.get_num_threads() == before


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor only")
def test_one_loop_is_compiled_for_one_thread_and_for_several():
    """In five tries, since on a busy machine one thread may be done before the other starts."""
    loops, found = both(_ids.py_func), np.zeros(64)
    _threads.run(loops, 1, len(found), found)
    assert len(set(found)) == 1
    seen = set()
    for _ in range(5):
        _threads.run(loops, 2, len(found), found)
        seen.add(len(set(found)))
    assert max(seen) == 2


def test_all_threads_are_used_if_no_number_is_given():
    assert _threads.thread_count(None) == numba.get_num_threads()


def test_torch_keeps_its_number_of_threads():
    """numba's threads, when they start, would give torch as many as themselves."""
    code = """
import json, numpy as np, torch
torch.set_num_threads(1)
from quantlib import kernels
x = kernels.pack_signs(np.ones((512, 512), np.float32))
first = torch.get_num_threads()
kernels.xnor_gemm(x, x)
kernels.xnor_gemm(x, x, num_threads=%d)
print(json.dumps([first, torch.get_num_threads()]))
"""
    assert in_a_new_process(code % numba.config.NUMBA_NUM_THREADS) == [1, 1]


def test_threads_that_serve_one_caller_serve_several_that_come_at_once_one_by_one():
    """The first of them start the threads; without a lock for all, numba ends the process."""
    code = """
import json, threading, numba, numpy as np
from quantlib import kernels
x = kernels.pack_signs(np.ones((256, 512), np.float32), num_threads=1)
panels, together, found = x.as_panels(), threading.Barrier(4), []
def multiply():
    together.wait()
    found.extend(int(kernels.xnor_gemm(x, panels, num_threads=2)[-1, -1]) for _ in range(20))
callers = [threading.Thread(target=multiply) for _ in range(4)]
for caller in callers: caller.start()
for caller in callers: caller.join()
print(json.dumps([numba.threading_layer(), set(found) == {512}, len(found)]))
"""
    environment = {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    assert in_a_new_process(code, **environment) == ["workqueue", True, 80]


def test_one_thread_uses_one_processor():
    rng = np.random.default_rng(0)
    a = kernels.pack_signs(rng.standard_normal((512, 2048)))
    b = a.as_panels()
    kernels.xnor_gemm(a, b, num_threads=1)
    start, processor = time.thread_time(), time.process_time()
    for _ in range(20):
        kernels.xnor_gemm(a, b, num_threads=1)
    assert time.process_time() - processor < 1.2 * (time.thread_time() - start) + 0.02
