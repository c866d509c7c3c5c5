"""Count the words of a text: the small program that the example pipeline tests, builds and delivers."""

__version__ = "1.2.0"
