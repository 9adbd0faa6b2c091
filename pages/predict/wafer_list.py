"""The list of wafers on the left: thumbnail, prediction, probability, verdict; filter and sort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from pages.predict.state import PredictedWafer, PredictState, newest_first
from pages.predict.verdicts import VERDICTS
from pages.shared.words import t, t_raw
from wafer_core import drawing
from wafer_core.data.folder_names import FolderMatch
from wafer_core.errors import PictureError
from wafer_core.messages import N_

PER_PAGE = 50
_THUMBNAIL = 40  # pixels on the page
_PILLS = 12  # classes beyond which a select box takes less room than buttons
WRONG = "wrong"
SORTS = {
    "newest": N_("Newest first"),
    "uncertain": N_("Least certain first"),
    "yield": N_("Lowest yield first"),
    "name": N_("File name"),
}

_CSS = """
.list {box-sizing: border-box; overflow-y: auto; border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); font: 400 0.93rem/1.3 var(--st-font);
  color: var(--st-text-color); outline: none; position: relative}
.list:focus-visible {border-color: var(--st-primary-color)}
.row {display: grid; grid-template-columns: 40px minmax(0, 1fr) auto; gap: 0 0.6rem;
  align-items: center; padding: 4px 8px; cursor: pointer;
  border-bottom: 1px solid color-mix(in srgb, var(--st-border-color) 60%, transparent)}
.row:hover {background: var(--st-secondary-background-color)}
.row[aria-selected="true"] {
  background: color-mix(in srgb, var(--st-primary-color) 16%, transparent);
  box-shadow: inset 3px 0 0 var(--st-primary-color)}
.row img {width: 40px; height: 40px; object-fit: contain}
.name {font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap}
.file {overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 0.85em;
  color: color-mix(in srgb, var(--st-text-color) 75%, transparent)}
.share {text-align: right; font-variant-numeric: tabular-nums; font-weight: 600}
.verdict {text-align: right; font-size: 0.85em; white-space: nowrap}
"""
_JS = """
export default function ({parentElement, data, setTriggerValue}) {
  let list = parentElement.querySelector(".list");
  if (!list) {
    list = document.createElement("div");
    list.className = "list";
    list.tabIndex = 0;
    list.setAttribute("role", "listbox");
    parentElement.appendChild(list);
  }
  list.setAttribute("aria-label", data.label);
  list.style.maxHeight = data.height;
  const element = (name, text) => {
    const made = document.createElement("div");
    made.className = name;
    made.textContent = text;
    return made;
  };
  const rows = data.rows.map((row) => {
    const line = document.createElement("div");
    line.className = "row";
    line.id = `wafer-${row.id}`;
    line.title = row.file;
    line.setAttribute("role", "option");
    const image = document.createElement("img");
    image.alt = "";
    if (row.image) image.src = row.image;
    const left = document.createElement("div"), right = document.createElement("div");
    left.style.minWidth = 0;
    left.append(element("name", row.name), element("file", row.file));
    const verdict = element("verdict", row.verdict);
    verdict.style.color = `var(--st-${row.colour}-text-color)`;
    right.append(element("share", row.share), verdict);
    line.append(image, left, right);
    line.onclick = () => pick(row.id, true);
    return line;
  });
  let selected = data.selected;
  function mark(scroll) {
    rows.forEach((line, index) => {
      const on = data.rows[index].id === selected;
      line.setAttribute("aria-selected", on);
      if (on) {
        list.setAttribute("aria-activedescendant", line.id);
        const above = line.offsetTop < list.scrollTop;
        const below = line.offsetTop + line.offsetHeight > list.scrollTop + list.clientHeight;
        if (scroll && (above || below)) line.scrollIntoView({block: "nearest"});
      }
    });
  }
  function pick(id, now) {
    if (id === selected) return;
    selected = id;
    mark(true);
    clearTimeout(list.waiting);
    list.waiting = setTimeout(() => setTriggerValue("picked", id), now ? 0 : 120);
  }
  list.onkeydown = (event) => {
    const at = data.rows.findIndex((row) => row.id === selected);
    const step = {ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8}[event.key];
    const to = event.key === "Home" ? 0 : event.key === "End" ? rows.length - 1
      : step ? Math.min(rows.length - 1, Math.max(0, at + step)) : null;
    if (to === null || !rows.length) return;
    event.preventDefault();
    pick(data.rows[to].id, false);
  };
  const top = list.page === data.page ? list.scrollTop : 0;
  list.page = data.page;
  list.replaceChildren(...rows);
  list.scrollTop = top;
  mark(list.shown !== data.selected);
  list.shown = data.selected;
}
"""
_list = st.components.v2.component("wafer_list", css=_CSS, js=_JS)


@dataclass(frozen=True)
class Filters:
    """Which wafers of the list are shown, and in which order.

    Attributes:
        classes: Predicted classes; empty: all.
        verdict: A verdict, ``wrong``, or ``None`` for all.
        sort: A key of ``SORTS``.
    """

    classes: tuple[str, ...] = ()
    verdict: str | None = None
    sort: str = "newest"


def class_filter(wafers: Sequence[PredictedWafer]) -> tuple[str, ...]:
    """Buttons with the number of wafers of each predicted class; those pressed filter the list."""
    counts = Counter(w.prediction.label for w in wafers)
    labels = [name for name, _ in counts.most_common()]

    def label(name: str) -> str:
        return t("{name} · {count:,}", name=name, count=counts[name])

    def plain(name: str) -> str:
        return t_raw("{name} · {count:,}", name=name, count=counts[name])

    if len(labels) <= _PILLS:
        chosen = st.pills(
            t("Predicted classes"),
            labels,
            selection_mode="multi",
            format_func=label,
            key="predict_classes",
            label_visibility="collapsed",
        )
    else:
        chosen = st.multiselect(
            t("Predicted classes"),
            labels,
            format_func=plain,
            key="predict_classes",
            placeholder=t_raw("All predicted classes"),
            label_visibility="collapsed",
        )
    return tuple(chosen)


def verdict_and_sort(has_truth: bool) -> tuple[str | None, str]:
    """The verdict to show and the order."""
    titles = {key: style.title for key, style in VERDICTS.items()}
    choices = ["all", *titles]
    titles["all"] = N_("All")
    if has_truth:
        choices.append(WRONG)
        titles[WRONG] = N_("Wrong")
    left, right = st.columns(2, gap="small")
    verdict = left.selectbox(
        t("Show"),
        choices,
        format_func=lambda key: t_raw(titles[key]),
        key="predict_verdict",
        label_visibility="collapsed",
    )
    sort = right.selectbox(
        t("Sort"),
        list(SORTS),
        format_func=lambda key: t_raw(SORTS[key]),
        key="predict_sort",
        label_visibility="collapsed",
    )
    return None if verdict == "all" else verdict, str(sort)


def filtered(state: PredictState, filters: Filters, match: FolderMatch) -> list[PredictedWafer]:
    """The wafers that pass the filters and the chosen cell of the confusion matrix, in order."""

    def passes(wafer: PredictedWafer) -> bool:
        prediction = wafer.prediction
        truth = match.known.get(wafer.folder or "")
        if filters.classes and prediction.label not in filters.classes:
            return False
        if state.cell is not None and (truth, prediction.label) != state.cell:
            return False
        if filters.verdict == WRONG:
            return truth is not None and truth != prediction.label
        return filters.verdict is None or prediction.verdict == filters.verdict

    shown = newest_first(w for w in state.wafers if passes(w))
    if filters.sort == "uncertain":
        shown.sort(key=lambda w: w.prediction.urgency)
    elif filters.sort == "yield":
        shown.sort(key=_yield)
    elif filters.sort == "name":
        shown.sort(key=lambda w: w.prediction.file)
    return shown


def _yield(wafer: PredictedWafer) -> float:
    """The yield; pictures without dies come last."""
    share = wafer.found.yield_fraction
    return 2.0 if share is None else share


def wafer_list(state: PredictState, shown: Sequence[PredictedWafer], height: str) -> None:
    """One page of the list; a click selects a wafer.

    Args:
        state: Of this tab; its selection follows the clicks.
        shown: The wafers that pass the filters, in order.
        height: CSS height of the list.
    """
    pages = max(1, -(-len(shown) // PER_PAGE))
    if pages > 1:  # drawn below the list, read before it
        above, below = st.container(), st.container()
        with below:
            number = st.pagination(pages, key="predict_page", max_visible_pages=5)
    else:
        above, number = st.container(), 1
    page = shown[(number - 1) * PER_PAGE : number * PER_PAGE]
    if page and state.selected not in {w.id for w in page}:
        state.selected = page[0].id

    def pick() -> None:
        picked = st.session_state["predict_list"].get("picked")
        if isinstance(picked, int):
            state.selected = picked
            if st.session_state.get("predict_view") != "compare":
                state.next_view = "wafer"

    with above:
        _list(
            key="predict_list",
            data={
                "label": t_raw("Wafers"),
                "height": height,
                "page": f"{number} {len(state.drops)}",
                "selected": state.selected,
                "rows": [_row(state, wafer) for wafer in page],
            },
            on_picked_change=pick,
        )


def _row(state: PredictState, wafer: PredictedWafer) -> dict[str, object]:
    prediction = wafer.prediction
    style = VERDICTS[prediction.verdict]
    return {
        "id": wafer.id,
        "image": _thumbnail(state, wafer),
        "name": prediction.label,
        "file": prediction.file,
        "share": f"{prediction.probability:.1%}",
        "verdict": t_raw(style.title),
        "colour": style.colour,
    }


def _thumbnail(state: PredictState, wafer: PredictedWafer) -> str:
    """A small drawing, made once; empty where the picture is gone."""
    if wafer.id not in state.thumbnails:
        try:
            picture = wafer.candidate.load().picture
            state.thumbnails[wafer.id] = drawing.to_data_url(drawing.draw(picture, 2 * _THUMBNAIL))
        except PictureError:
            state.thumbnails[wafer.id] = ""
    return state.thumbnails[wafer.id]
