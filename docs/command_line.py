"""Write ``docs/command-line.md`` from the parsers: ``python docs/command_line.py``.

A test compares the file with what this makes, so that no option is missing or out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "command-line.md"

INTRODUCTION = """# Command line

Everything the pages do, for scripts. Progress goes to stderr. The last line of stdout is one JSON
object. Exit codes: 0 done; 2 the input was wrong (one sentence on stderr says what to do); 130
cancelled; 1 a defect of the program. This page is made from the program itself
(`python docs/command_line.py`).
"""

EXAMPLES = {
    "import": ["--project P wafers.zip --limit-per-class 60 --seed 0"],
    "augment": ["--project P --class Scratch --count 100 --rotation-range 90"],
    "generate": [
        """--project P --class-list '[{"name": "Scratch", "ai_use": true}]' --count 200""",
    ],
    "benefit": ["--project P --seeds 5 --network wafer_cnn"],
    "learning-curve": ["--project P --class Scratch"],
    "train": ["--project P", '--project P --preset "Search 1"'],
    "search": ["--project P --minutes 10 --what both"],
    "score": [
        "--project P --class Scratch",
        "--real originals/ --fake made/ --other another/ --features inception",
    ],
    "predict": ["--project P new/*.png", "--project P --model standard new/*.png"],
    "simulate": [
        "--output SET --pattern Scratch --factor scratch_length=low,mid,high --per-cell 20",
    ],
    "weights": ["download efficientnet_b0 --from efficientnet_b0_rwightman-7f5810bc.pth"],
    "jobs": ["--project P"],
    "cancel": ["P/jobs/JOB"],
    "job": ["P/jobs/JOB"],
    "feedback": [""],
    "doctor": [""],
}


def text() -> str:
    """The page."""
    from wafer_core import cli

    parts = [INTRODUCTION]
    for name, command in cli.COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"{cli.PROGRAM} {name}", add_help=False)
        command.add_arguments(parser)
        examples = "\n".join(f"{cli.PROGRAM} {name} {e}".rstrip() for e in EXAMPLES[name])
        sentence = command.help[:1].upper() + command.help[1:]
        parts.append(f"## {name}\n\n{sentence}.\n\n```bash\n{examples}\n```\n")
        rows = [_row(action) for action in parser._actions]
        if rows:
            parts.append("| option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(action: argparse.Action) -> str:
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    if action.option_strings and action.nargs != 0:
        shown = action.metavar or (action.choices and "|".join(map(str, action.choices)))
        words = shown if isinstance(shown, tuple) else (shown or action.dest.upper(),)
        if not isinstance(action, argparse.BooleanOptionalAction):
            name = f"{name} {' '.join(map(str, words))}"
    meaning = (action.help or "").replace("%%", "%").replace("|", "\\|").replace("\n", " ")
    if action.required and action.option_strings:
        meaning += " (required)"
    return f"| `{name}` | {meaning[:1].upper()}{meaning[1:]} |"


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    TARGET.write_text(text(), encoding="utf-8")
