"""Where the command begins, also as `python -m leadline`: `agi` apart, because a caller waits while it is loaded."""

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["agi"]:
        from leadline.agi_script import answer_call

        sys.exit(answer_call(sys.stdin.buffer, sys.stdout.buffer))
    from leadline import cli

    cli.main()


if __name__ == "__main__":
    main()
