"""The page on monitoring against what the API says of itself."""

import re

import httpx
from prometheus_client.parser import text_string_to_metric_families

from loopin_mcp.api.database.steps import Load
from loopin_mcp.api.metrics.gauges import Scrape
from tests.test_docs import PAGES, table

MONITORING = PAGES["docs/monitoring.md"]

# The name of a metric, its type, and its labels.
Described = tuple[str, str, frozenset[str]]


def documented() -> set[Described]:
    rows = table(MONITORING, "Metric")
    return {
        (name.strip("`"), kind, frozenset(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, *_ in rows
    }


async def test_table_of_metrics_is_what_a_scrape_has(api: httpx.AsyncClient) -> None:
    await api.get("/health")
    scraped = described((await api.get("/metrics")).text)
    of_postgresql = Scrape((), None, Load("postgresql", pool={"pool_max": 10}), {}, 1).collect()
    pool = {
        (name_of(family.name, family.type), family.type, frozenset(family.samples[0].labels))
        for family in of_postgresql
        if family.name.startswith("loopin_pool")
    }

    assert documented() == scraped | pool


def described(text: str) -> set[Described]:
    """The metrics in a scrape, with their labels; `le` is that of every histogram's buckets."""
    return {
        (
            name_of(family.name, family.type),
            family.type,
            frozenset(name for sample in family.samples for name in sample.labels) - {"le"},
        )
        for family in text_string_to_metric_families(text)
        if family.name.startswith("loopin_")
    }


def name_of(family: str, kind: str) -> str:
    return f"{family}_total" if kind == "counter" else family
