"""The image, the compose file and the Kubernetes example start the API that this version has."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from loopin_mcp.api.store.store import Store
from loopin_mcp.errors import ConfigurationError
from loopin_mcp.settings.settings import Settings
from tests.packaging.conftest import PROJECT
from tests.support import api_client, missing
from tests.test_docs import snippets

PACKAGING = PROJECT / "packaging"
PAGE = (PROJECT / "docs/containers.md").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((PACKAGING / "docker/compose.yaml").read_text(encoding="utf-8"))
OBJECTS = {
    each["kind"]: each
    for each in yaml.safe_load_all((PACKAGING / "kubernetes/loopin.yaml").read_text("utf-8"))
}
PODS = OBJECTS["Deployment"]["spec"]
[CONTAINER] = PODS["template"]["spec"]["containers"]
SECRETS = OBJECTS["Secret"]["stringData"]
EXAMPLES = {
    "DATABASE_URL": "postgresql://loopin:password@db.example.com/loopin?sslmode=verify-full",
    "API_KEY_SECRET": "a" * 32,
    "REVIEWER_KEYS": f"alice={'b' * 32},bob={'c' * 32}",
    "AUDIT_KEY": "d" * 32,
    "CALLBACK_SECRET": f"whsec_{'e' * 43}=",
}
PROBES = [CONTAINER[name]["httpGet"] for name in CONTAINER if name.endswith("Probe")]
CLUSTER = {variable["name"]: variable["value"] for variable in CONTAINER["env"]}


def filled_in(text: str, values: dict[str, str]) -> str:
    """A text of the compose file with the values of `.env`."""
    return re.sub(r"\$\{(\w+):[-?][^}]*\}", lambda found: values.get(found[1], ""), text)


@pytest.mark.subprocess
def test_settings_that_the_compose_page_writes_start_its_api(tmp_path: Path) -> None:
    if shutil.which("openssl") is None or shutil.which("bash") is None:
        missing("openssl")
    [block] = [
        each for each in re.findall(r"^```sh\n(.*?)^```", PAGE, re.S | re.M) if "END" in each
    ]
    written = block.partition("docker compose")[0].replace("cd packaging/docker", "")

    subprocess.run(["bash", "-e", "-c", written], cwd=tmp_path, check=True)  # noqa: S607

    lines = (tmp_path / ".env").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines)
    given = COMPOSE["services"]["api"]["environment"]
    settings = Settings.load({name: filled_in(text, values) for name, text in given.items()}, "api")
    assert settings.public_url == "https://loopin.example.com"
    assert [*(settings.reviewer_keys or {})] == ["alice", "bob"]
    assert settings.callback_secret is not None
    assert settings.database_url == (
        f"postgresql://loopin:{values['POSTGRES_PASSWORD']}@database/loopin"
    )
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_compose_services_may_change_nothing_that_they_do_not_need() -> None:
    for service in COMPOSE["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    reachable = [name for name, service in COMPOSE["services"].items() if "ports" in service]
    assert reachable == ["proxy"]
    assert COMPOSE["services"]["database"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_compose_builds_the_image_that_it_names() -> None:
    build = COMPOSE["services"]["api"]["build"]

    assert (PACKAGING / "docker" / build["context"]).samefile(PROJECT)
    assert (PROJECT / build["dockerfile"]).samefile(PACKAGING / "docker/Dockerfile")


def test_kubernetes_example_is_accepted_once_it_is_filled_in() -> None:
    settings = Settings.load(EXAMPLES | CLUSTER, "api")

    assert SECRETS.keys() == EXAMPLES.keys()
    assert settings.public_url == "https://loopin.example.com"


@pytest.mark.parametrize("name", SECRETS)
def test_value_that_was_not_replaced_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} holds a placeholder"):
        Settings.load(EXAMPLES | CLUSTER | {name: SECRETS[name]}, "api")


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: str(probe["path"]))
async def test_probe_by_the_address_of_a_pod_is_answered(
    probe: dict[str, Any], store: Store
) -> None:
    async with api_client(store, listens_on="0.0.0.0", api_key="k") as prober:  # noqa: S104
        answer = await prober.get(probe["path"], headers={"Host": "10.1.2.3:3002"})

    assert answer.status_code == 200


def test_traffic_follows_readiness_and_restarts_follow_health() -> None:
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/health"


def test_no_example_makes_the_program_the_first_process_of_its_container() -> None:
    assert COMPOSE["services"]["api"]["init"] is True
    assert PODS["template"]["spec"]["shareProcessNamespace"] is True
    started = [block for block in snippets(PAGE, "sh") if "docker run" in block]
    assert ["--init" in block for block in [*started, *snippets(PAGE, "json")]] == [True, True]


def test_kubernetes_keeps_a_copy_during_updates_and_drains() -> None:
    labels = PODS["template"]["metadata"]["labels"]

    assert PODS["replicas"] == 2
    assert PODS["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert OBJECTS["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    assert PODS["selector"]["matchLabels"] == labels
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["Service"]["spec"]["selector"] == labels


def test_service_of_kubernetes_does_not_become_a_setting() -> None:
    service = OBJECTS["Service"]["metadata"]["name"].upper()

    with pytest.raises(ConfigurationError, match="LOOPIN_PORT"):
        Settings.load({f"{service}_PORT": "tcp://10.1.2.3:80"}, "api")
    assert PODS["template"]["spec"]["enableServiceLinks"] is False


def test_host_that_starts_a_container_passes_on_the_settings() -> None:
    [block] = snippets(PAGE, "json")
    entry = json.loads(block)["mcpServers"]["loopin"]
    words = entry["args"]

    passed = [words[n + 1] for n, word in enumerate(words) if word == "--env"]
    assert passed == list(entry["env"])
    assert Settings.load(entry["env"]).api_url == "https://loopin.example.com"
    assert words[-1] == "loopin-mcp"
