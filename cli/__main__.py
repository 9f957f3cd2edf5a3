"""`python -m cli`: what the launcher script runs."""

import gc

# What is imported stays: looking through it for garbage every 700 objects is a tenth of a command's start.
gc.set_threshold(50_000)

from cli.app import main  # noqa: E402

if __name__ == "__main__":
    main()
