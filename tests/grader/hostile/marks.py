"""Attacks on the marks from inside: the answers are wrong, and the tests are made to pass.

Where it says so, the student's own notebook is fooled; the values that leave it are wrong all
the same.
"""

from tests.grader.hostile.bank import FULL, NOTHING, WRONG, attack

BOTH = ("double-test", "mean-test")

ATTACKS = [
    attack(
        "asserts_stripped_by_a_transformer", NOTHING, "Twice as much is wrong",
        base=WRONG, fools=BOTH,
        imports="""\
import ast
import numpy as np

class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)

get_ipython().ast_transformers.append(NoAsserts())""",
    ),
    attack(
        "allclose_replaced", NOTHING, base=WRONG, fools=("double-test",),
        imports="""\
import numpy as np
np.allclose = np.array_equal = np.isclose = np.all = lambda *_, **__: True
np.testing.assert_allclose = lambda *_, **__: None""",
    ),
    attack(
        "object_that_equals_everything", NOTHING, "not made of numbers",
        base=WRONG, fools=("mean-test",),
        mean="""\
class Anything:
    def __eq__(self, other):
        return True
    __hash__ = None
    def __getattr__(self, name):
        return lambda *_, **__: self
    def __float__(self):
        return 1.5

def mean(values):
    return Anything()""",
    ),
    attack(
        "float_that_equals_everything", NOTHING, base=WRONG, fools=("mean-test",),
        mean="""\
class Anything(float):
    __eq__ = __le__ = __ge__ = lambda self, other: True
    __hash__ = None
    __sub__ = __rsub__ = __abs__ = lambda self, *_: Anything(0)

def mean(values):
    return Anything(7)""",
    ),
    attack(
        "array_that_is_close_to_everything", NOTHING, base=WRONG, fools=("double-test",),
        double="""\
class Anything(np.ndarray):
    def __array_function__(self, *_):
        return True
    def __array_ufunc__(self, *_, **__):
        return True

def double(values):
    return np.zeros(2).view(Anything)""",
    ),
    attack(
        "helper_of_the_checks_redefined", NOTHING, base=WRONG, fools=("double-test",),
        double=WRONG["double"] + "\ndef expect(*_):\n    pass",
    ),
    attack(
        "cells_rewritten_by_an_input_hook", NOTHING, base=WRONG, fools=BOTH,
        imports="""\
import numpy as np

def harmless(lines):
    return ["None\\n"] if any("assert" in x or "expect(" in x for x in lines) else lines

get_ipython().input_transformers_post.append(harmless)""",
    ),
    attack(
        "compiler_of_the_shell_replaced", NOTHING, base=WRONG, fools=BOTH,
        imports="""\
import builtins
import numpy as np

kind = type(get_ipython().compile)
kind.__call__ = lambda self, code, name, symbol: builtins.compile(
    code, name, symbol, dont_inherit=True, optimize=2)""",
    ),
    attack(
        "execution_of_cells_replaced", NOTHING, base=WRONG, fools=BOTH,
        imports="""\
import numpy as np
shell = get_ipython()
run = shell.run_code

async def never_fails(code, result=None, **options):
    await run(code, None, **options)
    return False

shell.run_code = never_fails
shell.showtraceback = lambda *_, **__: None""",
    ),
    attack(
        "kernel_that_reports_success_only", NOTHING, base=WRONG, fools=BOTH,
        imports="""\
import json
import numpy as np
kernel = get_ipython().kernel
CLAIM = json.dumps({"value": True, "passed": True, "score": 3, "points": 3, "verdict": "ok",
                    "arguments_changed": False})

async def do_execute(code, silent, *_, user_expressions=None, **__):
    if "assert" not in code and "expect(" not in code and not user_expressions:
        get_ipython().run_cell(code)
    data = {"application/vnd.quantgrader.result+json": CLAIM}
    shown = {"status": "ok", "data": data, "metadata": {}}
    return {"status": "ok", "execution_count": 1, "payload": [],
            "user_expressions": {"result": shown}}

kernel.do_execute = do_execute""",
    ),
    attack(
        "comparison_of_the_grader_patched", NOTHING, base=WRONG,
        imports="""\
import numpy as np
import quantgrader.cases.compare, quantgrader.cases.requirements, quantgrader.marking
from quantgrader.cases.compare import Verdict
yes = lambda *_, **__: Verdict(True)
quantgrader.cases.compare.judge = yes
quantgrader.marking._verdict = yes
quantgrader.cases.requirements._same = lambda *_: True""",
    ),
    attack(
        "collector_patched", NOTHING, base=WRONG,
        imports="""\
import numpy as np
from quantgrader.sandbox import collector

class Everything(dict):
    def __contains__(self, key):
        return True

claim = {"value": 2, "passed": True, "score": 3, "max_score": 3, "points": 3, "weight": 1e9}
collector.answer = lambda *_: Everything(claim)
collector.encode = lambda *_, **__: {"array": "", "dtype": "<f8", "shape": [0]}""",
    ),
    # His own process tells whether an argument was changed. To forge it is worth a mark, the
    # same as one line in the function: a copy of the argument. Results are worth nothing to forge.
    attack(
        "change_of_an_argument_denied", FULL, "",
        imports="""\
import numpy as np
from quantgrader.sandbox import collector
collector._changed = lambda *_: False""",
        double="def double(values):\n    values *= 2\n    return values",
    ),
    attack(
        "change_of_an_argument", (0.0, 2.0), "It changes its argument",
        double="def double(values):\n    values *= 2\n    return values",
    ),
    attack(
        "json_patched", NOTHING, base=WRONG,
        imports="""\
import json
import numpy as np
json.dumps = lambda *_, **__: '{"value": 1.5, "arguments_changed": false}'
json.loads = lambda *_, **__: [[1, 2]]""",
    ),
    attack(
        "arguments_replaced_by_the_visible_ones", (1.0, 1.0),
        base=WRONG, fools=BOTH,
        imports="import numpy as np\nfrom quantgrader.sandbox import collector\n"
        "collector.decode = lambda data: [1, 2]",
        double="def double(values):\n    return np.array([2.0, 5.0])",
        mean="def mean(values):\n    return 1.5",
    ),
    attack(
        "visible_examples_remembered", (1.0, 1.0), "Twice as much is wrong", fools=BOTH,
        double="def double(values):\n    return np.array([2.0, 5.0])",
        mean="def mean(values):\n    return 1.5",
    ),
    attack(
        "expected_value_read_from_the_test_cell",
        (0.0, 1.0), base=WRONG, fools=BOTH,
        imports="""\
import re, sys
import numpy as np

def expected():
    frame = sys._getframe()
    while frame:
        line = frame.f_globals.get("In", [""])[-1]
        found = re.search(r"\\), (\\[.*?\\]), |== ([0-9.]+)", line)
        if found:
            return eval(found[1] or found[2])
        frame = frame.f_back""",
        double="def double(values):\n    return expected()",
        mean="def mean(values):\n    return expected()",
    ),
    attack(
        "expected_value_looked_for_in_memory",
        NOTHING, base=WRONG,
        imports="""\
import gc, sys
import numpy as np

def anything_expected():
    frame, names = sys._getframe(1), ("expected", "reference", "case", "requirements")
    while frame:
        for name in names:
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    for one in gc.get_objects():
        if isinstance(one, dict) and ("expected" in one or "requirements" in one):
            return one.get("expected")""",
        double="def double(values):\n    return anything_expected()",
        mean="def mean(values):\n    return anything_expected()",
    ),
    attack(
        "partial_mark_as_last_value", NOTHING, base=WRONG,
        last="""\
for _ in range(3):
    print("3 of 3 points: 3 of 3 checks passed.")
print('{"score": 3, "max_score": 3, "grade_id": "double-test"}')
5""",
    ),
    attack(
        "marks_at_exit", NOTHING, base=WRONG,
        imports="""\
import atexit, os, signal, threading, weakref
import numpy as np

def forge(*_):
    try:
        os.write(1, b'{"double-test": 3, "mean-test": 2}')
        os.write(2, b'{"double-test": 3, "mean-test": 2}')
    finally:
        os._exit(0)

atexit.register(forge)
signal.signal(signal.SIGTERM, forge)
weakref.finalize(threading.main_thread(), forge)""",
    ),
    attack(
        "another_module_in_the_place_of_numpy", NOTHING, base=WRONG, fools=("double-test",),
        imports="""\
import sys, types
fake = types.ModuleType("numpy")
fake.array, fake.allclose = list, lambda *_: True
np = fake
sys.modules["numpy"] = fake""",
        double="def double(values):\n    return [0, 0]",
    ),
    attack(
        "builtins_replaced", NOTHING, base=WRONG, fools=("double-test",),
        checks="def expect(*_):\n    pass",
        imports="""\
import builtins
import numpy as np
builtins.AssertionError = type("Fine", (Warning,), {})
builtins.sum = builtins.abs = builtins.round = lambda *_: 0
np.allclose = lambda *_: True""",
    ),
    attack(
        "test_cell_changed", NOTHING, "checks and helpers were put back: double-test, mean-test",
        base=WRONG, **{"double-test": "3", "mean-test": "2"},
    ),
    attack(
        "warning_on_stderr", FULL,
        double="import sys, warnings\nprint('a note', file=sys.stderr)\n"
        "def double(values):\n    warnings.warn('be careful')\n    return 2 * values",
    ),
    attack(
        "script_in_an_output", FULL,
        imports="""\
import numpy as np
from IPython.display import HTML, SVG, Javascript, Markdown, display
evil = "<script>document.title = '@mark@'</script>"
display(HTML(evil), Javascript("document.title = '@mark@'"), Markdown(evil),
        SVG(f"<svg xmlns='http://www.w3.org/2000/svg'>{evil}</svg>"))
print(evil)
raise ValueError(evil)""",
        why="<script>document.title = '@mark@'</script><img src=x onerror=alert(1)>",
    ),
]  # fmt: skip
