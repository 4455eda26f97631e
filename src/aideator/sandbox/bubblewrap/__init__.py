"""The bubblewrap back end: namespaces, seccomp and control groups, without a daemon."""
