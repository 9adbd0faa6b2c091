"""One bar that takes files: dropped anywhere on the page, pasted, or chosen, folders too.

A component without an iframe. Its script listens to the whole page, reads dropped folders, and
hands the files to Streamlit's own uploader, which is hidden: uploading stays there, and the texts
of the bar can be translated. A file of a folder keeps its path as its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.shared.words import t_raw

_HTML = """
<div class="veil" aria-hidden="true"></div>
<div class="bar">
  <span class="icon" aria-hidden="true">upload</span>
  <span class="text"></span>
  <button type="button" class="files"></button>
  <button type="button" class="folder"></button>
  <span class="state" role="status"></span>
  <input type="file" class="files" multiple hidden>
  <input type="file" class="folder" webkitdirectory hidden>
</div>
"""
_CSS = """
.veil {position: fixed; inset: 0; z-index: 1000000; display: none; align-items: center;
  justify-content: center; pointer-events: none; margin: 10px; border-radius: 10px;
  border: 3px dashed var(--st-primary-color); font: 600 1.6rem var(--st-font);
  background: color-mix(in srgb, var(--st-background-color) 85%, transparent);
  color: var(--st-text-color)}
.veil.on {display: flex}
.veil.thin {background: none; font-size: 0}
.bar {display: flex; flex-wrap: wrap; align-items: center; gap: 0.35rem 0.6rem;
  box-sizing: border-box; min-height: 2.9rem; padding: 0.3rem 0.5rem 0.3rem 0.8rem;
  border: 1.5px dashed color-mix(in srgb, var(--st-text-color) 45%, transparent);
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color);
  color: var(--st-text-color); font: 400 1rem/1.3 var(--st-font)}
.icon {font: 400 1.4rem/1 "Material Symbols Rounded"; color: var(--st-primary-color)}
.text {flex: 1 1 11rem}
.state {flex-basis: 100%; font-weight: 600}
.state:empty {display: none}
.state.wrong {color: var(--st-red-text-color)}
button {font: inherit; color: inherit; cursor: pointer; padding: 0.3rem 0.7rem;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
  background: var(--st-background-color); white-space: nowrap}
button:hover {border-color: var(--st-primary-color); color: var(--st-primary-color)}
button:focus-visible {outline: 2px solid var(--st-primary-color); outline-offset: 1px}
"""
_JS = """
const MOST = 20000;  // files of one drop
const RETRY = 2500;  // milliseconds after which an upload must have begun

async function filesOf(entries) {
  const found = [];
  async function visit(entry, path) {
    if (found.length >= MOST) return;
    if (entry.isFile) {
      const file = await new Promise((done, failed) => entry.file(done, failed));
      found.push(path ? new File([file], path + file.name, {type: file.type}) : file);
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) return;
      for (const each of some) await visit(each, path + entry.name + "/");
    }
  }
  for (const {entry, file} of entries) {
    try {
      if (entry) await visit(entry, "");
      else if (file) found.push(file);
    } catch (error) {
      console.warn("cannot read a dropped file:", error);
    }
  }
  return found;
}

export default function ({parentElement, data}) {
  const one = (selector) => parentElement.querySelector(selector);
  const veil = one(".veil"), state = one(".state");
  const zone = () => document.querySelector(`.st-key-${data.target}`);
  veil.textContent = data.texts.veil;
  veil.classList.toggle("thin", data.has_targets);  // the targets below stay readable
  one(".text").textContent = data.texts.bar;
  one(".bar").title = data.texts.help;
  one("button.files").textContent = data.texts.files;
  one("button.folder").textContent = data.texts.folder;
  state.textContent = "";
  state.classList.remove("wrong");
  let timer = 0;

  function say(text, wrong) {
    state.textContent = text;
    state.classList.toggle("wrong", wrong);
  }
  function watch(count) {
    // The hidden uploader shows a chip for each file until the page has taken them.
    clearInterval(timer);
    timer = setInterval(() => {
      const chips = [...(zone()?.querySelectorAll('[data-testid="stFileChip"]') ?? [])];
      const failed = chips.filter((chip) => chip.getAttribute("aria-invalid") === "true");
      const waiting = zone()?.querySelectorAll('[data-testid="stFileChipIconSpinner"]').length;
      if (failed.length) {
        clearInterval(timer);
        const name = failed[0].getAttribute("aria-label");
        say(data.texts.failed.replace("%s", name), true);
      } else if (waiting) {
        say(data.texts.uploading.replace("%s", `${count - waiting} / ${count}`), false);
      } else if (chips.length) {
        say(data.texts.working, false);
      } else {
        clearInterval(timer);
        say("", false);
      }
    }, 250);
  }
  function hand(files, place) {
    if (!files.length) return;
    const large = files.find((file) => file.size > data.max_bytes);
    if (large) {
      say(data.texts.large.replace("%s", large.name), true);
      return;
    }
    // The place is part of the names: a message of its own would start a run of the page, and the
    // server forgets an upload that begins at the same moment.
    if (place && data.has_targets) {
      files = files.map((file) => new File([file], data.mark + place + "/" + file.name,
        {type: file.type}));
    }
    upload(files, 3);
    watch(files.length);
  }
  function upload(files, tries) {
    const target = zone()?.querySelector('[data-testid="stFileUploaderDropzone"]');
    if (!target) return;
    const transfer = new DataTransfer();
    for (const file of files) transfer.items.add(file);
    const event = new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
    event.isHanded = true;
    target.dispatchEvent(event);
    const before = data.target;
    const again = setInterval(() => {  // a run of the page may have made the server forget it
      const place = document.querySelector(`.st-key-${before}`);
      if (!place || place.querySelector('[data-testid="stFileChip"]')) {
        clearInterval(again);  // taken, or on its way
      } else if (document.querySelector(
          '[data-testid="stApp"][data-test-script-state="notRunning"]')) {
        clearInterval(again);
        if (tries > 1) upload(files, tries - 1);
      }
    }, RETRY);
  }

  for (const kind of ["files", "folder"]) {
    const input = one(`input.${kind}`);
    one(`button.${kind}`).onclick = () => input.click();
    input.onchange = () => {
      hand([...input.files].map((file) => file.webkitRelativePath
        ? new File([file], file.webkitRelativePath, {type: file.type}) : file));
      input.value = "";
    };
  }
  let depth = 0;
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (on) => { depth = on ? depth : 0; veil.classList.toggle("on", on); };
  const listeners = {
    dragenter: (event) => { if (holdsFiles(event)) { depth += 1; show(true); } },
    dragleave: (event) => { if (holdsFiles(event) && --depth <= 0) show(false); },
    dragover: (event) => { if (holdsFiles(event)) event.preventDefault(); },
    drop: (event) => {
      if (event.isHanded || !holdsFiles(event)) return;
      show(false);
      const path = event.composedPath().filter((node) => node.dataset);
      // Another visible uploader takes its own files.
      if (path.some((node) => node.dataset.testid === "stFileUploaderDropzone")) return;
      event.preventDefault();
      event.stopPropagation();
      const place = path.find((node) => node.dataset.dropTarget)?.dataset.dropTarget;
      // Entries must be taken before the event ends; their files come later.
      const entries = [...event.dataTransfer.items]
        .filter((item) => item.kind === "file")
        .map((item) => ({entry: item.webkitGetAsEntry?.(), file: item.getAsFile()}));
      filesOf(entries).then((files) => hand(files, place));
    },
    paste: (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
      hand(files.map((file) => file.name === "image.png"
        ? new File([file], `${data.texts.pasted} ${time}.png`, {type: file.type}) : file));
    },
  };
  for (const [name, listen] of Object.entries(listeners))
    document.addEventListener(name, listen, true);
  return () => {
    clearInterval(timer);
    for (const [name, listen] of Object.entries(listeners))
      document.removeEventListener(name, listen, true);
  };
}
"""
_bar = st.components.v2.component("wafer_drop_zone", html=_HTML, css=_CSS, js=_JS)
_MARK = "dropped-on="  # begins the name of a file that was dropped on a target
_TURN = "drop_zone_turn"  # session state: counts drops; a new uploader has no files


def drop_zone(key: str, text: str, veil: str, has_targets: bool = False) -> Sequence[Any]:
    """Draw the bar; only one on a page.

    Args:
        key: Prefix of the uploader's key.
        text: What the bar says; translated.
        veil: What is shown over the page while files are dragged; translated.
        has_targets: Whether elements of the page with the attribute ``data-drop-target`` are
            places to drop on; ``split_target`` tells on which one a file was dropped.

    Returns:
        Streamlit's uploaded files. They stay until ``taken``.
    """
    target = f"{key}_{st.session_state.get(_TURN, 0)}"
    most = int(st.get_option("server.maxUploadSize"))
    _bar(
        key=f"{key}_bar",
        data={
            "target": target,
            "has_targets": has_targets,
            "mark": _MARK,
            "max_bytes": most * 2**20,
            "texts": {
                "bar": text,
                "veil": veil,
                "help": t_raw(
                    "Pictures (PNG, JPEG, BMP, TIFF, GIF, WebP); arrays (.npy, .npz); tables "
                    "(.csv, .xlsx); STDF, ATDF, KLARF, SINF, E142, G85 and text maps; a .zip or a "
                    "folder of them."
                ),
                "files": t_raw("Browse files"),
                "folder": t_raw("Browse folder"),
                "pasted": t_raw("pasted picture"),
                "uploading": t_raw("Uploading {progress} …", progress="%s"),
                "working": t_raw("Reading the files …"),
                "failed": t_raw("{file} could not be uploaded; drop it again.", file="%s"),
                "large": t_raw(
                    "{file} is larger than {most:,} MB; split it first.", file="%s", most=most
                ),
            },
        },
    )
    # The wrapper goes as well, which would keep a gap.
    st.html(f"<style>:has(> .st-key-{key}_hidden) {{display: none !important}}</style>")
    with st.container(key=f"{key}_hidden"):
        uploaded = st.file_uploader(
            text, accept_multiple_files=True, key=target, label_visibility="collapsed"
        )
    return list(uploaded or ())


def split_target(name: str) -> tuple[str, str]:
    """The place that a file was dropped on, empty for the rest of the page, and its real name."""
    if not name.startswith(_MARK):
        return "", name
    place, _, rest = name.removeprefix(_MARK).partition("/")
    return place, rest


def taken() -> None:
    """Empty the uploader in the next run, once the page has read its files."""
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
