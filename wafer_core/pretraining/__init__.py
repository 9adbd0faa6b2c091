"""How the weights that ship are made; nothing here runs in the product."""
