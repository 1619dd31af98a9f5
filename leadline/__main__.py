"""Lets `python -m leadline` be the same as the command."""

from leadline.cli import main

main()
