"""Settings of Flower: its login is the administrator's. Not on the command line, where others could read it."""

import os

basic_auth = [f"{os.environ['FLOWER_USER']}:{os.environ['FLOWER_PASSWORD']}"]
