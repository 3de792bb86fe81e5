"""On what a benchmark ran, said in one line."""

import platform
import re
from pathlib import Path

from joblib import cpu_count


def processor() -> str:
    """Name the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.+)", info)
    return model[1] if model else platform.machine()


def machine() -> str:
    """Name processor, cores that this process may use, and Python."""
    return f"{processor()}, {cpu_count()} cores, Python {platform.python_version()}"
