"""The switch between light and dark: Streamlit's own choice, as its settings menu stores it."""

from __future__ import annotations

import streamlit as st

from pages.shared.words import t_raw

_CSS = """
button {
  all: unset; box-sizing: border-box; display: flex; align-items: center; justify-content: center;
  width: 2.5rem; height: 2.5rem; cursor: pointer; font-size: 1.1rem;
  color: var(--st-text-color); border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); background: var(--st-background-color);
}
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
svg { width: 1.25rem; height: 1.25rem; fill: currentColor; }
"""
# Streamlit stores the choice for each address of the app; it is read when a page is loaded.
_JS = """
const MOON = 'M12 3a9 9 0 1 0 9 9c0-.46-.04-.92-.1-1.36a5.39 5.39 0 0 1-4.4 2.26 ' +
  '5.4 5.4 0 0 1-3.14-9.8c-.44-.06-.9-.1-1.36-.1Z';
const SUN = 'M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10ZM11 1h2v3h-2zM11 20h2v3h-2zM1 11h3v2H1z' +
  'M20 11h3v2h-3zM4.2 5.6 5.6 4.2l2.1 2.1-1.4 1.4zM16.3 17.7l1.4-1.4 2.1 2.1-1.4 1.4z' +
  'M4.2 18.4l2.1-2.1 1.4 1.4-2.1 2.1zM16.3 6.3l2.1-2.1 1.4 1.4-2.1 2.1z';

function isDark(element) {
  const host = element.host ?? element;
  const colour = getComputedStyle(host).getPropertyValue('--st-background-color').trim();
  const canvas = document.createElement('canvas').getContext('2d');
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

export default function ({ data, parentElement }) {
  const dark = isDark(parentElement);
  const text = dark ? data.to_light : data.to_dark;
  let button = parentElement.querySelector('button');
  if (!button) {
    button = document.createElement('button');
    parentElement.appendChild(button);
  }
  button.type = 'button';
  button.title = text;
  button.setAttribute('aria-label', text);
  const path = dark ? SUN : MOON;
  button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
  button.onclick = () => {
    const here = window.location.pathname;
    const base = here.slice(0, here.lastIndexOf('/') + 1);
    for (const page of ['', ...data.pages]) {
      localStorage.setItem(`stActiveTheme-${base}${page}-v2`, dark ? '"Light"' : '"Dark"');
    }
    window.location.reload();
  };
}
"""
_switch = st.components.v2.component("wafer_theme_switch", css=_CSS, js=_JS)


def switch(pages: list[str]) -> None:
    """Draw the switch; a click loads the page again in the other theme.

    Args:
        pages: The last part of each page's address.
    """
    _switch(
        data={
            "pages": pages,
            "to_light": t_raw("Switch to the light theme"),
            "to_dark": t_raw("Switch to the dark theme"),
        },
        key="theme_switch",
        width="content",
    )
