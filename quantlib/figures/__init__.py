"""Pictures of the course, one module per chapter; each function returns a matplotlib figure."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "style": ["COLORS", "CYCLE", "new_figure", "styled"],
    },
)
