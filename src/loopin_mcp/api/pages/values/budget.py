"""How much work the colours of one context, or the comparisons of one decision, may take."""


class Budget:
    """What is left for lexers and comparisons, in units of about 20 microseconds.

    Agents choose the texts, so no text may make them take long.
    """

    def __init__(self, left: int = 12 * 1024) -> None:
        self._left = left

    def allows(self, cost: int) -> bool:
        """Whether that much is left; then it is taken."""
        fits = cost <= self._left
        self._left -= cost if fits else 0
        return fits
