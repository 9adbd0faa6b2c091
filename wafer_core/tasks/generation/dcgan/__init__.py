"""A DCGAN per class, after Radford, Metz and Chintala (2016)."""
