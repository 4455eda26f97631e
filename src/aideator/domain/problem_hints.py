"""Hints of problem documents that have none of their own: words for programs.

A client that speaks to people leaves them out.
"""

from collections.abc import Mapping

HINTS: Mapping[int, str] = {
    400: "Correct what `detail` names.",
    401: "Send a key in the X-API-Key header; `aideator key create` makes one.",
    403: "Call from a page of this server, or name its origin in ALLOWED_ORIGINS.",
    404: "`GET /runs` lists the ids.",
    405: "Use a method that the Allow header names.",
    409: "Look at the run, then decide.",
    413: "Send less.",
    421: "Use a loopback name, or add the name to ALLOWED_HOSTS.",
    422: "Correct the fields that `errors` names.",
    429: "Close a stream, or wait for the seconds that Retry-After names.",
    500: "The server's log has the details; please report them.",
    502: "Do what `hint` says, then try again: nothing is done twice.",
    503: "Do what `hint` says, then try again.",
}
"""What to do next, by HTTP status."""
