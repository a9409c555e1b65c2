"""Weights of Keras: its files, its layers under our names, and the import of a whole network."""
