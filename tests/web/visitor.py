"""The verbs of somebody at the page, and an eye on what a page must never do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Page, Request

from tests.conftest import PATIENCE


@dataclass
class Visitor:
    """A browser window of its own, with its own cookies."""

    page: Page
    trouble: list[str] = field(default_factory=list)
    """Errors of scripts, violations of the policy, dialogs, requests to other hosts."""
    home: str = ""
    previews: str = ""
    """Below which name previews may be reached besides, such as `.localhost:8000/`."""

    @classmethod
    @asynccontextmanager
    async def open(cls, browser: Browser, **options: Any) -> AsyncIterator["Visitor"]:
        """Open a window; Playwright's context options give its size and colours."""
        told: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}} | options
        context = await browser.new_context(**told)
        context.set_default_timeout(PATIENCE * 1000)
        visitor = cls(await context.new_page())
        visitor.watch()
        try:
            yield visitor
        finally:
            await context.close()

    def watch(self) -> None:
        """Note everything that a page of ours must not do."""
        self.page.on(
            "pageerror", lambda error: self.trouble.append(f"script error: {error}")
        )
        self.page.on(
            "dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}")
        )
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("request", self._check_host)

    def _note(self, kind: str, text: str) -> None:
        # Chromium writes a line for each answer that is not 200; those are asserted
        # where they matter.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.trouble.append(f"console: {text}")

    def _check_host(self, request: Request) -> None:
        ours = request.url.startswith((f"{self.home}/", "data:", "blob:"))
        if (
            self.home
            and not ours
            and not (self.previews and self.previews in request.url)
        ):
            self.trouble.append(f"request to {request.url}")

    async def goes_to(self, url: str, path: str = "/") -> None:
        """Open an address of a server."""
        self.home = url
        await self.page.goto(url + path)
