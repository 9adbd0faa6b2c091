"""Where dies fail, over many wafers: stack maps, profiles, zones, repeaters."""
