"""The machine that was measured, in one line."""

import os
import platform
import re
from pathlib import Path


def describe_machine() -> str:
    """Cores, processor, memory, system, Python and how busy it is with other things; no host name."""
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores} x {_processor()}, {memory:.0f} GiB, {platform.system()}, {python}, load {load:.1f} before"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return " ".join(model[1].split()) if model else platform.machine()
