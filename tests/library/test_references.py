"""What pages and docstrings point to is there, under the name that the reference lists it by."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROLES = re.compile(r"(?:\{py:(\w+)\}|:(\w+):)`(?:[^`<]*<)?~?(quantlib[\w.]*)>?`")


def found(name):
    """Return what ``name`` names, or None."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            thing = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            thing = getattr(thing, part, None)
        return thing
    return None


@pytest.mark.parametrize("folder", ["book", "quantlib"])
def test_references_lead_somewhere(folder):
    """Sphinx makes plain text of one that leads nowhere, and says nothing."""
    seen, wrong = 0, []
    for path in sorted((ROOT / folder).rglob("*.[mp][dy]")):
        for roles in ROLES.findall(path.read_text(encoding="utf-8")):
            role, name, seen = roles[0] or roles[1], roles[2], seen + 1
            thing = found(name)
            home = getattr(thing, "__module__", None) if role in ("func", "class") else None
            # A shorter name, as users import it, is in no list of the reference.
            if thing is None or (home and not name.startswith(home)):
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert seen > 20 and wrong == []
