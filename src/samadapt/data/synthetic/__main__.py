"""Write a contact sheet: ``python -m samadapt.data.synthetic OUT.png [KIND|all|each] [SEED]``."""

from __future__ import annotations

import sys

from samadapt.core.errors import SamadaptError
from samadapt.data.synthetic import contact_sheet


def main(arguments: list[str]) -> int:
    """Write the sheet that the arguments ask for; returns the exit code."""
    if not 1 <= len(arguments) <= 3:
        sys.stderr.write((__doc__ or "") + "\n")
        return 2
    kind = arguments[1] if len(arguments) > 1 and arguments[1] != "all" else None
    try:
        contact_sheet(arguments[0], kind=kind, seed=int(arguments[2]) if len(arguments) > 2 else 0)
    except SamadaptError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
