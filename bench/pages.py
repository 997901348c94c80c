"""How soon the pages are drawn in Chromium, what they weigh, and how much they shift.

python bench/pages.py [rounds]
"""

import asyncio
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from processes import serving

ROUNDS = 7
PENDING, USERS = 3000, 10
TEN_FACTS = {f"fact {number}": f"value {number}" for number in range(1, 11)}
SCRIPT = "".join(f"echo 'step {number} of the deployment'\n" for number in range(1, 1700))
DESKTOP, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
# A phone at the edge of its network, four times as slow as this machine.
SLOW = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
SLOWER_PROCESSOR = 4
PAINT = """() => new Promise((resolve) => {
    new PerformanceObserver((list) => {
        const found = list.getEntriesByName("first-contentful-paint");
        if (found.length) resolve(found[0].startTime);
    }).observe({ type: "paint", buffered: true });
})"""
SHIFT = """() => new Promise((resolve) => {
    let sum = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) sum += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(sum), 500);
})"""
WEIGHT = """() => {
    const page = performance.getEntriesByType("navigation")[0];
    const others = performance.getEntriesByType("resource");
    return [page, ...others].map((each) => each.encodedBodySize);
}"""


@dataclass(frozen=True)
class Visit:
    """One visit by a browser that has nothing stored: times in ms, sizes in bytes."""

    paint: float
    shift: float
    document: int
    everything: int


async def visit(browser: Browser, url: str, *, is_slow: bool) -> Visit:
    """Open a page in a new browser context."""
    context = await browser.new_context(viewport=PHONE if is_slow else DESKTOP)
    tab = await context.new_page()
    if is_slow:
        await slow_down(tab)
    await tab.goto(url, wait_until="load")
    sizes = await tab.evaluate(WEIGHT)
    seen = Visit(await tab.evaluate(PAINT), await tab.evaluate(SHIFT), sizes[0], sum(sizes))
    await context.close()
    return seen


async def slow_down(tab: Page) -> None:
    """Make a tab as slow as a phone."""
    devtools = await tab.context.new_cdp_session(tab)
    await devtools.send("Network.enable")
    await devtools.send("Network.emulateNetworkConditions", SLOW)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER_PROCESSOR})


async def ask(api: httpx.AsyncClient, context: dict[str, object], user: str = "bench") -> str:
    """The review link of a new request."""
    new = {"agentId": "bench", "userId": user, "action": "Pay 4,200 EUR", "context": context}
    return str((await api.post("/interrupts", json=new)).raise_for_status().json()["reviewUrl"])


async def main() -> None:
    """Print a line for each page and kind of visitor."""
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    with serving() as served:
        async with httpx.AsyncClient(base_url=served.url) as api, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"))
            pages = {
                "request of ten facts": await ask(api, {**TEN_FACTS}),
                "script of 64 KB": await ask(api, {"deploy_sh": SCRIPT}),
                "inbox with two": f"{served.url}/",
                "history": f"{served.url}/history",
            }
            await show(browser, pages, rounds)
            for number in range(PENDING):
                await ask(api, {"amount": number}, f"user-{number % USERS}")
            await show(browser, {f"inbox with {PENDING:,}": f"{served.url}/"}, rounds)
            await browser.close()


async def show(browser: Browser, pages: dict[str, str], rounds: int) -> None:
    """Visit each page some times, and print the medians."""
    for name, url in pages.items():
        for is_slow in (False, True):
            visits = [await visit(browser, url, is_slow=is_slow) for _ in range(rounds)]

            def median(of: Callable[[Visit], float], visits: list[Visit] = visits) -> float:
                return statistics.median(map(of, visits))

            print(
                f"{name}, {'slow phone' if is_slow else 'this machine'}: "
                f"first paint {median(lambda each: each.paint):.0f} ms, "
                f"shift {max(each.shift for each in visits):.3f}, "
                f"document {median(lambda each: each.document) / 1000:.1f} kB, "
                f"all files {median(lambda each: each.everything) / 1000:.1f} kB"
            )


if __name__ == "__main__":
    asyncio.run(main())
