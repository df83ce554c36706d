"""``python -m crosstrain``: the command line."""

from crosstrain.cli import main

if __name__ == "__main__":
    main()
