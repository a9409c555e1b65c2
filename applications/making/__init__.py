"""Modes that make data or weights for the others."""
