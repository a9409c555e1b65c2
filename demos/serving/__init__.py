"""The parts of demos/service.py. None of them imports torch."""
