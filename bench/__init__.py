"""Speed and memory, each as a ratio beside a named peer or limit.

`make bench` runs them all.
"""
