"""Requests to servers in processes of their own, patient with a machine that is busy."""

from functools import partial

import httpx

from tests.support import PATIENCE_S

get = partial(httpx.get, timeout=PATIENCE_S)
post = partial(httpx.post, timeout=PATIENCE_S)
delete = partial(httpx.delete, timeout=PATIENCE_S)
# A browser, or any tool that keeps cookies and goes where it is sent.
browse = partial(httpx.Client, timeout=PATIENCE_S, follow_redirects=True)
