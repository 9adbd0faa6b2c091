"""A grid of small pictures to select by mouse or keyboard; a component without an iframe."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.shared.words import t_raw

_CSS = """
.grid { display: grid; gap: 6px; position: relative; user-select: none; touch-action: pan-y;
  padding: 3px; }
.item { position: relative; aspect-ratio: 1; border-radius: 6px; cursor: pointer; outline: none;
  border: 2px solid transparent; box-sizing: border-box; padding: 2px; }
.item.tall { aspect-ratio: auto; }
.item:hover { border-color: var(--st-border-color); }
.item:focus-visible { border-color: var(--st-primary-color); }
.item[aria-selected=true], .item[aria-pressed=true] { border-color: var(--st-primary-color);
  background: color-mix(in srgb, var(--st-primary-color) 18%, transparent); }
.item[aria-selected=true]::after { content: '✓'; position: absolute; top: 2px; right: 2px;
  width: 18px; height: 18px; border-radius: 50%; background: var(--st-primary-color); color: #fff;
  font: 700 12px/18px sans-serif; text-align: center; }
img { width: 100%; height: 100%; object-fit: contain; display: block; pointer-events: none; }
.tall img { height: auto; aspect-ratio: 1; }
.caption { font-size: 0.82rem; line-height: 1.3; text-align: center; color: var(--st-text-color);
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.box { position: absolute; border: 1px solid var(--st-primary-color); pointer-events: none;
  background: color-mix(in srgb, var(--st-primary-color) 15%, transparent); z-index: 2; }
"""
_JS = """
const DELAY = 220;  // milliseconds; a double click must not select first

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  let grid = parentElement.querySelector('.grid');
  if (!grid) {
    grid = document.createElement('div');
    grid.className = 'grid';
    parentElement.appendChild(grid);
    grid.model = { selected: new Set(), count: 0, anchor: 0 };
    listen(grid);
  }
  const model = grid.model;
  Object.assign(model, { data, setStateValue, setTriggerValue });
  // What the server says counts, unless a newer selection is on its way to it.
  if (data.count >= model.count || data.reset !== model.reset) {
    model.selected = new Set(data.selected);
    model.count = data.count;
    model.reset = data.reset;
  }
  const ids = data.items.map(item => item.id).join();
  const many = data.mode === 'select';
  grid.style.gridTemplateColumns = data.columns
    ? `repeat(${data.columns}, minmax(0, 1fr))` : `repeat(auto-fill, minmax(${data.size}px, 1fr))`;
  grid.setAttribute('role', many ? 'listbox' : 'group');
  grid.setAttribute('aria-label', data.label);
  if (many) grid.setAttribute('aria-multiselectable', 'true');
  if (grid.ids !== ids || grid.language !== data.label) {
    grid.ids = ids;
    grid.language = data.label;
    model.anchor = 0;
    grid.replaceChildren(...data.items.map((item, index) => draw(item, index, many)));
  }
  paint(grid);
}

function draw(item, index, many) {
  const element = document.createElement('div');
  element.className = item.caption ? 'item tall' : 'item';
  element.setAttribute('role', many ? 'option' : 'button');
  element.setAttribute('aria-label', item.title);
  element.title = item.title;
  element.dataset.index = index;
  element.tabIndex = many && index ? -1 : 0;
  const image = document.createElement('img');
  image.src = item.image;
  image.alt = '';
  image.draggable = false;
  element.appendChild(image);
  if (item.caption) {
    const caption = document.createElement('div');
    caption.className = 'caption';
    caption.textContent = item.caption;
    element.appendChild(caption);
  }
  return element;
}

function items(grid) { return [...grid.querySelectorAll('.item')]; }

function paint(grid) {
  const { data, selected } = grid.model;
  const name = data.mode === 'select' ? 'aria-selected' : 'aria-pressed';
  items(grid).forEach((element, index) => {
    element.setAttribute(name, String(selected.has(data.items[index].id)));
  });
}

function send(grid, delay) {
  const model = grid.model;
  paint(grid);
  clearTimeout(model.timer);
  model.timer = setTimeout(() => {
    model.count += 1;
    model.setStateValue('selected', { ids: [...model.selected], count: model.count });
  }, delay);
}

function toggle(grid, index, range) {
  const model = grid.model;
  const id = model.data.items[index].id;
  model.before = new Set(model.selected);
  if (range) {
    const [low, high] = [Math.min(index, model.anchor), Math.max(index, model.anchor)];
    for (let k = low; k <= high; k++) model.selected.add(model.data.items[k].id);
  } else if (!model.selected.delete(id)) {
    model.selected.add(id);
  }
  model.anchor = index;
  send(grid, DELAY);
}

function open(grid, index) {
  const model = grid.model;
  clearTimeout(model.timer);
  if (model.before) model.selected = model.before;
  model.before = undefined;
  paint(grid);
  model.setTriggerValue('opened', model.data.items[index].id);
}

function pick(grid, index) {
  grid.model.setTriggerValue('opened', grid.model.data.items[index].id);
}

function focus(grid, index) {
  const all = items(grid);
  const target = all[Math.max(0, Math.min(all.length - 1, index))];
  if (!target) return;
  all.forEach(element => { element.tabIndex = -1; });
  target.tabIndex = 0;
  target.focus();
}

function listen(grid) {
  const at = event => {
    const found = event.composedPath().find(node => node.classList?.contains('item'));
    return found ? Number(found.dataset.index) : -1;
  };
  let start = null, box = null, before = null;

  grid.addEventListener('click', event => {
    const index = at(event);
    if (index < 0 || grid.dragged) return;
    if (grid.model.data.mode !== 'select') return pick(grid, index);
    focus(grid, index);
    if (event.detail >= 2) open(grid, index);
    else toggle(grid, index, event.shiftKey);
  });

  grid.addEventListener('keydown', event => {
    const index = at(event);
    if (index < 0) return;
    if (grid.model.data.mode !== 'select') {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); pick(grid, index); }
      return;
    }
    const columns = getComputedStyle(grid).gridTemplateColumns.split(' ').length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns,
      Home: -index, End: grid.model.data.items.length - 1 - index };
    if (event.key in steps) {
      event.preventDefault();
      focus(grid, index + steps[event.key]);
      if (event.shiftKey) toggle(grid, Math.max(0, Math.min(grid.model.data.items.length - 1,
        index + steps[event.key])), true);
    } else if (event.key === ' ') {
      event.preventDefault();
      toggle(grid, index, event.shiftKey);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      grid.model.before = undefined;
      open(grid, index);
    } else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      grid.model.data.items.forEach(item => grid.model.selected.add(item.id));
      send(grid, 0);
    } else if (event.key === 'Escape') {
      grid.model.selected.clear();
      send(grid, 0);
    }
  });

  grid.addEventListener('pointerdown', event => {
    grid.dragged = false;
    if (event.button !== 0 || event.pointerType === 'touch') return;
    if (grid.model.data.mode !== 'select') return;
    start = [event.clientX, event.clientY];
    before = new Set(grid.model.selected);
  });
  grid.addEventListener('pointermove', event => {
    if (!start) return;
    const far = Math.hypot(event.clientX - start[0], event.clientY - start[1]) > 6;
    if (!box && far) {
      grid.setPointerCapture(event.pointerId);
      grid.dragged = true;
      box = document.createElement('div');
      box.className = 'box';
      grid.appendChild(box);
    }
    if (!box) return;
    const frame = grid.getBoundingClientRect();
    const [left, right] = [start[0], event.clientX].sort((a, b) => a - b);
    const [top, bottom] = [start[1], event.clientY].sort((a, b) => a - b);
    Object.assign(box.style, { left: `${left - frame.left}px`, top: `${top - frame.top}px`,
      width: `${right - left}px`, height: `${bottom - top}px` });
    grid.model.selected = new Set(before);
    items(grid).forEach((element, index) => {
      const r = element.getBoundingClientRect();
      if (r.left < right && r.right > left && r.top < bottom && r.bottom > top) {
        grid.model.selected.add(grid.model.data.items[index].id);
      }
    });
    paint(grid);
  });
  const end = () => {
    if (box) { box.remove(); send(grid, 0); }
    start = box = null;
  };
  grid.addEventListener('pointerup', end);
  grid.addEventListener('pointercancel', end);
}
"""
_component = st.components.v2.component("wafer_thumbnails", css=_CSS, js=_JS)


@dataclass(frozen=True)
class Thumbnail:
    """One small picture.

    Attributes:
        id: Returned when it is selected.
        image: A data URL.
        title: Shown on hover and read by screen readers.
        caption: Shown below it.
    """

    id: str
    image: str
    title: str
    caption: str = ""


def pick(
    pictures: Sequence[Thumbnail],
    key: str,
    label: str,
    on_pick: Callable[[str], Any],
    *,
    columns: int = 0,
    size: int = 80,
    chosen: str | None = None,
) -> None:
    """A grid in which a click chooses one picture.

    Args:
        pictures: The pictures.
        key: Of the component.
        label: What the grid holds, for screen readers.
        on_pick: Called with the id of the chosen picture, before the page is drawn.
        columns: Pictures per row; 0: as many as fit.
        size: Smallest side of a picture in pixels.
        chosen: The picture that is marked.
    """

    def call() -> None:
        picked = st.session_state[key].get("opened")
        if picked is not None:
            on_pick(str(picked))

    marked = [] if chosen is None else [chosen]
    _mount(pictures, key, label, "pick", marked, columns, size, on_opened_change=call)


def select(pictures: Sequence[Thumbnail], key: str, label: str, size: int = 80) -> str | None:
    """A grid in which many pictures can be selected; ``selected`` returns them.

    A click selects, a double click or Enter opens, a drawn box and Shift select many.

    Args:
        pictures: The pictures; those of one page if there are several.
        key: Of the component and, with other endings, of the selection.
        label: What the grid holds, for screen readers.
        size: Smallest side of a picture in pixels.

    Returns:
        The id of the picture that was opened just now.
    """
    here = {picture.id for picture in pictures}

    def change() -> None:
        value = st.session_state[key].get("selected") or {}
        ids = {str(found) for found in value.get("ids", ())} & here
        st.session_state[f"{key}_selected"] = (selected(key) - here) | ids
        st.session_state[f"{key}_count"] = int(value.get("count", 0))

    marked = sorted(selected(key) & here)
    result = _mount(
        pictures,
        key,
        label,
        "select",
        marked,
        0,
        size,
        on_selected_change=change,
        on_opened_change=lambda: None,
    )
    opened = result.get("opened")
    return str(opened) if opened is not None and str(opened) in here else None


def selected(key: str) -> set[str]:
    """Ids of the selected pictures, on all pages."""
    found: set[str] = st.session_state.get(f"{key}_selected", set())
    return found


def set_selected(key: str, ids: Collection[str]) -> None:
    """Select these pictures and no others."""
    st.session_state[f"{key}_selected"] = set(ids)
    st.session_state[f"{key}_reset"] = st.session_state.get(f"{key}_reset", 0) + 1


def _mount(
    pictures: Sequence[Thumbnail],
    key: str,
    label: str,
    mode: str,
    marked: Sequence[str],
    columns: int,
    size: int,
    **callbacks: Any,
) -> Any:
    return _component(
        key=key,
        data={
            "items": [vars(picture) for picture in pictures],
            "mode": mode,
            "selected": list(marked),
            "count": st.session_state.get(f"{key}_count", 0),
            "reset": st.session_state.get(f"{key}_reset", 0),
            "columns": columns,
            "size": size,
            "label": label or t_raw("Wafers"),
        },
        **callbacks,
    )
