"""Panels that compute in the page, without a kernel: an ES module draws them in the browser.

A panel is an `anywidget <https://anywidget.dev>`_. Its face is a small ES module beside the
Python one, ``ternary.js`` for :mod:`quantlib.explorers.ternary`, that imports from ``panel.js``
what all panels share. Where no script runs, its output shows a picture instead.

To add one: a class of :class:`Panel` with a trait for each number that the module needs or
changes; a function that checks its input, makes the panel and gives it a ``first_picture``; and
the module. That exports what it computes, so that ``tests/explorers`` can compare it with
quantlib, and ``render``, which puts controls and drawings into a ``Panel`` of ``panel.js``.
"""

import base64
import html
import io
import json
import re
from importlib import resources

import anywidget
from PIL import Image
from traitlets import Unicode

from quantlib._validation import as_float_array, to_numpy
from quantlib.figures import COLORS

__all__ = ["Panel", "module", "one_filter", "picture"]

#: A page holds the weights as text, and the browser goes through them all whenever a handle moves.
MOST_WEIGHTS = 4096

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def _text(name):
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def module(name):
    """Return the ES module ``name`` of this folder with ``panel.js`` in it.

    A page has the module from the widget's state, and not from an address, so that it could import
    nothing that lies beside it.

    >>> "import" in re.findall(r"^[a-z]+", module("ternary.js"), re.MULTILINE)
    False
    """
    own, imports = re.subn(r'^import \{[^}]*\} from "\./panel\.js";\n', "", _text(name), flags=re.M)
    if imports != 1:
        raise ValueError(f"name must be a module that imports from panel.js once, got {name!r}")
    shared = re.sub(r"^export ", "", _text("panel.js"), flags=re.MULTILINE)
    return f"{shared}\n// ---- {name}\n{own}"


def _style():
    colors = "".join(f" --{name}: {value};" for name, value in COLORS.items())
    return f".lowbit-panel {{{colors} }}\n{_text('panel.css')}"


class Panel(anywidget.AnyWidget):
    """A panel whose class names its module, ``_esm = module("ternary.js")``.

    ``first_picture`` is the picture that its output shows where no script runs, as HTML: see
    :func:`picture`.
    """

    # The site serves this version. What anywidget asks for by itself, ~0.11.*, has a star in its
    # address, which not every file system takes.
    _model_module_version = Unicode(anywidget.__version__).tag(sync=True)
    _view_module_version = Unicode(anywidget.__version__).tag(sync=True)
    _css = _style()

    first_picture = ""

    def _repr_mimebundle_(self, **kwargs):
        """Return the widget, and beside it HTML: the first picture, and where the panel goes."""
        data, metadata = super()._repr_mimebundle_(**kwargs)
        view = json.dumps(data[WIDGET_VIEW])
        data["text/html"] = (
            f'<div class="lowbit-output">{self.first_picture}'
            f'<script type="{WIDGET_VIEW}">{view}</script></div>'
        )
        return data, metadata


def picture(figure, caption):
    """Return a figure as HTML with its caption, which is its alternative text too."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=144)
    image = Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(small, format="png", optimize=True)
    data = base64.b64encode(small.getvalue()).decode()
    # true minus signs, and no line's end between a number and its unit
    caption = re.sub(r"(?<=\d) %", "\u00a0%", re.sub(r"(?<!\w)-(?=\d)", "−", caption))
    text = html.escape(caption, quote=True)
    return (
        '<figure class="lowbit-first" style="margin:0;max-width:560px">'
        f'<img alt="{text}" style="width:100%;height:auto" src="data:image/png;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def one_filter(weights):
    """Return the weights of one filter as a list of Python's numbers, or refuse them by name.

    >>> one_filter([[1, -2], [0, 3]])
    [1.0, -2.0, 0.0, 3.0]
    """
    values = to_numpy(as_float_array(weights, "weights")).astype(float).ravel()
    if values.size > MOST_WEIGHTS:
        raise ValueError(
            f"weights must be at most {MOST_WEIGHTS} numbers, such as those of one filter, "
            f"got {values.size}"
        )
    if not values.any():
        raise ValueError("weights must not all be 0: no error is relative to nothing")
    return values.tolist()
