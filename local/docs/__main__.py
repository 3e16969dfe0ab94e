"""`make docs`: writes every generated page."""

import sys

from local.docs.pages import generated_files
from local.stack_file import ROOT

if __name__ == "__main__":
    for name, text in generated_files().items():
        (ROOT / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}\n")
