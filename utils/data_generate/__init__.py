"""Distorted photographs whose order of quality is known without asking anyone."""
