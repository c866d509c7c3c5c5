from __future__ import annotations

import unittest
from collections import Counter

from wordcount.counting import count, ranking, words


class WordsTest(unittest.TestCase):
    def test_case_does_not_matter(self) -> None:
        self.assertEqual(words("One ONE one"), ["one", "one", "one"])

    def test_punctuation_and_numbers_are_no_words(self) -> None:
        self.assertEqual(words("Well, 42 is -- well -- a number!"), ["well", "is", "well", "a", "number"])

    def test_an_apostrophe_or_a_hyphen_inside_belongs_to_the_word(self) -> None:
        self.assertEqual(words("It's a well-known trick'"), ["it's", "a", "well-known", "trick"])

    def test_letters_of_every_language_count(self) -> None:
        self.assertEqual(words("Größe naïve слово"), ["größe", "naïve", "слово"])


class CountTest(unittest.TestCase):
    def test_all_lines_are_counted_together(self) -> None:
        self.assertEqual(count(["a b", "b"]), Counter({"b": 2, "a": 1}))


class RankingTest(unittest.TestCase):
    def test_the_most_frequent_comes_first_and_equals_in_alphabetical_order(self) -> None:
        self.assertEqual(ranking(Counter({"c": 1, "b": 2, "a": 1}), top=2), [("b", 2), ("a", 1)])


if __name__ == "__main__":
    unittest.main()
