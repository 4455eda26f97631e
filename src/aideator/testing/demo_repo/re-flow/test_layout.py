import unittest

from reflow import columns, quote


class QuoteTest(unittest.TestCase):
    def test_prefixes_each_line(self) -> None:
        self.assertEqual(quote("a quick brown fox", 10), "> a quick\n> brown\n> fox")

    def test_a_hyphenated_word_stays_whole(self) -> None:
        self.assertEqual(quote("a well-known fact", 12), "> a\n> well-known\n> fact")


class ColumnsTest(unittest.TestCase):
    def test_sets_two_texts_side_by_side(self) -> None:
        self.assertEqual(
            columns("cut the bread", "with a sharp knife", 22),
            "cut the     with a\nbread       sharp\n            knife",
        )

    def test_the_shorter_text_leaves_its_column_empty(self) -> None:
        self.assertEqual(
            columns("one", "two three four", 20),
            "one        two three\n           four",
        )


if __name__ == "__main__":
    unittest.main()
