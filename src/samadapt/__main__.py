"""``python -m samadapt`` is the command line."""

from samadapt.cli.main import main

if __name__ == "__main__":
    main()
