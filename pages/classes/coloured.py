"""Coloured maps: how each colour is read, to be corrected before the import."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.shared.words import t, t_raw
from wafer_core.importers import Colour, ColourTable, Role
from wafer_core.messages import N_

_MOST = 12  # colours
TITLES = {Role.NO_DIE.value: N_("no die"), Role.PASS.value: N_("pass"), Role.FAIL.value: N_("fail")}


def code(colour: Colour) -> str:
    """``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def roles(tables: Sequence[ColourTable], number: int) -> dict[Colour, Role]:
    """Show the guessed role of each colour; returns the roles as the user wants them.

    Args:
        tables: Of the wafers shown.
        number: Of the drop.
    """
    guessed: dict[Colour, Role] = {}
    for table in tables:
        for colour, role in table.roles.items():
            guessed.setdefault(colour, role)
    if not guessed:
        return {}
    st.markdown(t("**Coloured maps.** This is how the colours are read; change what is wrong."))
    chosen: dict[Colour, Role] = {}
    values = [role.value for role in Role]
    with st.container(horizontal=True):
        for colour, role in list(guessed.items())[:_MOST]:
            with st.container(width=130, gap="small"):
                st.html(
                    f'<div style="background:{code(colour)};height:18px;border:1px solid #8888;'
                    'border-radius:3px"></div>'
                )
                chosen[colour] = Role(
                    st.selectbox(
                        t("Colour {code}", code=code(colour)),
                        values,
                        index=values.index(role.value),
                        format_func=lambda value: t_raw(TITLES[str(value)]),
                        key=f"classes_add_colour_{number}_{code(colour)}",
                    )
                )
    return chosen
