"""AIdeator's Dagger module: agents, checks and sandboxes in containers.

Every function can be called by hand; docs/how-to/dagger.md shows how.
"""

from aideator_module.main import Aideator

__all__ = ["Aideator"]
