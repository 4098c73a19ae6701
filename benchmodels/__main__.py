"""The command line, as ``python -m benchmodels``."""

from benchmodels.cli import main

if __name__ == "__main__":
    main()
