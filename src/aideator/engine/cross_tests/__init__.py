"""Run the tests that one variation wrote on the other variations and on the base."""
