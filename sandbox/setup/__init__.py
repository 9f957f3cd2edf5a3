"""Set-up: installs and builds what is missing, and only that.

Runs with the system's Python before anything is installed, so: standard library only.
"""
