"""Correct which colour of a rendering is no die, pass or fail."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.predict import intake
from pages.predict.state import PredictedWafer, PredictState
from pages.shared import guards
from pages.shared.words import t, t_raw
from wafer_core.errors import PictureError
from wafer_core.importers import Role
from wafer_core.messages import N_

ROLES = {Role.NO_DIE: N_("no die"), Role.PASS: N_("pass"), Role.FAIL: N_("fail")}


def colour_roles(state: PredictState, wafer: PredictedWafer, classifier: Any) -> None:
    """A button with the colours of the chosen wafer; nothing for a picture without colours."""
    try:
        table = state.loaded(wafer).colours
    except PictureError:
        return
    if table is None:
        return
    with st.popover(
        t("Colours …"),
        icon=":material/palette:",
        key=f"predict_colours_popover_{wafer.id}_{len(state.roles)}",
    ):
        st.caption(t("This is how the colours are read. The change applies to all wafers listed."))
        with st.form(f"predict_colours_{wafer.id}", border=False):
            chosen = {}
            for colour, role in table.roles.items():
                code = "#{:02x}{:02x}{:02x}".format(*colour)
                swatch, box = st.columns([1, 4], vertical_alignment="center")
                swatch.html(
                    f'<div style="background:{code};height:1.6rem;border-radius:3px;'
                    'border:1px solid #8888"></div>'
                )
                chosen[colour] = Role(
                    box.selectbox(
                        t_raw("Colour {code}", code=code),
                        [r.value for r in ROLES],
                        index=[r.value for r in ROLES].index(role.value),
                        format_func=lambda value: t_raw(ROLES[Role(value)]),
                        key=f"predict_colour_{wafer.id}_{code}",
                        label_visibility="collapsed",
                    )
                )
            submitted = st.form_submit_button(t("Read again"), type="primary")
        if submitted:
            with guards.show_errors():
                intake.read_with_colours(state, classifier, {**state.roles, **chosen})
                st.rerun()
