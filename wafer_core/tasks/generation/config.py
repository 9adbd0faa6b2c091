"""The presets of Auto and their settings."""

from __future__ import annotations

from dataclasses import dataclass

from wafer_core.errors import ParameterError
from wafer_core.messages import N_
from wafer_core.parameters import SEED, Parameter, Settings, declare

MIN_PICTURES = 2  # from a single picture a generator can only learn copies
DEFAULT, CLASSIC = "default", "classic"


@dataclass(frozen=True)
class Preset:
    """A way to generate pictures of a class.

    Attributes:
        title: For the select box.
        help: When to use it.
        settings: Fields of ``GenerationConfig`` that it uses.
    """

    title: str
    help: str
    settings: tuple[str, ...]


# ``presets.RECIPES`` has the functions under the same keys.
PRESETS: dict[str, Preset] = {
    DEFAULT: Preset(
        N_("Auto (diffusion)"),
        N_(
            "A masked diffusion network that was pretrained on thousands of wafers. It needs no "
            "training, at least two originals and a few seconds per class. For wafer maps of any "
            "pattern."
        ),
        ("variety", "density", "sweep"),
    ),
    CLASSIC: Preset(
        N_("Classic DCGAN"),
        N_(
            "A published method: a small GAN is trained for each class at 48 × 48 pixels. It takes "
            "minutes per class on a CPU. For comparison, and for pictures that are not wafer maps."
        ),
        (
            "sweep", "epochs", "threshold", "output", "multiplied_to", "size", "batch_size",
            "learning_rate", "label_smoothing", "dropout",
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class GenerationConfig(Settings):
    """The settings of Auto; each preset uses the ones that it lists.

    Raises:
        ParameterError: A value is out of range, not a number, or of another type.
    """

    # Nearly as realistic as real wafers on most classes, in seconds.
    preset: str = declare(
        Parameter(
            N_("Preset"),
            N_("How wafers are generated: by a pretrained network, or by a small GAN per class."),
            DEFAULT, choices=tuple(PRESETS),
            titles=tuple(preset.title for preset in PRESETS.values()),
        )
    )  # fmt: skip
    # The spread with the best scores, see benchmarks.quality.generation.
    variety: float = declare(
        Parameter(
            N_("Variety"),
            N_(
                "How much generated wafers differ from the originals. Below 1 they are closer to "
                "the originals; above 1 they vary more, but may not belong to the class."
            ),
            1.0, 0.25, 2.0, 0.05, main=True,
        )
    )  # fmt: skip
    # As many failed dies as on the originals.
    density: float = declare(
        Parameter(
            N_("Failed dies"),
            N_(
                "Number of failed dies relative to the originals: 1 is the same, 0.5 about half, 2 "
                "about twice as many."
            ),
            1.0, 0.2, 5.0, 0.05, main=True,
        )
    )  # fmt: skip
    # The best threshold differs from class to class.
    sweep: bool = declare(
        Parameter(
            N_("Compare levels"),
            N_(
                "Also generate wafers at several thresholds (Classic DCGAN) or densities of failed "
                "dies (Auto), and report which are closest to the originals. Takes a few seconds."
            ),
            True,
        )
    )
    epochs: int = declare(
        Parameter(
            N_("Epochs"),
            N_(
                "Number of passes over the training pictures. With fewer than 100 the wafers stay "
                "noisy; more than 150 hardly help."
            ),
            150, 1, 5000, 10, main=True,
        )
    )  # fmt: skip
    # Halfway between a passed die and a cell with a quarter of its dies failed.
    threshold: int = declare(
        Parameter(
            N_("Threshold"),
            N_(
                "Grey value (0 to 255) from which a generated die counts as failed. Lower values "
                "give thicker, noisier patterns, higher ones thinner patterns."
            ),
            140, 1, 255, 5, main=True,
        )
    )  # fmt: skip
    output: str = declare(
        Parameter(
            N_("Output"),
            N_(
                "Threshold: dies fail from the threshold on. Nearest state: each die becomes the "
                "nearest of no die, pass and fail; the threshold is ignored."
            ),
            "binarise",
            choices=("binarise", "snap"),
            titles=(N_("Threshold"), N_("Nearest state")),
            main=True,
        )
    )
    multiplied_to: int = declare(
        Parameter(
            N_("Training pictures"),
            N_(
                "The originals are first augmented by transforms to about this number. If there "
                "are more originals, this many are used."
            ),
            400, 2, 20_000, 50,
        )
    )  # fmt: skip
    size: int = declare(
        Parameter(
            N_("Training size"),
            N_("Side in pixels of the training pictures, a multiple of 4. Published: 48."),
            48, 16, 128, 4,
        )
    )  # fmt: skip
    batch_size: int = declare(
        Parameter(
            N_("Batch size"),
            N_("Number of pictures per training step. Larger batches are faster on a GPU."),
            32, 2, 512, 1,
        )
    )  # fmt: skip
    learning_rate: float = declare(
        Parameter(
            N_("Learning rate"),
            N_(
                "Step size of both optimizers. If it is too large, the losses diverge; if it is "
                "too small, training takes too long."
            ),
            2e-4, 1e-6, 0.1, 1e-5,
        )
    )  # fmt: skip
    label_smoothing: float = declare(
        Parameter(
            N_("Label smoothing"),
            N_(
                "The target for real pictures is 1 minus this value, which keeps the discriminator "
                "from becoming too confident."
            ),
            0.1, 0.0, 0.4, 0.05,
        )
    )  # fmt: skip
    dropout: float = declare(
        Parameter(
            N_("Dropout"),
            N_("Share of the dense layer that is switched off at random in training."),
            0.5, 0.0, 0.9,
        )
    )  # fmt: skip
    seed: int = declare(SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % 4:
            raise ParameterError(
                "size is {size}; use a multiple of 4 from 16 to 128.", size=self.size
            )
