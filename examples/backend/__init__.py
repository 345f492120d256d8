"""A FastAPI backend that pushes events: the part to copy is `app.py`."""
