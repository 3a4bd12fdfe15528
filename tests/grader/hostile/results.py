"""Results that are made to hurt whoever looks at them, or to pass for what they are not."""

from tests.grader.hostile.bank import FULL, attack

WORTHLESS = (3.0, 0.0)


def mean(text):
    """An answer whose mean does something else."""
    return f"import numpy as np\ndef mean(values):\n    {text}"


ATTACKS = [
    attack("huge_array", WORTHLESS, mean=mean("return np.zeros(20_000_000)")),
    attack("huge_list", WORTHLESS, mean=mean("return [0.0] * 5_000_000")),
    attack("huge_text", WORTHLESS, mean=mean("return 'x' * 50_000_000")),
    attack("huge_int", WORTHLESS, mean=mean("return 10 ** 100_000")),
    attack("int_of_a_thousand_digits", WORTHLESS, mean=mean("return 10 ** 1_000")),
    attack("not_a_number", WORTHLESS, "NaN or infinity", mean=mean("return float('nan')")),
    attack("infinity", WORTHLESS, "NaN or infinity", mean=mean("return np.float64('inf')")),
    attack("text_of_a_number", WORTHLESS, mean=mean("return str(sum(values) / len(values))")),
    attack("true_for_one", WORTHLESS, mean=mean("return True")),
    attack(
        "nested_deeply", WORTHLESS,
        mean=mean("x = sum(values) / len(values)\n    for _ in range(10_000):\n"
                  "        x = [x]\n    return x"),
    ),
    attack("list_in_itself", WORTHLESS, mean=mean("x = []\n    x.append(x)\n    return x")),
    attack("generator", WORTHLESS, mean=mean("yield sum(values) / len(values)")),
    attack("function", WORTHLESS, mean=mean("return lambda: sum(values) / len(values)")),
    attack("module", WORTHLESS, mean=mean("return np")),
    attack("array_of_objects", WORTHLESS,
           mean=mean("return np.array([open, print], dtype=object)")),
    attack("record_array", WORTHLESS, mean=mean("return np.zeros(3, dtype='f8,i4,O')")),
    attack("array_with_an_axis_more", WORTHLESS, "another shape",
           mean=mean("return np.array([sum(values) / len(values)])")),
    attack("broadcast_array_of_a_terabyte", WORTHLESS,
           mean=mean("return np.broadcast_to(1.5, (1 << 20, 1 << 17))")),
    attack("memory_mapped_file", WORTHLESS,
           mean=mean("return np.memmap('x', dtype='u1', mode='w+', shape=(1_000,))")),
    attack("dict_with_odd_keys", WORTHLESS,
           mean=mean("return {(1, (2,)): 1, None: 2, float('nan'): 3, '__class__': 4}")),
    attack(
        "looks_like_an_encoded_array", WORTHLESS,
        mean=mean("return {'array': 'AAAA', 'dtype': 'O', 'shape': [-1], 'build': 'os.system'}"),
    ),
    attack(
        "pickles_a_command", WORTHLESS,
        mean="""\
class Command:
    def __reduce__(self):
        import os
        return os.system, ("touch @root@/@mark@ /tmp/@mark@",)

def mean(values):
    return [Command(), Command]""",
    ),
    attack(
        "array_protocols_that_lie", WORTHLESS,
        mean="""\
class Odd:
    shape, dtype, size, ndim = (-1,), "object", -1, -1
    __array_interface__ = {"shape": (1 << 40,), "typestr": "<f8", "data": (8, False), "version": 3}
    def __array__(self, *_, **__):
        raise SystemExit
    def __len__(self):
        return -1
    def __iter__(self):
        return iter(int, 1)
    def __repr__(self):
        raise KeyboardInterrupt

def mean(values):
    return Odd()""",
    ),
    attack(
        "list_that_never_ends", WORTHLESS, "mean was stopped|too much|plain|numbers",
        mean="""\
class Endless(list):
    def __len__(self):
        return 1
    def __iter__(self):
        while True:
            yield 1.5

def mean(values):
    return Endless()""",
    ),
    attack(
        "dict_that_changes_while_it_is_read", WORTHLESS,
        mean="""\
class Changing(dict):
    def items(self):
        self[len(self)] = 1
        return dict.items(self)
    def __contains__(self, key):
        return True

def mean(values):
    return Changing({"value": 1.5})""",
    ),
    attack(
        "numbers_with_methods_of_their_own", WORTHLESS,
        mean="""\
class Int(int):
    def bit_length(self):
        return 1
    def __int__(self):
        return 10 ** 6_000

def mean(values):
    return Int(3)""",
    ),
    attack(
        "error_that_cannot_be_shown", WORTHLESS,
        mean="""\
class Odd(BaseException):
    def __str__(self):
        raise self
    __repr__ = __str__

Odd.__name__ = "<script>" + "x" * 10_000

def mean(values):
    raise Odd""",
    ),
    attack(
        "error_that_tells_the_input", WORTHLESS,
        mean="def mean(values):\n    raise ValueError(f'it was {values}' * 1_000)",
    ),
    attack(
        "class_in_the_place_of_a_function", WORTHLESS,
        mean="class mean:\n    def __new__(cls, values):\n        return object()",
    ),
    attack("no_function_at_all", WORTHLESS, mean="mean = 1.5"),
    attack(
        "warnings_without_end", FULL,
        mean=mean("import warnings\n    for n in range(20_000):\n        warnings.warn(str(n))\n"
                  "    return sum(values) / len(values)"),
    ),
    attack("masked_array", WORTHLESS,
           mean=mean("return np.ma.masked_array([1.5, 2.5], [True, True])")),
]  # fmt: skip
