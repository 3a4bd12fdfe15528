"""Bi-Real Net's quantizers become the packed steps of those that have the same values."""

from quantlib.bi_real.quantizers import ApproxSignActivations, MagnitudeAwareWeights
from quantlib.binary.lowering import sign_activations, sign_weights
from quantlib.lowering import rule, to_packed

__all__ = ["to_packed"]

# The gradients differ, of which nothing is left after training.
rule(ApproxSignActivations, role="act_quant")(sign_activations)
rule(MagnitudeAwareWeights, role="weight_quant")(sign_weights)
