"""Changes: private copies of a checkout, and the patches that come out of them."""
