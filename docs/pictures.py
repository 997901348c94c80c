"""Makes the pictures of README and docs anew: `make pictures`. It needs Chromium."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support import ServedAPI, web  # noqa: E402

DOCS = ROOT / "docs"
PAYMENT = {
    "agentId": "billing-agent",
    "userId": "accounts-payable",
    "action": "Transfer $4,200 to vendor account ending in 9821",
    "context": {
        "vendor": "Harbour Print Ltd",
        "amount": 4200,
        "invoice": "INV-2025-0187",
        "due": "2025-07-01",
        "iban": "GB29 NWBK 6016 1331 9268 19",
        "note": "The vendor changed its bank account last week.",
    },
}
EARLIER = {
    **PAYMENT,
    "action": "Transfer $4,000 to vendor account ending in 1117",
    "context": {**PAYMENT["context"], "amount": 4000, "iban": "GB94 BARC 1020 1530 0934 59"},
}
CHANGE = """--- src/app.py
+++ src/app.py
@@ -1,8 +1,9 @@
 from prices import Item


-def total(items: list[Item]) -> float:
-    return sum(item.price for item in items)
+def total(items: list[Item], tax: float = 0.2) -> float:
+    net = sum(item.price for item in items)
+    return net * (1 + tax)


 if __name__ == "__main__":
"""
HELD = {
    "agentId": "claude-code",
    "userId": "you",
    "action": "Change src/app.py",
    "context": {"file": "src/app.py", "diff": CHANGE, "directory": "shop"},
    "call": {"session": "shop-1", "tool": "Edit", "digest": "0" * 64},
}
OTHERS = (
    ("deploy-agent", "Delete the snapshots of 2023", "high", {"region": "eu", "snapshots": 214}),
    ("mail-agent", "Send the newsletter to 12,400 readers", "medium", {"list": "all"}),
    ("claude-code", "Run a shell command", "medium", {"command": "git push origin main"}),
    ("billing-agent", "Refund $35 to customer 5530", "low", {"customer": 5530, "amount": 35}),
)


def main() -> None:
    """Serve an API with some requests, and take the pictures."""
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        api = ServedAPI(Path(directory), {})
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))

        def ask(**request: object) -> dict[str, str]:
            answer = web.post(f"{api.url}/interrupts", json=request)
            answer.raise_for_status()
            created: dict[str, str] = answer.json()
            return created

        earlier = ask(**EARLIER)
        decide = f"{api.url}/interrupts/{earlier['interruptId']}/decide"
        web.post(decide, json={"decision": "approved"}).raise_for_status()
        for agent, action, urgency, context in OTHERS:
            ask(agentId=agent, userId="you", action=action, urgency=urgency, context=context)
        payment, held = ask(**PAYMENT), ask(**HELD)
        take(browser, held["reviewUrl"], "held-call")
        take(browser, payment["reviewUrl"], "review-page", width=390, height=844)
        take(browser, f"{api.url}/", "inbox")
        browser.close()
        api.stop()


def take(browser: Browser, url: str, name: str, width: int = 1180, height: int = 740) -> None:
    """One picture, of what fits the window."""
    tab = browser.new_page(viewport={"width": width, "height": height})
    tab.goto(url, wait_until="load")
    tab.wait_for_selector(".desk .approve:enabled")
    tab.screenshot(path=DOCS / f"{name}.png")
    tab.close()


if __name__ == "__main__":
    main()
