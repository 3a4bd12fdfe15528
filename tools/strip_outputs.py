"""Remove outputs and execution counts from notebooks: python tools/strip_outputs.py FILE...

Exits with 1 if a file had any, so that a commit stops and shows what has changed.
"""

import json
import sys
from pathlib import Path


def stripped(notebook):
    """Return the notebook without anything that running it leaves behind."""
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell = cell | {"outputs": [], "execution_count": None}
        cells.append(cell)
    metadata = {key: value for key, value in notebook["metadata"].items() if key != "widgets"}
    return notebook | {"cells": cells, "metadata": metadata}


def main():
    changed = False
    for name in sys.argv[1:]:
        file = Path(name)
        notebook = json.loads(file.read_text())
        if stripped(notebook) != notebook:
            text = json.dumps(stripped(notebook), indent=1, ensure_ascii=False)
            file.write_text(text + "\n")
            print(f"removed the outputs of {file}")
            changed = True
    return int(changed)


if __name__ == "__main__":
    sys.exit(main())
