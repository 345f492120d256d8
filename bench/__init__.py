"""Measurements of this project, run by `python3 dev.py bench`; README.md here says what they showed."""
