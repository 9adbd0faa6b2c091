"""Networks that tell classes of pictures apart: their settings, training, answers."""
