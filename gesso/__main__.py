"""`python -m gesso web`: how `gesso run` starts its parts, whatever directory it was started in."""

from gesso.config import cli

if __name__ == "__main__":
    cli.main()
