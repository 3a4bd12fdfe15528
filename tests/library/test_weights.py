"""Which weights a network has, and that none is passed over in silence."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from quantlib import lowering, models
from quantlib.binary import SignWeights
from quantlib.layers import convert
from quantlib.models.weights import all_weights

ALTERING = {
    "weight_norm": weight_norm,
    "spectral_norm": spectral_norm,
    "parametrized weight_norm": parametrizations.weight_norm,
    "parametrized spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruning": lambda layer: prune.l1_unstructured(layer, "weight", 0.5),
}


@pytest.mark.parametrize("name", ALTERING)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_a_weight_that_is_computed_anew_is_refused_by_name(name):
    """Whatever is written to it would be gone at the next call."""
    layer = ALTERING[name](nn.Linear(4, 4))
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), layer)
    with pytest.raises(ValueError, match="model has parametrizations at 2: remove them"):
        models.quantize_weights(model, torch.sign)
    with pytest.raises(ValueError, match="model has parametrizations at 2: skip it"):
        convert(model, weight_quant=SignWeights())
    with pytest.raises(ValueError, match=r"2 \((Parametrized)?Linear with parametrizations\)"):
        lowering.to_packed(model)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d])
def test_a_transposed_convolution_has_its_output_channels_first(kind, groups):
    layer = kind(4, 6, 3, groups=groups)
    x = torch.randn(
        1, 4, *[3] * (layer.weight.ndim - 2), generator=torch.Generator().manual_seed(0)
    )

    def keep_channel_4(w):
        assert w.shape[:2] == (6, 4 // groups)
        return w * (torch.arange(6) == 4).reshape(-1, *[1] * (w.ndim - 1))

    kept = models.quantize_weights(nn.Sequential(layer), keep_channel_4)
    with torch.no_grad():
        difference = (kept(x) - layer(x)).abs().flatten(2).amax((0, 2))
        bias = (kept(x) - layer.bias.reshape(-1, *[1] * (x.ndim - 2))).abs().flatten(2).amax((0, 2))
    assert (difference > 1e-3).tolist() == [True, True, True, True, False, True]
    assert (bias > 1e-3).tolist() == [False, False, False, False, True, False]


class Everything(nn.Module):
    """A layer of every kind that has weights."""

    def __init__(self):
        super().__init__()
        self.words, self.bag = nn.Embedding(5, 4), nn.EmbeddingBag(5, 4)
        self.lstm, self.gru = nn.LSTM(4, 4, 2, proj_size=2), nn.GRU(4, 4, bidirectional=True)
        self.cell = nn.LSTMCell(4, 4)
        self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.other = nn.MultiheadAttention(4, 2, kdim=3, vdim=5)
        self.pairs = nn.Bilinear(2, 3, 4)
        self.up, self.norm = nn.ConvTranspose2d(4, 2, 3), nn.LayerNorm(4)


def test_every_matrix_of_torchs_layers_is_quantized():
    model = Everything()
    found, unknown = all_weights(model)
    matrices = {n for n, p in model.named_parameters() if p.ndim > 1 and ".bias_" not in n}
    assert len(found) == len(matrices) == 22 and not unknown
    signs = models.quantize_weights(model, torch.sign)
    for name, parameter in signs.named_parameters():
        former = model.get_parameter(name)
        assert torch.equal(parameter, former.sign() if name in matrices else former)
    x = torch.randn(3, 1, 4, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(signs.lstm(x)[0], model.lstm(x)[0])


def test_layers_are_asked_for_by_name_or_by_weight():
    model = Everything()

    def changed(layers):
        signs = models.quantize_weights(model, torch.sign, layers=layers)
        ours = dict(model.named_parameters())
        return [n for n, p in signs.named_parameters() if not torch.equal(p, ours[n])]

    assert changed(["cell"]) == ["cell.weight_ih", "cell.weight_hh"]
    assert changed(["cell.weight_hh", "words"]) == ["words.weight", "cell.weight_hh"]
    assert changed(["attention"]) == ["attention.in_proj_weight"]
    with pytest.raises(ValueError, match=r"layers must be one of 'words', .* got 'norm'"):
        changed(["norm"])


def test_a_matrix_of_no_known_layer_is_named():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.last = nn.Parameter(torch.ones(3, 4)), nn.Linear(4, 2)

    model = nn.Sequential(Positions())
    with pytest.raises(ValueError, match=r"matrices of no layer that is known, 0\.table: name"):
        models.quantize_weights(model, torch.sign)
    signs = models.quantize_weights(model, torch.sign, layers=["0.last"])
    assert torch.equal(signs[0].last.weight, model[0].last.weight.sign())


# ---------------------------------------------------------------- what a packed network would lose


def packable():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()),
        models.Residual(nn.Identity(), nn.Sequential()),
        nn.Flatten(),
        nn.Linear(8, 2, bias=False),
    ).eval()


HOOKS = (
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("place", ["", "0", "0.0", "1", "1.body", "1.shortcut", "3"])
def test_no_hook_is_lost_in_silence(place, hook):
    model = packable()
    x = np.zeros((2, 1, 4, 4), np.float32)
    assert lowering.to_packed(model)(x).shape == (2, 2)
    module = model.get_submodule(place)
    handle = getattr(module, hook)(lambda *_: None)
    kind = type(module).__name__
    with pytest.raises(ValueError, match=rf"packed: {place or 'model'} \({kind} with hooks\)$"):
        lowering.to_packed(model)
    handle.remove()
    module.forward = lambda x: x
    with pytest.raises(ValueError, match=rf"{place or 'model'} \({kind} with a forward of its"):
        lowering.to_packed(model)


@pytest.mark.parametrize("hook", ["forward_hook", "forward_pre_hook"])
def test_hooks_on_all_modules_are_not_lost_in_silence(hook):
    handle = getattr(torch_module, f"register_module_{hook}")(lambda *_: None)
    try:
        with pytest.raises(ValueError, match="all of them, as torch has global hooks"):
            lowering.to_packed(packable())
    finally:
        handle.remove()
    lowering.to_packed(packable())
