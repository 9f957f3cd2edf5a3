"""`python -m cli`: what the launcher script runs."""

from cli.app import main

if __name__ == "__main__":
    main()
