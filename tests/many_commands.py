"""Runs many commands of the command line in one process with little memory, and reports each.

    python many_commands.py BYTES < commands.json > results.json

Reads a list of argument lists. Writes a list of {"code", "out", "err", "trace", "seconds"}. The
address space may grow by BYTES at most once the modules are loaded, so that a command that needs
more fails with MemoryError.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any


def run(arguments: list[str]) -> dict[str, Any]:
    """One command as ``python -m wafer_core`` runs it."""
    from wafer_core import cli

    out, err, trace, code = io.StringIO(), io.StringIO(), "", -1
    began = time.process_time()  # the tests share their processors
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(arguments)
        except BaseException:
            trace = traceback.format_exc()
    return {
        "code": code,
        "out": out.getvalue(),
        "err": err.getvalue(),
        "trace": trace,
        "seconds": round(time.process_time() - began, 3),
    }


def main() -> None:
    """Load what the commands need, limit the memory, run them."""
    commands = json.load(sys.stdin)
    os.sync, os.fsync = (lambda: None), (lambda _: None)  # waiting for the disk proves nothing here
    used = {arguments[0] for arguments in commands if arguments}
    import wafer_core.workflows.import_files

    if used & {"predict", "train", "generate", "score"}:
        import wafer_core.tasks.classification.predict  # noqa: F401
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    results = [run(arguments) for arguments in commands]
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
