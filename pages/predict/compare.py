"""The training wafers most similar to the chosen one: of the predicted class and of the second."""

from __future__ import annotations

import html

import streamlit as st

from pages.predict.state import PredictedWafer, PredictState
from pages.predict.wafer import Model, verdict
from pages.shared import guards, loaders
from pages.shared.words import t
from wafer_core import drawing
from wafer_core.data.project import Project
from wafer_core.tasks.classification import neighbours

SHOWN = 6
_CELL = 84  # pixels on the page
_STYLE = f"""<style>
.wafer-neighbours {{display: grid; grid-template-columns: repeat({SHOWN}, minmax(0, 1fr));
  gap: 0.5rem; max-width: {SHOWN * 130}px}}
.wafer-neighbours figure {{margin: 0; text-align: center; font-size: 0.9rem}}
.wafer-neighbours img {{width: 100%; display: block}}
</style>"""


def compare_view(
    project: Project, state: PredictState, wafer: PredictedWafer, model: Model
) -> None:
    """The wafer beside its nearest training wafers of the two most probable classes."""
    verdict(state, wafer)
    probabilities = wafer.prediction.probabilities
    two = sorted(probabilities, key=lambda name: -probabilities[name])[:2]
    with guards.show_errors():
        picture = state.picture(wafer)
        left, right = st.columns([1, 4], gap="small", vertical_alignment="center")
        left.image(drawing.to_png(drawing.draw(picture, 200)), width=96, alt=wafer.prediction.file)
        right.caption(
            t(
                "Below are the training wafers that the network finds most similar. Similarity "
                "is the cosine of the angle between the features before its last layer; 1 is "
                "equal."
            )
        )
        query = neighbours.features(model.classifier, [picture])[0]
        for name in two:
            _nearest(project, model, name, probabilities[name], query)


def _nearest(
    project: Project, model: Model, name: str, share: float, query: neighbours.Features
) -> None:
    with st.spinner(t("Comparing with the training wafers of {name} …", name=name)):
        known = loaders.training_features(project, model.key, model.classifier, name)
    st.markdown(t("**{name}** · {share:.1%}", name=name, share=share))
    if not known.paths:
        st.caption(t("This project has no training wafers of this class."))
        return
    order, similarity = neighbours.nearest(query, known.features, SHOWN)
    images = loaders.thumbnails(tuple(known.paths[int(i)] for i in order), 2 * _CELL)
    cells = [
        f'<figure title="{html.escape(known.names[int(position)])}"><img src="{image}" '
        f'alt="{html.escape(known.names[int(position)])}"><figcaption>{value:.2f}</figcaption>'
        "</figure>"
        for image, position, value in zip(images, order, similarity, strict=True)
    ]
    st.html(f'{_STYLE}<div class="wafer-neighbours">{"".join(cells)}</div>')
