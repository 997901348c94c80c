"""The page on monitoring against what the API says of itself."""

import json
import re
import shutil
import subprocess
from typing import Any

import httpx
import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from loopin_mcp.api.database.steps import Load
from loopin_mcp.api.metrics.gauges import Scrape
from tests.support import START_TIMEOUT_S, missing
from tests.test_docs import PAGES, PROJECT, anchors, table

MONITORING = PAGES["docs/monitoring.md"]
DASHBOARD = json.loads((PROJECT / "packaging/grafana/loopin.json").read_text("utf-8"))
RULES = PROJECT / "packaging" / "prometheus"
# Grafana fills these in.
FILLED = {"$__rate_interval": "5m", "$job": "loopin"}

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


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard that show something."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    """The expressions of the dashboard, as Grafana sends them."""
    found = []
    for target in (target for panel in panels() for target in panel["targets"]):
        expression = target["expr"]
        for name, value in FILLED.items():
            expression = expression.replace(name, value)
        found.append(expression)
    return found


def metrics_in(expression: str) -> set[str]:
    """The metrics of an expression, without the suffixes of histograms' series."""
    promql_parser.parse(expression)
    names = re.findall(r"\b(?:loopin|process)_\w+", expression)
    return {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in names}


async def test_dashboard_shows_every_metric_and_no_other(api: httpx.AsyncClient) -> None:
    shown = {name for expression in expressions() for name in metrics_in(expression)}
    of_process = {name for name in shown if name.startswith("process_")}

    assert shown - of_process == {name for name, *_ in documented()}
    scraped = (await api.get("/metrics")).text
    assert all(f"# TYPE {name} " in scraped for name in of_process)


def test_dashboard_takes_any_data_source() -> None:
    sources = [panel["datasource"] for panel in panels()]
    sources += [target["datasource"] for panel in panels() for target in panel["targets"]]

    assert {json.dumps(each) for each in sources} == {
        json.dumps({"type": "prometheus", "uid": "${datasource}"})
    }
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "job"]


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(taken) == len(set(taken))
    assert {x for x, _ in taken} == set(range(24))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_each_alert_has_a_part_that_says_what_to_do() -> None:
    rules = (RULES / "alerts.yml").read_text("utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)
    links = re.findall(r"runbook_url: https://\S+/blob/main/docs/monitoring.md#(\w+)", rules)
    parts = re.findall(r"^### (Loopin\w+)\n\n.+?\n\n1\. ", MONITORING, re.MULTILINE | re.DOTALL)

    assert len(alerts) == 5
    assert alerts == parts
    assert links == [alert.lower() for alert in alerts]
    assert set(links) <= anchors(MONITORING)


def test_alerts_read_metrics_that_exist() -> None:
    rules = (RULES / "alerts.yml").read_text("utf-8")
    expressions = re.findall(r"expr: (?:\|\n)?((?:.+\n)+?) +for:", rules)
    read = {name for expression in expressions for name in metrics_in(expression)}

    assert len(expressions) == 5
    assert read <= {name for name, *_ in documented()}


@pytest.mark.subprocess
def test_alerts_fire_when_they_should_and_not_before() -> None:
    if shutil.which("promtool") is None:
        missing("promtool")
    done = subprocess.run(
        ["promtool", "test", "rules", str(RULES / "alerts.test.yml")],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.subprocess
async def test_prometheus_has_no_complaint_about_a_scrape(api: httpx.AsyncClient) -> None:
    if shutil.which("promtool") is None:
        missing("promtool")
    await api.get("/health")
    scraped = (await api.get("/metrics")).text
    done = subprocess.run(
        ["promtool", "check", "metrics"],  # noqa: S607
        input=scraped,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
