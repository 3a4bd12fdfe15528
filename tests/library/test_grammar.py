"""One grammar: the same argument has one name, one default and one place in the whole library."""

import importlib
import inspect
import pkgutil

import pytest

import quantlib
from quantlib.schemes import Scheme


def public():
    """Yield every public function, class and method of quantlib, by its full name."""
    for module in pkgutil.walk_packages(quantlib.__path__, "quantlib."):
        if "._" in module.name:
            continue
        offered = importlib.import_module(module.name)
        for name in getattr(offered, "__all__", ()):
            thing = getattr(offered, name, None)
            # Compiled loops take arguments by place.
            if hasattr(thing, "py_func") or getattr(thing, "__module__", "") != module.name:
                continue
            if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Exception)):
                yield f"{module.name}.{name}", thing
            if inspect.isclass(thing):
                for key, method in vars(thing).items():
                    if inspect.isfunction(method) and not key.startswith("_"):
                        yield f"{module.name}.{name}.{key}", method


PUBLIC = dict(public())

#: Words that have another name here.
FORBIDDEN = {
    "word_bits", "n_bits", "num_bits", "bits", "symmetric", "batch", "threads", "n_threads",
    "groupsize", "dim", "channel_axis", "data_format",
}  # fmt: skip

#: Options that are given by name, with what they may be if not given.
OPTIONS = {
    "batch_size": {64, 256},
    "boundary": {"geometric", "nearest"},
    "generator": {None},
    "group_size": {None},
    "layout": {"NCHW"},
    "mapping": {"symmetric"},
    "num_threads": {None},
    "out": {None},
    "progress": {True, False},
    "signed": {True},
}

#: Places of what is no option: what a stored tensor is, and settings that are a table of fields.
FIELDS = {
    "quantlib.kernels.words.PackedPlanes", "quantlib.packed.tensor.PackedTensor",
    "quantlib.packed.shifts.GridThreshold", "quantlib.training.Settings",
    # Nothing given means True, or what the parameters of a scheme say.
    "quantlib.packed.tensor.pack",
}  # fmt: skip


#: Chapter 9 quantizes activations, whose codes have no sign.
OF_ACTIVATIONS = {"mapping": "asymmetric", "signed": False}


#: Schemes whose codes have one width.
FIXED_WIDTH = {"quantlib.ternary.levels.choose_qparams"}


def parameters():
    for full, thing in PUBLIC.items():
        for place, parameter in enumerate(inspect.signature(thing).parameters.values()):
            yield full, place, parameter


def test_many_are_looked_at():
    assert len(PUBLIC) > 250
    assert {"quantlib.uniform.affine.QParams", "quantlib.kernels.binary.xnor_gemm"} <= set(PUBLIC)


def test_no_argument_has_another_name_than_the_fields():
    assert [f"{full}({p.name})" for full, _, p in parameters() if p.name in FORBIDDEN] == []


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_given_by_name_and_have_one_default(name):
    found = [(full, p) for full, _, p in parameters() if p.name == name and full not in FIELDS]
    assert found
    for full, parameter in found:
        defaults = {*OPTIONS[name], parameter.empty}
        if full.startswith("quantlib.ptq.") and name in OF_ACTIVATIONS:
            defaults.add(OF_ACTIVATIONS[name])
        assert parameter.kind is parameter.KEYWORD_ONLY, full
        assert parameter.default in defaults, full


def test_a_bit_width_has_no_default_and_follows_the_data():
    found = [(full, place, p) for full, place, p in parameters() if p.name == "bit_width"]
    assert len(found) > 10
    for full, place, parameter in found:
        assert parameter.default is parameter.empty, full
        if full.endswith("choose_qparams"):
            assert place == 1, full


def test_every_scheme_is_of_one_kind_and_chosen_by_a_function_of_one_name():
    schemes = {full for full, thing in PUBLIC.items() if full.endswith("QParams")}
    assert len(schemes) == 6
    for full in schemes:
        assert issubclass(PUBLIC[full], Scheme)
        names = list(inspect.signature(PUBLIC[full]).parameters)
        assert "bit_width" in [*names, *vars(PUBLIC[full])] and "axis" in [
            *names,
            *dir(PUBLIC[full]),
        ]
    chosen = [full for full in PUBLIC if full.endswith(".choose_qparams")]
    assert len(chosen) == 6
    for full in chosen:
        names = list(inspect.signature(PUBLIC[full]).parameters)
        first = ["x"] if full in FIXED_WIDTH else ["x", "bit_width"]
        assert names[: len(first)] == first and "axis" in names
