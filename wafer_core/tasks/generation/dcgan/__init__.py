"""One DCGAN per class (Radford, Metz and Chintala, 2016)."""
