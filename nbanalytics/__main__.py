"""Run the command line as ``python -m nbanalytics``."""

from nbanalytics.cli import main

if __name__ == "__main__":
    main()
