"""The type of an action: its text with what differs from case to case masked."""

import re

# Each alternative begins with a fixed character class and holds no nested repetition, so that
# matching stays linear in the length of the action.
_MASKED = re.compile(
    r"""
    (?P<email> [\w.+-]{1,64} @ [\w-]{1,63} (?:\.[\w-]{1,63}){1,8} )
  | (?P<name> "[^"\n]{1,200}" | “[^”\n]{1,200}” | «[^»\n]{1,200}» | `[^`\n]{1,200}`
        | (?<!\w) ' [^'\n]{1,200} ' (?!\w) | (?<!\w) ‘ [^’\n]{1,200} ’ (?!\w) )
  | (?P<amount> (?<!\w) (?: [A-Z]{0,3} [$€£¥₹₩₽₺₿] | (?:USD|EUR|GBP|JPY|CHF|CNY|INR) ) \s?
        \d[\d.,']{0,30} \w? (?!\w)
      | (?<![\w.]) \d[\d.,']{0,30} \s? (?: [$€£¥₹₩₽₺₿%] | (?:USD|EUR|GBP|JPY|CHF|CNY|INR)\b ) )
  | (?P<number> (?<![\w#-]) [+-]? \d+ (?: [.,:/]\d+ )* (?![\w-]) )
  | (?P<id> \#? (?=[\w-]{0,64}\d) \w+ (?: [.-]\w+ )* )
    """,
    re.VERBOSE,
)


def action_type(action: str) -> str:
    """The action with amounts, numbers, ids, e-mail addresses and quoted names masked.

    >>> action_type("Transfer $4,200 to vendor account ending in 9821")
    'Transfer <amount> to vendor account ending in <number>'
    """
    return _MASKED.sub(lambda match: f"<{match.lastgroup}>", action)
