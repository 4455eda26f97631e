"""The bubblewrap back end: namespaces, seccomp and control groups on Linux, without a daemon."""
