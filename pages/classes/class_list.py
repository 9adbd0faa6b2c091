"""The classes of a project as rows to choose from; files can be dropped on each row."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.shared.words import t_raw, tn_raw
from wafer_core.data.summary import ClassSummary

CHOSEN = "classes_chosen"  # session state: slug of the class that is shown
_KEY = "classes_list"
_CSS = """
.list { display: flex; flex-direction: column; gap: 2px; max-height: max(24rem, 76vh);
  overflow-y: auto;
  padding: 2px; }
.row { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 0 0.6rem;
  padding: 0.32rem 0.6rem; border-radius: 6px; cursor: pointer; outline: none;
  border: 2px solid transparent; color: var(--st-text-color); font: 400 0.93rem/1.35 var(--st-font);
  position: relative; }
.row:hover { background: var(--st-secondary-background-color); }
.row:focus-visible { border-color: var(--st-primary-color); }
.row[aria-selected=true] { background:
  color-mix(in srgb, var(--st-primary-color) 14%, transparent);
  box-shadow: inset 3px 0 0 var(--st-primary-color); }
.row.over { border: 2px dashed var(--st-primary-color); background:
  color-mix(in srgb, var(--st-primary-color) 22%, transparent); }
.name { font-weight: 600; overflow-wrap: anywhere; }
.count { font-variant-numeric: tabular-nums; text-align: right; }
.facts { grid-column: 1 / -1; font-size: 0.82rem; opacity: 0.78; }
.row.damaged .facts { color: var(--st-red-text-color); opacity: 1; }
.track { grid-column: 1 / -1; height: 4px; border-radius: 2px; margin: 2px 0;
  background: color-mix(in srgb, var(--st-text-color) 12%, transparent); }
.track i { display: block; height: 100%; border-radius: 2px; background: var(--st-primary-color); }
"""
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  let list = parentElement.querySelector('.list');
  if (!list) {
    list = document.createElement('div');
    list.className = 'list';
    list.setAttribute('role', 'listbox');
    parentElement.appendChild(list);
    listen(list);
  }
  list.choose = (slug) => setTriggerValue('chosen', slug);
  list.setAttribute('aria-label', data.label);
  const text = JSON.stringify(data.rows);
  if (list.text !== text) {
    list.text = text;
    const focused = parentElement.activeElement?.dataset?.dropTarget;
    list.replaceChildren(...data.rows.map(draw));
    if (focused) [...list.children].find(row => row.dataset.dropTarget === focused)?.focus();
  }
  for (const row of list.children) {
    const chosen = row.dataset.dropTarget === data.chosen;
    row.setAttribute('aria-selected', String(chosen));
    row.tabIndex = chosen ? 0 : -1;
    if (chosen && list.shown !== data.chosen) {  // scroll the list, never the page
      const below = row.offsetTop + row.offsetHeight - list.offsetTop - list.clientHeight;
      list.scrollTop = Math.min(Math.max(list.scrollTop, below), row.offsetTop - list.offsetTop);
    }
  }
  list.shown = data.chosen;
}

function draw(row) {
  const element = document.createElement('div');
  element.className = row.damaged ? 'row damaged' : 'row';
  element.dataset.dropTarget = row.slug;
  element.setAttribute('role', 'option');
  element.title = row.hint;
  const part = (name, text) => {
    const found = document.createElement('span');
    found.className = name;
    found.textContent = text;
    element.appendChild(found);
    return found;
  };
  part('name', row.name);
  part('count', row.count);
  const bar = document.createElement('i');
  bar.style.width = `${100 * row.share}%`;
  part('track', '').appendChild(bar);
  part('facts', row.facts);
  return element;
}

function listen(list) {
  const rowOf = event => event.composedPath().find(node => node.dataset?.dropTarget);
  list.addEventListener('click', event => {
    const row = rowOf(event);
    if (row) { row.focus(); list.choose(row.dataset.dropTarget); }
  });
  list.addEventListener('keydown', event => {
    const row = rowOf(event);
    const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling,
      Home: list.firstElementChild, End: list.lastElementChild, Enter: row, ' ': row }[event.key];
    if (!next) return;
    event.preventDefault();
    next.focus();
    list.choose(next.dataset.dropTarget);
  });
  const mark = over => {
    for (const row of list.children) row.classList.toggle("over", row === over);
  };
  list.addEventListener('dragover', event => mark(rowOf(event)));
  list.addEventListener('dragleave', event => { if (!list.contains(event.relatedTarget)) mark(); });
  document.addEventListener('drop', () => mark(), true);
}
"""
_component = st.components.v2.component("wafer_class_list", css=_CSS, js=_JS)


def choose(slug: str | None) -> None:
    """Show this class from the next rerun on."""
    st.session_state[CHOSEN] = slug


def class_list(classes: Sequence[ClassSummary]) -> ClassSummary:
    """Draw one row per class.

    Args:
        classes: At least one.

    Returns:
        The chosen class.
    """
    slugs = [c.slug for c in classes]

    def chosen() -> None:
        slug = st.session_state[_KEY].get("chosen")
        if slug is not None:
            choose(str(slug))

    wanted = st.session_state.get(CHOSEN)
    shown = classes[slugs.index(wanted)] if wanted in slugs else classes[0]
    most = max(1, *(c.originals for c in classes))
    _component(
        key=_KEY,
        data={
            "label": t_raw("Classes"),
            "chosen": shown.slug,
            "rows": [_row(c, most) for c in classes],
        },
        on_chosen_change=chosen,
    )
    return shown


def _row(c: ClassSummary, most: int) -> dict[str, object]:
    facts = t_raw(
        "{train:,} training · {validation:,} validation · {test:,} test",
        train=c.splits["train"],
        validation=c.splits["validation"],
        test=c.splits["test"],
    )
    if c.augmented:
        facts += " · " + t_raw("+{count:,} augmented", count=c.augmented)
    if c.generated:
        facts += " · " + t_raw("+{count:,} generated", count=c.generated)
    return {
        "slug": c.slug,
        "name": c.name,
        "count": tn_raw("{count:,} wafer", "{count:,} wafers", c.originals),
        "share": c.originals / most,
        "facts": t_raw(c.damage) if c.damage else facts,
        "damaged": c.damage is not None,
        "hint": t_raw("Click to show {name}; drop wafers here to add them to it.", name=c.name),
    }
