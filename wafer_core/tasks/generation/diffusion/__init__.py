"""The generator of the preset Default: wafers described by a few numbers, and drawn from them."""
