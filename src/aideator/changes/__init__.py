"""Changes: private forks of a checkout, and the patches extracted from them."""
