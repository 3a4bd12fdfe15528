"""Panels with sliders, one module per chapter; they work without a kernel."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "abc_net": ["abc_explorer"],
        "base": ["explorer"],
        "bi_real": ["estimator_explorer"],
        "binary": ["ste_explorer", "xnor_explorer"],
        "dst": ["grid_explorer", "step_explorer"],
        "ptq": ["calibration_explorer", "equalization_explorer", "requantization_explorer"],
        "qat": ["gradient_explorer"],
        "ternary": ["ternary_explorer"],
        "uniform": ["clipping_explorer", "quantizer_explorer"],
    },
)
