"""Charts and sheets of pictures: described as data (chart.py, sheet.py), drawn by matplotlib.

matplotlib is imported by canvas.py alone, when something is drawn.
"""
