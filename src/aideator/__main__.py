"""`python -m aideator`."""

from aideator.cli import main

main()
