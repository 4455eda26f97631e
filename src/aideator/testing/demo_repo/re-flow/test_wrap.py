import unittest

from reflow import wrap


class WrapTest(unittest.TestCase):
    def test_breaks_between_words(self) -> None:
        self.assertEqual(wrap("the quick brown fox", 10), ["the quick", "brown fox"])

    def test_white_space_counts_as_one_space(self) -> None:
        self.assertEqual(wrap("one\n   two\tthree ", 20), ["one two three"])

    def test_cuts_a_word_that_is_longer_than_the_line(self) -> None:
        self.assertEqual(
            wrap("Donaudampfschifffahrt ahoy", 10),
            ["Donaudampf", "schifffahr", "t ahoy"],
        )

    def test_no_text_gives_no_lines(self) -> None:
        self.assertEqual(wrap("", 10), [])


if __name__ == "__main__":
    unittest.main()
