"""Text that no service draws as anything but text: no link, mention, markup or spoiler.

Services draw HTML and several dialects of Markdown, and link whatever looks like an address; some
undo what Apprise escaped, and Teams knows no code spans. So the characters that start any of these
become their full-width forms, which people read alike.
"""

import re

_STARTS = re.compile(
    r"[`\[\]@]"
    # HTML, and links and mentions of Slack and Discord.
    r"|<(?=\S)|(?<=\S)>|&(?=#?\w+;)"
    # Links: a scheme, a host name.
    r"|:(?=//)|(?<=\w)\.(?=[^\W\d_])"
    # Emphasis, strikes and spoilers of Markdown, its escapes, and names of emoji.
    r"|(?<=\S)[*~|]|[*~|](?=\S)|(?<!\w)_|_(?!\w)|\\(?=[!-/:-@\[-`{-~])|:(?=\w+:)"
)
_TO_FULL_WIDTH = 0xFEE0


def inert(text: str) -> str:
    """The text with the characters that services may act on in their full-width forms."""
    return _STARTS.sub(lambda found: chr(ord(found[0]) + _TO_FULL_WIDTH), text)
