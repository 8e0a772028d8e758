"""`scripts/faults`: `harness` as a command."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from faults.harness import main

main()
