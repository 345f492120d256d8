"""The command line: `python -m broadcaster …`, or `broadcaster …` where the package is installed.

A module for each command, which says what its arguments are (`add_parser`) and does it (`run`, which returns the exit
code). Nothing else of the package imports these modules.
"""
