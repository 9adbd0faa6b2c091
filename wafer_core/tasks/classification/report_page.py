"""A batch of predictions as one self-contained HTML page: pictures, table, model, date.

Opens without a server or a network, and prints on two A4 or Letter pages whatever the size of the
batch: on paper the table shows the wafers to look at first and says where the others are.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wafer_core import drawing
from wafer_core.images import Picture
from wafer_core.messages import Message, counted, literal, message
from wafer_core.tasks.classification.batch_summary import (
    BatchSummary,
    LabelledBatch,
    summarise,
    worst_first,
)
from wafer_core.tasks.classification.predict import CONFIDENT, REVIEW, UNKNOWN
from wafer_core.tasks.classification.predictions import PredictionRow

MAX_PICTURES = 18  # three rows of six on the first page
MAX_TABLE_ROWS = 2000  # beyond, browsers become slow; the CSV has all of them
_PRINTED_ROWS = 48  # fit the second page
_PRINTED_CLASSES = 12
_MAX_MATRIX = 14  # classes of a confusion matrix that is still readable on paper
_PICTURE_SIZE = 132  # pixels; twice the printed size, for sharp dies

VERDICT_TITLES: Mapping[str, Message] = {
    CONFIDENT: message("Confident"),
    REVIEW: message("Needs review"),
    UNKNOWN: message("Unknown"),
}

Translate = Callable[[Message], str]
Show = Callable[[Message | str], str]  # to the reader's language, escaped for HTML


@dataclass(frozen=True)
class ReportFacts:
    """Where the predictions come from.

    Attributes:
        project: Name of the project.
        model: Name of the model.
        date: As it is shown, in the reader's time zone.
        threshold: Probability below which a wafer needs review, 0 to 1.
        language: Code for the browser, such as ``en``.
    """

    project: str
    model: str
    date: str
    threshold: float
    language: str = "en"


def report_page(
    rows: Sequence[PredictionRow],
    facts: ReportFacts,
    load: Callable[[int], Picture | None],
    labelled: LabelledBatch | None = None,
    translate: Translate = str,
) -> str:
    """The page.

    Args:
        rows: One per wafer.
        facts: Where they come from.
        load: From a position among ``rows`` to its picture, or ``None`` if it cannot be read;
            called for the shown ones only.
        labelled: How the predictions compare with folder names, if these are classes.
        translate: From a message to the reader's language.
    """

    def text(text: Message | str) -> str:
        shown = translate(text) if isinstance(text, Message) else text
        return html.escape(shown, quote=True)

    predictions = [row.prediction for row in rows]
    summary = summarise(predictions, [row.yield_fraction for row in rows])
    order = worst_first(predictions)
    title = message("Wafer map predictions: {project}", project=facts.project)
    body = [
        f"<h1>{text(title)}</h1>",
        _facts(text, facts, summary),
        '<div class="side">',
        _classes(text, summary),
        _matrix(text, labelled) if labelled else "",
        "</div>",
        _pictures(text, rows, order, load),
        _table(text, rows, order),
    ]
    return (
        f'<!doctype html>\n<html lang="{html.escape(facts.language, quote=True)}">\n<head>\n'
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _facts(text: Show, facts: ReportFacts, summary: BatchSummary) -> str:
    figures = [
        (f"{summary.count:,}", counted("wafer", "wafers", summary.count)),
        (_percent(summary.mean_yield), message("mean yield")),
        (
            f"{summary.review_count:,}",
            counted("needs review", "need review", summary.review_count),
        ),
    ]
    tiles = "".join(
        f'<div class="figure"><b>{text(value)}</b><span>{text(label)}</span></div>'
        for value, label in figures
    )
    lines = [
        message("Model: {model}", model=facts.model),
        message("Date: {date}", date=facts.date),
        message(
            "A prediction with a probability below {threshold:.0%} needs review.",
            threshold=facts.threshold,
        ),
    ]
    told = "<br>".join(text(line) for line in lines)
    return f'<div class="head"><div class="figures">{tiles}</div><p>{told}</p></div>'


def _classes(text: Show, summary: BatchSummary) -> str:
    most = max((c.count for c in summary.classes), default=1)
    rows = []
    for number, c in enumerate(summary.classes):
        hidden = ' class="screen"' if number >= _PRINTED_CLASSES else ""
        rows.append(
            f"<tr{hidden}><td>{text(c.name)}</td><td class='n'>{c.count:,}</td>"
            f'<td class="bar"><i style="width:{100 * c.count / most:.1f}%"></i></td>'
            f"<td class='n'>{_percent(c.mean_yield)}</td><td class='n'>{c.review_count:,}</td></tr>"
        )
    more = len(summary.classes) - _PRINTED_CLASSES
    note = ""
    if more > 0:
        left = counted("{count:,} more class", "{count:,} more classes", more)
        note = f'<p class="print">{text(left)}</p>'
    titles = [
        message("Class"), message("Wafers"), literal(""), message("Mean yield"),
        message("Need review"),
    ]  # fmt: skip
    head = "".join(f"<th>{text(t)}</th>" for t in titles)
    title = text(message("Predicted classes"))
    return (
        f"<section><h2>{title}</h2>"
        f'<table class="classes"><tr>{head}</tr>{"".join(rows)}</table>{note}</section>'
    )


def _matrix(text: Show, labelled: LabelledBatch) -> str:
    scores = labelled.scores
    told = message(
        "{correct:,} of {count:,} wafers in named folders are correct ({share:.1%}).",
        correct=int(scores.confusion.trace()),
        count=scores.count,
        share=scores.accuracy or 0.0,
    )
    shown = [i for i, _ in enumerate(labelled.class_names)
             if scores.confusion[i].any() or scores.confusion[:, i].any()]  # fmt: skip
    title = text(message("Compared with folder names"))
    head = f"<section><h2>{title}</h2>"
    said = f"<p>{text(told)}</p>"
    if len(shown) > _MAX_MATRIX:
        return f"{head}{said}</section>"
    corner = text(message("Folder ↓ Prediction →"))
    names = "".join(f"<th><span>{text(labelled.class_names[i])}</span></th>" for i in shown)
    lines = []
    for row in shown:
        cells = []
        for column in shown:
            count = int(scores.confusion[row, column])
            kind = "hit" if row == column else "miss"
            cells.append(f"<td class='{kind if count else 'none'}'>{count or ''}</td>")
        lines.append(f"<tr><th>{text(labelled.class_names[row])}</th>{''.join(cells)}</tr>")
    return (
        f'{head}{said}<table class="matrix"><tr><td>{corner}</td>{names}</tr>'
        f"{''.join(lines)}</table></section>"
    )


def _pictures(
    text: Show,
    rows: Sequence[PredictionRow],
    order: Sequence[int],
    load: Callable[[int], Picture | None],
) -> str:
    cells = []
    for position in order[:MAX_PICTURES]:
        picture = load(position)
        if picture is None:
            continue
        prediction = rows[position].prediction
        source = drawing.to_data_url(drawing.draw(picture, _PICTURE_SIZE))
        cells.append(
            f'<figure><img src="{source}" alt=""><figcaption><b>{text(prediction.label)}</b> '
            f"{prediction.probability:.0%}<br>{_badge(text, prediction.verdict)}"
            f'<br><span class="file">{text(prediction.file)}</span></figcaption></figure>'
        )
    title = message("Wafers, the least certain first")
    return f'<section><h2>{text(title)}</h2><div class="pictures">{"".join(cells)}</div></section>'


def _table(text: Show, rows: Sequence[PredictionRow], order: Sequence[int]) -> str:
    has_truth = any(row.truth for row in rows)
    titles = [message("File"), message("Prediction"), message("Probability"), message("Verdict"),
              message("Yield")]  # fmt: skip
    if has_truth:
        titles.append(message("Folder"))
    head = "".join(f"<th>{text(title)}</th>" for title in titles)
    lines = []
    for number, position in enumerate(order[:MAX_TABLE_ROWS]):
        row, prediction = rows[position], rows[position].prediction
        hidden = ' class="screen"' if number >= _PRINTED_ROWS else ""
        truth = f"<td>{text(row.truth or '–')}</td>" if has_truth else ""
        lines.append(
            f'<tr{hidden}><td class="file">{text(prediction.file)}</td>'
            f"<td>{text(prediction.label)}</td><td class='n'>{prediction.probability:.1%}</td>"
            f"<td>{_badge(text, prediction.verdict)}</td>"
            f"<td class='n'>{_percent(row.yield_fraction)}</td>{truth}</tr>"
        )
    notes = ""
    on_paper = len(rows) - _PRINTED_ROWS
    if on_paper > 0:
        notes += _note(text, on_paper, "print")
    on_screen = len(rows) - MAX_TABLE_ROWS
    if on_screen > 0:
        notes += _note(text, on_screen, "screen")
    title = text(message("All wafers"))
    return (
        f'<section class="table"><h2>{title}</h2>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        f"{notes}</section>"
    )


def _note(text: Show, count: int, kind: str) -> str:
    left = counted(
        "{count:,} more wafer is in the CSV file.", "{count:,} more wafers are in the CSV file.",
        count,
    )  # fmt: skip
    return f'<p class="{kind}">{text(left)}</p>'


def _badge(text: Show, verdict: str) -> str:
    title = VERDICT_TITLES.get(verdict, literal(verdict))
    kind = verdict if verdict in VERDICT_TITLES else "review"
    return f'<span class="badge {kind}">{text(title)}</span>'


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


_STYLE = """
:root {color-scheme: light; font: 14px/1.4 system-ui, "Noto Sans KR", "Malgun Gothic", sans-serif;
  color: #1B2733; background: #fff}
body {max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem}
h1 {font-size: 1.5rem; margin: 0 0 .6rem; overflow-wrap: anywhere}
h2 {font-size: 1.1rem; margin: 1.2rem 0 .4rem}
p {margin: .3rem 0}
table {border-collapse: collapse; width: 100%}
th, td {text-align: left; padding: .15rem .5rem .15rem 0; border-bottom: 1px solid #D8DEE4;
  overflow-wrap: anywhere; vertical-align: top}
th {font-weight: 600}
.classes th {overflow-wrap: normal}
.n {text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding-right: 1rem}
.head {display: flex; gap: 2rem; flex-wrap: wrap; align-items: center}
.figures {display: flex; gap: 1.6rem}
.figure b {display: block; font-size: 1.6rem; line-height: 1.2}
.figure span, .file {color: #52606D}
.classes .bar {width: 40%; min-width: 5rem}
.bar i {display: block; height: .8rem; margin-top: .25rem; background: #0072B2}
.side {display: flex; gap: 2rem; flex-wrap: wrap}
.side section {flex: 1 1 20rem; min-width: 0}
.matrix {width: auto}
.matrix th, .matrix td {padding: .15rem .45rem; text-align: center; overflow-wrap: normal}
.matrix tr > :first-child {text-align: left; overflow-wrap: anywhere}
.matrix tr:first-child th {vertical-align: bottom}
.matrix tr:first-child span {writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 8rem; overflow: hidden; white-space: nowrap}
.hit {background: #CFE6F5}
.miss {background: #FBE0D0}
.pictures {display: grid; grid-template-columns: repeat(6, 1fr); gap: .6rem}
figure {margin: 0; break-inside: avoid; text-align: center; font-size: .85rem; min-width: 0}
figure img {width: 100%; max-width: 7rem}
figcaption {overflow-wrap: anywhere; line-height: 1.25}
figcaption .file {display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
.badge {display: inline-block; border-radius: .6rem; padding: 0 .5rem; font-size: .85em;
  white-space: nowrap}
.confident {background: #D8F0E4; color: #0B5B3B}
.review {background: #FCE8CC; color: #7A3E00}
.unknown {background: #E9DDF2; color: #4F2A73}
.print {display: none}
@media (max-width: 40rem) {.pictures {grid-template-columns: repeat(3, 1fr)}}
@media print {
  @page {margin: 12mm}
  :root {font-size: 9.5px}
  body {max-width: none; margin: 0; padding: 0}
  .screen {display: none}
  .print {display: block}
  h1 {display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden}
  h2 {margin: .7rem 0 .3rem}
  figure img {max-width: 78px}
  .classes td:first-child {max-width: 0; width: 30%}
  .classes td, .matrix td, .matrix th:first-child, figcaption b {white-space: nowrap;
    overflow: hidden; text-overflow: ellipsis}
  .matrix th:first-child {max-width: 9rem}
  figcaption b {display: block}
  .table th {white-space: nowrap}
  td, th {print-color-adjust: exact; -webkit-print-color-adjust: exact}
  .bar i, .badge {print-color-adjust: exact; -webkit-print-color-adjust: exact}
  .table {break-before: page}
  .table td {white-space: nowrap; overflow: hidden; text-overflow: ellipsis; max-width: 0}
  .table td.file {width: 40%}
  thead {display: table-row-group}
}
"""
