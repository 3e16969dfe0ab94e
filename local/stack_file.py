"""Where a local stack has its files, and whether one runs; imports next to nothing, as every command asks."""

import json
import os
from pathlib import Path

from local.stack_folder import StackFolder

ROOT = Path(__file__).parent.parent
STACK_FILE = Path(os.environ.get("CRM_RELAY_STACK_FILE") or ROOT / "build" / "stack.json")
# A stack with a file of its own is another one, with data of its own.
STACK_FOLDER = StackFolder((STACK_FILE.parent if "CRM_RELAY_STACK_FILE" in os.environ else ROOT) / ".stack")
PORT = 8484
"""Of `make up`, unless another one is wanted."""


def running_stack() -> dict[str, object] | None:
    """What build/stack.json says, where its process still lives."""
    try:
        description: dict[str, object] = json.loads(STACK_FILE.read_text())
        os.kill(int(str(description["pid"])), 0)
    except (OSError, ValueError, KeyError):
        return None
    return description
