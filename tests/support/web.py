"""HTTP requests to servers in other processes, with long time limits."""

from functools import partial

import httpx

from tests.support import PATIENCE_S

get = partial(httpx.get, timeout=PATIENCE_S)
post = partial(httpx.post, timeout=PATIENCE_S)
delete = partial(httpx.delete, timeout=PATIENCE_S)
# Like a browser, it keeps cookies and follows redirects.
browse = partial(httpx.Client, timeout=PATIENCE_S, follow_redirects=True)
