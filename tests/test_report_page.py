"""The report of a batch: one self-contained page of HTML, escaped, in the reader's language."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from wafer_core.images import Picture
from wafer_core.messages import Message
from wafer_core.tasks.classification import batch_summary, report_page
from wafer_core.tasks.classification.predict import Prediction
from wafer_core.tasks.classification.predictions import PredictionRow
from wafer_core.tasks.classification.report_page import ReportFacts
from wafers import marked

FACTS = ReportFacts("Line 3", "WaferNet 1", "2026-11-27 21:45", 0.65)


class Tags(HTMLParser):
    """Tags and attributes of a page; unbalanced tags fail."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def rows(count: int, classes: tuple[str, ...] = ("Ring", "Scratch"), truth: bool = False,
         file: str = "{n}.png") -> list[PredictionRow]:  # fmt: skip
    """Predictions drawn at random."""
    rng = np.random.default_rng(0)
    made = []
    for n in range(count):
        shares = rng.dirichlet(np.full(len(classes), 0.3))
        best = int(shares.argmax())
        verdict = "confident" if shares[best] >= 0.65 else "review"
        probabilities = dict(zip(classes, shares.tolist(), strict=True))
        prediction = Prediction(file.format(n=n), classes[best], verdict, probabilities)
        known = classes[int(rng.integers(len(classes)))] if truth else None
        made.append(PredictionRow(prediction, known, 100, int(rng.integers(100))))
    return made


def load(position: int) -> Picture | None:
    """A small wafer."""
    return marked(position)


def page(made: list[PredictionRow], **more: object) -> str:
    """The report of some rows."""
    labelled = batch_summary.compare([r.prediction for r in made], [r.truth for r in made])
    return report_page.report_page(made, FACTS, load, labelled, **more)  # type: ignore[arg-type]


def test_it_holds_pictures_table_model_and_date() -> None:
    made = rows(5)
    text = page(made)
    for row in made:
        assert f">{row.prediction.file}</td>" in text
        assert f"{row.prediction.probability:.1%}" in text
    assert "Model: WaferNet 1" in text
    assert "Date: 2026-11-27 21:45" in text
    assert text.count('<img src="data:image/png;base64,') == 5
    assert "Compared with folder names" not in text


def test_it_is_well_formed_and_loads_nothing_from_elsewhere() -> None:
    parser = Tags()
    text = page(rows(30, truth=True))
    parser.feed(text)
    parser.close()
    assert parser.open == []
    assert {tag for tag, _ in parser.seen}.isdisjoint({"script", "link", "iframe", "object"})
    sources = [attrs["src"] for tag, attrs in parser.seen if tag == "img"]
    assert all(source is not None and source.startswith("data:image/png") for source in sources)
    assert not re.search(r"https?://|url\(|@import", text)
    assert "default-src 'none'" in text


def test_names_are_escaped() -> None:
    evil = '"><script>alert(1)</script><img src=http://host/x.png>'
    made = [
        PredictionRow(Prediction(evil, evil, "review", {evil: 0.6, "Ring": 0.4}), "Ring", 100, 5)
    ]
    facts = ReportFacts(evil, evil, evil, 0.65, evil)
    labelled = batch_summary.compare([made[0].prediction], ["Ring"])
    text = report_page.report_page(made, facts, load, labelled)
    assert "<script" not in text
    assert "<img src=http" not in text
    parser = Tags()
    parser.feed(text)
    assert [tag for tag, _ in parser.seen].count("img") == 1


def test_the_least_certain_wafers_come_first() -> None:
    made = rows(60)
    text = page(made)
    files = re.findall(r'<td class="file">([^<]*)</td>', text)
    order = batch_summary.worst_first([r.prediction for r in made])
    assert files == [made[position].prediction.file for position in order]
    assert text.count("<img") == report_page.MAX_PICTURES


def test_on_paper_the_rest_is_counted() -> None:
    text = page(rows(500))
    shown = len(re.findall(r'<tr><td class="file">', text))
    hidden = len(re.findall(r'<tr class="screen"><td class="file">', text))
    assert shown + hidden == 500
    assert f'<p class="print">{500 - shown} more wafers are in the CSV file.</p>' in text


def test_a_huge_batch_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "MAX_TABLE_ROWS", 70)
    text = page(rows(80))
    assert len(re.findall(r'<td class="file">', text)) == 70
    assert '<p class="screen">10 more wafers are in the CSV file.</p>' in text


def test_the_matrix_counts_by_hand() -> None:
    made = [
        PredictionRow(Prediction("a", "Ring", "confident", {"Ring": 0.9, "Scratch": 0.1}), "Ring"),
        PredictionRow(Prediction("b", "Ring", "confident", {"Ring": 0.8, "Scratch": 0.2}),
                      "Scratch"),
    ]  # fmt: skip
    text = page(made)
    assert "1 of 2 wafers in named folders are correct (50.0%)." in text
    matrix = re.search(r'<table class="matrix">(.*?)</table>', text, re.DOTALL)
    assert matrix is not None
    cells = re.findall(r"<td class='(\w+)'>(\d*)</td>", matrix[1])
    assert cells == [("hit", "1"), ("none", ""), ("miss", "1"), ("none", "")]


def test_pictures_that_are_gone_are_left_out() -> None:
    made = rows(3)
    text = report_page.report_page(made, FACTS, lambda position: None)
    assert "<img" not in text
    assert len(re.findall(r'<td class="file">', text)) == 3


def test_every_text_goes_through_the_translation() -> None:
    def translate(text: Message) -> str:
        return text.render(lambda template, plural, count: "§" if template else "", str)

    text = page(rows(60, truth=True), translate=translate)
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    words = set(re.findall(r"[A-Za-z]{3,}", re.sub(r"<[^>]*>", " ", body)))
    assert words <= {"Ring", "Scratch", "png"}
