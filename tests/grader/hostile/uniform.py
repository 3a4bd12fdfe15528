"""Attacks on a real exercise: with torch, networks, and the library that is taught."""

from tests.grader.hostile.bank import attack

_WRONG = "def sqnr_db(x, x_hat):\n    return 1.0"
# What each of them loses, by test cell; all other points are full.
NO_SQNR = {"sqnr-db-test": 0.0}

ATTACKS = [
    attack(
        "checks_patched", NO_SQNR,
        **{"sqnr-db": f"""\
import quantgrader.checks, quantgrader.cases.compare
check = quantgrader.checks.check = lambda *_, **__: None
quantgrader.cases.compare.judge = lambda *_, **__: quantgrader.cases.compare.Verdict(True)
{_WRONG}"""},
    ),
    attack(
        "library_patched", NO_SQNR,
        **{"sqnr-db": f"""\
import torch
from quantlib import metrics
metrics.sqnr_db = lambda *_: 1.0
np.allclose = np.isclose = torch.equal = torch.allclose = lambda *_, **__: True
{_WRONG}"""},
    ),
    attack(
        "networks_patched", {"bits-needed-test": 0.0, "weights-under-budget-test": 0.0},
        **{"bits-needed": """\
import torch
from quantlib import models

class Perfect(torch.nn.Module):
    def __call__(self, *_):
        return torch.eye(10)
    def state_dict(self, *_, **__):
        return {}

models.linear_network = models.load_pretrained = lambda *_, **__: Perfect()

def bits_needed(model, images, labels):
    return {bits: 1.0 for bits in range(8, 1, -1)}, 2"""},
    ),
    attack(
        "tensor_that_equals_everything", NO_SQNR,
        **{"sqnr-db": """\
class Anything(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *_, **__):
        return True

def sqnr_db(x, x_hat):
    return torch.ones(()).as_subclass(Anything)"""},
    ),
    attack(
        "solution_read", NO_SQNR,
        **{"sqnr-db": f"""\
import glob, importlib.util, json
{_WRONG}
for name in glob.glob("@root@/solutions/*/*") + glob.glob("/*/*/solutions/*/*"):
    try:
        for cell in json.load(open(name))["cells"]:
            if "def sqnr_db" in "".join(cell["source"]):
                exec("".join(cell["source"]))
    except Exception:
        pass"""},
    ),
    attack(
        "inputs_shouted", NO_SQNR,
        **{"sqnr-db": """\
import sys, warnings
np.set_printoptions(precision=20, threshold=10**6)
def sqnr_db(x, x_hat):
    text = repr((x.tolist(), x_hat.tolist()))
    print(text, file=sys.stderr)
    print(text)
    warnings.warn(text)
    get_ipython().display_pub.publish({"text/plain": text})
    raise ValueError(text)"""},
    ),
    attack(
        "exit_in_a_function", NO_SQNR,
        **{"sqnr-db": "import os\ndef sqnr_db(x, x_hat):\n    os._exit(0)"},
    ),
]  # fmt: skip
