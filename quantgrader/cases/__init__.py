"""What a graded function is asked, what must come back, and whether it did.

case          cases and their requirements, written as data
codec         plain values as JSON, both ways
compare       an answer against its case, and the mark for all of them
requirements  what each kind of requirement looks at
forbidden     operators and names that a function must do without
source        what a cell's text defines, imports and makes
tokens        its tokens, as far as it is Python
products      names of what multiplies, for `forbids`
questions     the cases of an assignment, as they are asked
regimes       arrays of many kinds, for cases that are drawn
recording     taking down the visible cases of a notebook
watching      arrays that tell when they are multiplied
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "case": [
            "Case",
            "Cases",
            "Requirement",
            "course_generator",
            "dtype",
            "equals",
            "forbids",
            "integers",
            "keys",
            "no_warning",
            "number",
            "parts",
            "read",
            "recomputed",
            "shape",
            "unchanged",
            "watched",
            "within",
            "without_products",
        ],
        "codec": ["BadData", "Build", "decode", "encode"],
        "regimes": ["VIEWS", "Drawn", "drawn", "viewed"],
    },
)
