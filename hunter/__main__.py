"""`python -m hunter` is the command line."""

from hunter.cli.main import main

if __name__ == "__main__":
    main()
