"""Predict: drop wafers anywhere on the page and see what each shows."""

from __future__ import annotations

import streamlit as st

from pages.predict import intake, models, results, state
from pages.shared import drop_zone, guards, layout, rejected
from pages.shared.words import t, t_raw
from wafer_core.importers import Upload
from wafer_core.messages import N_

SAMPLES = 12
KINDS = N_(
    "Pictures (PNG, JPEG, BMP, TIFF, GIF, WebP), arrays (.npy, .npz), tables (.csv, .xlsx), STDF, "
    "ATDF, KLARF, SINF, E142, G85 and text maps, or a .zip or a folder of them. Subfolders that "
    "are named like classes give a confusion matrix. Nothing is stored."
)

project = guards.require_project(layout.start(N_("Predict")))
now = state.of_project(project)
left, right = st.columns([3, 2], vertical_alignment="center")
left.title(t("Predict"), anchor=False)
runs = models.usable_runs(project)
with right:
    run = models.choose_run(project, runs)
if not runs and not now.wafers:
    st.info(
        t(
            "Nothing is trained yet, so the shipped model predicts: it knows the nine WM-811K "
            "patterns (Center, Donut, Edge-Loc, Edge-Ring, Loc, Near-full, Random, Scratch, none) "
            "and none of your own classes. Training takes a minute or two."
        )
    )
    layout.link("train", project, t("Go to Train"))

with st.container(horizontal=True, vertical_alignment="center", key="predict_top"):
    dropped = drop_zone.drop_zone(
        "predict_files",
        t_raw("Drop wafers anywhere on this page, or paste them"),
        t_raw("Drop the wafers to predict them"),
    )
    wants_samples = st.button(
        t("Try {count} test wafers", count=SAMPLES),
        key="predict_sample",
        icon=":material/science:",
        help=t("Originals of this project that were not used for training."),
    )
    if now.wafers or now.rejected:
        st.button(
            t("Clear"),
            key="predict_clear",
            icon=":material/delete_sweep:",
            on_click=state.clear,
            args=(now,),
            help=t("Empties the list. Nothing in the project changes."),
        )

with guards.show_errors():
    model = models.load_model(project, run)
    if now.run != run.run:
        now.run, now.threshold = run.run, models.threshold(run)
        intake.predict_again(now, model.classifier)
    if now.threshold != models.threshold(run):  # changed on Train meanwhile
        now.set_threshold(models.threshold(run))
    if dropped:
        drop_zone.taken()
        uploads = [Upload(file.name, file.getvalue()) for file in dropped]
        intake.take_files(now, model.classifier, uploads)
        st.rerun()
    if intake.take_waiting(project, now, model.classifier):
        st.rerun()
    if wants_samples:
        if intake.take_samples(project, now, model.classifier, SAMPLES):
            st.rerun()
        st.toast(t("There are no more test wafers in this project."))
    if len(now.rejected) == 1:
        st.warning(t(now.rejected[0].reason), icon=":material/error:")
    else:  # closed beside results, so that they stay above the fold
        rejected.show_rejected(now.rejected, is_open=not now.wafers)
    if now.wafers:
        results.results(project, now, model)
    elif not now.rejected:
        st.info(t("Drop one wafer or hundreds anywhere on this page, or try some test wafers."))
        st.caption(t(KINDS))
