from __future__ import annotations

import argparse
import sys

from wordcount import __version__
from wordcount.counting import count, ranking


def main() -> None:
    parser = argparse.ArgumentParser(prog="wordcount", description="Print the most frequent words of a text.")
    parser.add_argument("file", nargs="?", help="default: standard input")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many words (default: %(default)s)")
    parser.add_argument("--version", action="version", version=__version__)
    arguments = parser.parse_args()
    if arguments.file:
        with open(arguments.file, encoding="utf-8") as file:
            counts = count(file)
    else:
        counts = count(sys.stdin)
    for word, number in ranking(counts, top=arguments.top):
        print(f"{number:6} {word}")  # TODO: align numbers of more than six digits


if __name__ == "__main__":
    main()
