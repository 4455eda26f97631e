"""Publishing (optional): push the winner as a branch and open a pull request."""
