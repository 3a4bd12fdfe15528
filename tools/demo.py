"""The main job once, on real input: book, exercises, a graded notebook, a quantized network.

python -m tools.demo [--picture images/digits_accuracy.svg]

Builds the book, regenerates the exercises, grades one filled-in notebook in the sandbox, in
a temporary course, quantizes the trained network to 8 … 2 bits on real digits, and draws the
picture that README shows.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

from quantgrader.sandbox import walls
from quantlib import data, figures, logarithmic, models, training, uniform
from tools.course import ROOT, grade

BITS = list(range(2, 9))
SCHEMES = {
    "asymmetric": lambda w, b: uniform.fake_quantize(
        w, uniform.choose_qparams(w, b, mapping="asymmetric")
    ),
    "symmetric": lambda w, b: uniform.fake_quantize(w, uniform.choose_qparams(w, b)),
    "power of two": lambda w, b: logarithmic.fake_quantize(w, logarithmic.choose_qparams(w, b)),
}


def run(tool):
    """Run another of the tools, as `make` does."""
    subprocess.run([sys.executable, "-m", f"tools.{tool}"], check=True, cwd=ROOT)


def print_marks(assignment):
    """Grade the model solution as one student's notebook and print its marks cell by cell.

    Where the sandbox can't be used, say so, and why.
    """
    sandbox = walls.availability()
    if not sandbox.usable:
        print(f"{sandbox}\nSo nothing is graded here.")
        return
    notebook = ROOT / "solutions" / assignment / f"{assignment}.ipynb"
    mark = grade({"student": {assignment: notebook}})["student"][assignment]
    for name, (score, points) in mark.cells.items():
        print(f"  {name:32} {'by hand' if score is None else f'{score:g}':>7} of {points:g}")
    score, points = mark.automatic
    print(f"  {'checked automatically':32} {score:>7g} of {points:g}")


def measure():
    """Return the test accuracy in percent of three networks: by scheme, seeds × bit widths."""
    digits = data.load("digits")
    networks = [models.load_pretrained("digits_cnn", seed=seed) for seed in range(3)]
    baseline = np.mean([100 * training.evaluate(network, digits) for network in networks])

    def accuracy(network, scheme, bit_width):
        quantized = models.quantize_weights(network, lambda weight: scheme(weight, bit_width))
        return 100 * training.evaluate(quantized, digits)

    curves = {
        name: [[accuracy(network, scheme, b) for b in BITS] for network in networks]
        for name, scheme in SCHEMES.items()
    }
    return baseline, curves


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--picture", type=Path, default=ROOT / "images" / "digits_accuracy.svg", help="what to draw"
    )
    picture = parser.parse_args().picture

    print("1. The book", flush=True)
    run("build_book")
    print("\n2. The exercises", flush=True)
    run("release")
    print("\n3. One filled-in notebook, graded", flush=True)
    print_marks("01_uniform")
    print("\n4. The trained network, quantized, on 500 digits it has never seen (mean of 3, in %)")
    baseline, curves = measure()
    print(f"  {'bits':14}" + "".join(f"{b:7}" for b in BITS) + f"   float {baseline:.1f}")
    for name, runs in curves.items():
        print(f"  {name:14}" + "".join(f"{a:7.1f}" for a in np.mean(runs, axis=0)))
    picture.parent.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "lowbit", "svg.fonttype": "path"}):
        figure = figures.plot_accuracy_by_bits(BITS, curves, baseline=baseline)
        figure.savefig(picture, metadata={"Date": None})
    print(f"\nDrawn: {picture}")


if __name__ == "__main__":
    main()
