"""Networks that turn an image into a quality score. Importing this package loads nothing heavy."""
