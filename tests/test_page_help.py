"""Help: the documents, the search, questions, and feedback."""

from __future__ import annotations

from pathlib import Path

import pytest

from browsing import keys, labelled, refused, run, texts, visit
from pages.help import documents
from wafer_core.data import feedback, workspace
from wafer_core.data.project import Project

GUIDE = """# The *guide*

Cost: $5 and $6. See [the questions](faq.md#second) and `$HOME`.

![A picture](shots/a.png)

![Not made yet](shots/missing.png)

## Lots and splits

Wafers of one lot share a split.

```sh
# no heading
echo $HOME
```

## Yield
A share of dies.
"""
QUESTIONS = "# Questions\n\n## How many wafers?\n\nFive a class.\n\n## Second\n\nLots of them.\n"


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two documents and one picture; one document is in Korean, too."""
    folder = tmp_path / "docs"
    (folder / "shots").mkdir(parents=True)
    (folder / "ko").mkdir()
    (folder / "getting-started.md").write_text(GUIDE, "utf-8")
    (folder / "faq.md").write_text(QUESTIONS, "utf-8")
    (folder / "ko" / "faq.md").write_text("# 자주 묻는 질문\n\n## 몇 장?\n\n다섯 장.\n", "utf-8")
    (folder / "shots" / "a.png").write_bytes(
        (Path(__file__).parents[1] / "pages" / "shared" / "icon.png").read_bytes()
    )
    monkeypatch.setattr(documents, "FOLDER", folder)
    return folder


def test_a_document_is_read_in_sections(docs: Path) -> None:
    found = documents.read(docs / "getting-started.md")
    assert found.title == "The guide"
    assert [(s.level, s.title) for s in found.sections] == [
        (1, "The guide"),
        (2, "Lots and splits"),
        (2, "Yield"),
    ]
    assert "# no heading" in found.sections[1].body


def test_pictures_links_and_dollars_become_what_the_page_can_show(docs: Path) -> None:
    section = documents.read(docs / "getting-started.md").sections[0]
    text, picture = list(documents.blocks(section, docs, "&lang=ko"))[:2]
    assert r"Cost: \$5 and \$6." in text
    assert "[the questions](Help?topic=faq&lang=ko)" in text
    assert "`$HOME`" in text
    assert picture == (docs / "shots" / "a.png", "A picture")  # the missing one is left out


def test_pictures_outside_of_the_documents_are_not_shown(docs: Path) -> None:
    (docs.parent / "secret.png").write_bytes(b"")
    section = documents.Section("faq", "Q", "Q", 1, "![x](../secret.png)")
    assert list(documents.blocks(section, docs, "")) == []


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("lot split", ["Lots and splits"]),
        ("LOT", ["Lots and splits", "Second"]),  # in the heading first
        ("nothing like this", []),
        ("  ", []),
    ],
)
def test_the_search_finds_headings_and_paragraphs(
    docs: Path, words: str, titles: list[str]
) -> None:
    every = [documents.read(path) for path in documents.paths("en").values()]
    assert [s.title for s in documents.search(every, words)] == titles


def test_documents_are_in_the_language_where_there_is_one(docs: Path) -> None:
    assert documents.paths("ko") == {
        "getting-started": docs / "getting-started.md",
        "faq": docs / "ko" / "faq.md",
    }


def test_every_topic_of_the_list_exists_or_is_left_out() -> None:
    existing = {path.stem for path in documents.FOLDER.glob("*.md")}
    assert existing <= set(documents.TOPICS)


def test_topics_and_questions(docs: Path, home: Path) -> None:
    at = visit("help")
    assert at.radio(key="help_topic").options == ["The guide", "Questions"]
    assert "## The guide" in texts(at)
    run(at.radio(key="help_topic").set_value("faq"))
    assert at.query_params["topic"] == "faq"
    assert [e.label for e in at.expander] == ["How many wafers?", "Second"]


def test_the_address_opens_a_topic(docs: Path, home: Path) -> None:
    from browsing import PAGES, tab

    at = tab()
    at.query_params["topic"] = "faq"
    at.switch_page(PAGES["help"])
    assert run(at).radio(key="help_topic").value == "faq"


def test_the_search_shows_the_sections_it_found(docs: Path, home: Path) -> None:
    at = visit("help")
    run(at.text_input(key="help_search").set_value("yield"))
    assert [e.label for e in at.expander] == ["The guide › Yield"]
    run(at.text_input(key="help_search").set_value("*zebra*"))
    assert r"Nothing found for “\*zebra\*”" in texts(at)


# -- feedback --------------------------------------------------------------------------------------


def test_feedback_is_stored_with_the_facts_that_were_ticked(
    project: Project, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[feedback.Feedback] = []
    monkeypatch.setattr(feedback, "deliver_in_background", lambda _, entry: sent.append(entry))
    at = visit("train", project)
    run(at.switch_page("pages/8_Help.py"))
    run(at.button(key="help_send").click())
    assert at.selectbox(key="help_page").value == "train"  # the page before
    at.text_area(key="help_text").set_value("The *matrix* is empty.")
    at.text_input(key="help_contact").set_value(" Kim, 1234 ")
    at.checkbox(key="help_facts").check()
    labelled(at.button, "Send").click()
    run(at.button(key="help_send").click())
    (entry,) = feedback.list_feedback(home).entries
    assert (entry.text, entry.page, entry.contact) == (
        "The *matrix* is empty.",
        "train",
        "Kim, 1234",
    )
    assert entry.project["originals"] == 24
    assert [e.id for e in sent] == [entry.id]
    assert "name" not in entry.project  # numbers only


def test_empty_feedback_is_refused(home: Path) -> None:
    at = visit("help")
    run(at.button(key="help_send").click())
    assert "help_facts" not in keys(at.checkbox)
    labelled(at.button, "Send").click()
    assert "The feedback is empty" in refused(at.button(key="help_send").click())
    assert feedback.list_feedback(home).entries == ()


def test_feedback_is_listed_for_those_who_run_the_server(home: Path) -> None:
    assert not any(e.label.startswith("Feedback") for e in visit("help").expander)
    feedback.keep(workspace.workspace_path(), feedback.Feedback("It works.", "predict"))
    at = visit("help")
    assert any(e.label == "Feedback received (1)" for e in at.expander)
    (shown,) = [d.value for d in at.dataframe]
    assert list(shown["text"]) == ["It works."]
    assert list(shown["page"]) == ["Predict"]
    assert list(shown["delivery"]) == ["stored here"]
