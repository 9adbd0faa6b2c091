"""Texts, dates and forms that all pages share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from pages.shared import times, words
from wafer_core.errors import PictureError
from wafer_core.messages import counted, message


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain 이름 5", "plain 이름 5"),
        ("*a* _b_ `c`", r"\*a\* \_b\_ \`c\`"),
        ("![i](http://h/x.png)", "\\!\\[i\\]\\(http\\:\u2060//h/x\\.png\\)"),
        ("www.host.com", "www\u2060\\.host\\.com"),
        ("a@b", "a\u2060@b"),
        ("<b>&amp;", r"\<b\>\&amp;"),
        ("$x$ :red[y] ~z~", r"\$x\$ \:red\[y\] \~z\~"),
        ("two\nlines", "two lines"),
    ],
)
def test_a_name_is_escaped_for_markdown(name: str, shown: str) -> None:
    assert words.escape(name) == shown


def test_a_name_is_escaped_for_charts() -> None:
    assert words.chart_text("<b>a</b> & b") == "&lt;b&gt;a&lt;/b&gt; &amp; b"


def test_fields_are_escaped_and_templates_are_not() -> None:
    assert words.t("**{name}** was deleted.", name="*a*") == r"**\*a\*** was deleted."
    assert words.t_raw("{name} was deleted", name="*a*") == "*a* was deleted"
    assert words.tn("{count:,} wafer of {name}", "{count:,} wafers of {name}", 1200, name="_") == (
        r"1,200 wafers of \_"
    )
    nested = message("{n} in {place}", n=counted("{count} die", "{count} dies", 1), place="[x]")
    assert words.t(nested) == r"1 die in \[x\]"
    assert words.t(PictureError("{file} is empty.", file="a_b.png")) == r"a\_b\.png is empty."


def test_moments_are_shown_in_the_time_zone_of_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 11, 27, 19, 1, 35, tzinfo=UTC)
    assert times.local(moment) == "2026-11-27 19:01 UTC"
    monkeypatch.setattr(times, "find_zone", lambda name: ZoneInfo("Asia/Seoul"))
    given = (moment, moment.timestamp(), "2026-11-27T19:01:35", "run-20261127-190135-123456")
    assert {times.local(value) for value in given} == {"2026-11-28 04:01"}
    assert times.local(None) == times.local("no time") == times.local(1e30) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.4, "0 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (4800, "1 h 20 min")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert times.duration(seconds) == text


def test_exact_durations_of_a_few_seconds() -> None:
    assert times.duration(3.21, exact=True) == "3.2 s"
    assert times.duration(32.1, exact=True) == "32 s"


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=3), "3 days ago"),
    ],
)
def test_ages(age: timedelta, text: str) -> None:
    assert times.ago(datetime.now(UTC) - age) == text


# -- forms -----------------------------------------------------------------------------------------


def page() -> None:
    """A page with a form, in a process of its own."""
    import streamlit as st
    from test_page_words import Example

    from pages.shared import forms

    st.session_state["values"] = forms.settings(Example, "form", skip=("hidden",))


def form() -> AppTest:
    at = AppTest.from_function(page).run()
    assert not at.exception
    return at


def test_a_form_is_drawn_from_the_declared_settings() -> None:
    at = form()
    assert at.session_state["values"] == {
        "epochs": None, "name": "a", "share": 0.5, "rate": 0.001, "is_on": True, "span": None,
        "seed": 0,
    }  # fmt: skip
    assert at.number_input(key="form_epochs").value is None
    assert at.selectbox(key="form_name").options == ["Class A", "Class B"]
    assert len(at.toggle) == 0  # under “More settings”, which is closed


def test_what_is_set_under_more_settings_counts_and_is_named_when_it_is_closed() -> None:
    at = form()
    at.session_state["form_more"] = True
    at.run()
    at.toggle(key="form_is_on").set_value(False)
    at.toggle(key="form_span_used").set_value(True).run()
    assert at.session_state["values"]["span"] == (0.8, 1.2)
    assert "It hurts." in at.caption[0].value
    at.session_state["form_more"] = False
    at.run()
    assert at.session_state["values"]["is_on"] is False
    (caption,) = [c.value for c in at.caption]
    assert caption == r"Changed under More settings: On off, Span 0\.8 – 1\.2"


def test_settings_are_refused_by_the_settings_themselves() -> None:
    at = form()
    at.number_input(key="form_epochs").set_value(7).run()
    assert at.session_state["values"]["epochs"] == 7


def _declare() -> type:
    from wafer_core.parameters import SEED, Parameter, Settings, declare

    @dataclass(frozen=True)
    class Example(Settings):
        """A few settings."""

        epochs: int | None = declare(Parameter("Epochs", "H", None, 1, 9, 1, kind=int, main=True))
        name: str = declare(
            Parameter(
                "Name", "H", "a", choices=("a", "b"), titles=("Class A", "Class B"), main=True
            )
        )
        share: float = declare(Parameter("Share", "H", 0.5, main=True))
        rate: float = declare(Parameter("Rate", "H", 0.001, 0.0, 1.0, 0.0001, main=True))
        is_on: bool = declare(Parameter("On", "H", True, harms="It hurts."))
        span: tuple[float, float] | None = declare(
            Parameter("Span", "H", None, 0.0, 4.0, 0.1, is_range=True)
        )
        hidden: float = declare(Parameter("Hidden", "H", 0.5))
        seed: int = declare(SEED)

    return Example


Example = _declare()
