"""Networks that turn an image into a quality score. Importing this package alone loads nothing heavy."""
