"""What the desk tells of itself, shown by one command each: a trace, a dashboard, an alert.

Each starts the whole desk on free ports in a folder of its own, and ends it.
"""
