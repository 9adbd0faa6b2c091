"""``doctor``: check that this installation can do its work."""

from __future__ import annotations

import argparse
from typing import Any

from wafer_core.cli.arguments import add_device
from wafer_core.cli.command import EXIT_DEFECT, Command, say


def run(args: argparse.Namespace) -> Any:
    """Print what was checked; exit code 1 if something is broken."""
    import json
    import sys

    from wafer_core.messages import in_english
    from wafer_core.workflows.doctor import check_installation

    checks = check_installation(args.device)
    for check in checks:
        say(f"{'ok' if check.ok else 'BROKEN' if check.required else 'missing'}  {check.text}")
    is_ok = all(check.ok or not check.required for check in checks)
    report = {"ok": is_ok, "checks": [check.to_json() for check in checks]}
    say(json.dumps(in_english(report), ensure_ascii=False), sys.stdout)
    if not is_ok:
        raise SystemExit(EXIT_DEFECT)


COMMAND = Command("check that this installation can do its work", add_device, run)
