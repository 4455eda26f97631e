"""Dependencies and parameters that routes share."""

from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request

from aideator.app import Aideator
from aideator.domain.run import MAX_NUMBER


def get_app(request: Request) -> Aideator:
    """Return the application facade that this server was opened with."""
    app: Aideator = request.app.state.aideator
    return app


App = Annotated[Aideator, Depends(get_app)]
RunId = Annotated[str, Path(description="The run's id, a UUID.", max_length=64)]
PageCursor = Annotated[
    str | None, Query(max_length=64, description="`next` of the page before.")
]
PageLimit = Annotated[int, Query(ge=1, le=200)]
LastEventId = Annotated[
    str | None, Header(description="Sent by browsers; it wins over `after`.")
]
VariationId = Annotated[
    int, Path(description="The variation's number, from 1.", ge=1, le=MAX_NUMBER)
]
