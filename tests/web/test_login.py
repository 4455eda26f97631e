"""A server with keys asks for one and sets a cookie that no script can read."""

import asyncio
from pathlib import Path

from playwright.async_api import expect

from tests.actions import Server, command, server
from tests.web.visitor import Visitor


def make_key(home: Path) -> str:
    return command("key", "create", "browser", home=home).stdout.strip()


async def log_in(visitor: Visitor, key: str) -> None:
    await visitor.page.get_by_label("API key").fill(key)
    await visitor.page.get_by_role("button", name="Log in").click()


async def arrive(visitor: Visitor, running: Server, path: str) -> None:
    await visitor.goes_to(running.url, path)
    await expect(visitor.page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_a_key_is_traded_for_a_cookie_and_leads_back(
    home: Path, visitor: Visitor
) -> None:
    key = make_key(home)
    async with server(home, "http://127.0.0.1:9") as running:
        await arrive(visitor, running, "/?show=decided")
        await log_in(visitor, "aid_wrong")
        await expect(
            visitor.page.get_by_text("this API key is not known here")
        ).to_be_visible()
        await log_in(visitor, key)
        await visitor.page.wait_for_url(f"{running.url}/?show=decided")
        await expect(visitor.page.get_by_role("form", name="New run")).to_be_visible()
        (cookie,) = await visitor.page.context.cookies()
        assert cookie["httpOnly"] is True
        assert cookie["sameSite"] == "Strict"
        assert await visitor.page.evaluate("document.cookie") == ""
        kept = await visitor.page.evaluate(
            "JSON.stringify({...localStorage, ...sessionStorage})"
        )
        assert key not in kept


async def test_the_way_back_never_leaves_the_page(home: Path, visitor: Visitor) -> None:
    key = make_key(home)
    async with server(home, "http://127.0.0.1:9") as running:
        for away in (
            "//evil.example/x",
            "https://evil.example",
            "/\\evil.example",
            "javascript:window.pwned=1",
        ):
            await visitor.goes_to(running.url, f"/login?next={away}")
            await log_in(visitor, key)
            await visitor.page.wait_for_url(f"{running.url}/")
            await visitor.page.context.clear_cookies()


async def test_a_run_behind_a_key_asks_for_it_first(
    home: Path, visitor: Visitor
) -> None:
    make_key(home)
    async with server(home, "http://127.0.0.1:9") as running:
        await arrive(
            visitor, running, "/runs/01a2028e-09a0-76d8-8ae2-6ad5353a3635?focus=1"
        )
        assert "next=%2Fruns%2F01a2028e" in visitor.page.url


async def test_a_link_logs_in_once_and_leaves_no_token_behind(
    home: Path, visitor: Visitor
) -> None:
    key = make_key(home)
    async with server(home, "http://127.0.0.1:9") as running:
        printed = await asyncio.to_thread(
            command, "link", home=home, env={"AIDEATOR_API_KEY": key}
        )
        link = printed.stdout.strip()
        assert link.startswith(f"{running.url}/login#"), printed.stderr
        page = visitor.page
        await page.goto(link)
        await page.wait_for_url(f"{running.url}/")
        await expect(page.get_by_role("form", name="New run")).to_be_visible()
        await page.go_back()
        assert "#" not in page.url
        await page.context.clear_cookies()
        await page.goto("about:blank")
        await page.goto(link)
        await expect(page.get_by_text("this link has been used")).to_be_visible()
        assert "#" not in page.url
