"""Reads a scrape of `GET /metrics`."""

import httpx
from prometheus_client.parser import text_string_to_metric_families


async def scrape(api: httpx.AsyncClient, prefix: str = "loopin_") -> dict[str, float]:
    """The samples that are not 0, by names such as `loopin_waiters kind=calls`."""
    answer = await api.get("/metrics")
    assert answer.status_code == 200, answer.text
    return samples(answer.text, prefix)


def samples(text: str, prefix: str = "loopin_") -> dict[str, float]:
    """The samples in a scrape that are not 0."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = (f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[" ".join([sample.name, *labels])] = sample.value
    return {name: value for name, value in found.items() if value and name.startswith(prefix)}
