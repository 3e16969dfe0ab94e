#!/usr/bin/env bash
# Prints the Python to use: the Lambda runtime's version where one really answers, else python3 (3.11 or later).
set -u
for candidate in "$HOME"/.pyenv/versions/3.13*/bin/python3.13 "$(uv python find 3.13 2>/dev/null)" python3.13 python3; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys, venv; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
echo "crm-relay needs Python 3.11 or later (3.13 is what Lambda runs)" >&2
exit 1
