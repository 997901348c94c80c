"""Values of files that hold secrets by their names never reach the API."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from loopin_mcp.gate.calls import ToolCall
from loopin_mcp.gate.facts import Facts, facts_of

SECRET = "hunter2"


def facts(project: Path, tool: str, **fields: Any) -> Facts:  # noqa: ANN401 - JSON
    found = facts_of(ToolCall("Claude Code", "s", tool, fields, str(project)))
    shown = json.dumps([found.action, found.context])
    assert (SECRET in shown) is not found.is_masked
    return found


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        ".envrc",
        ".ENV",
        "prod.env",
        "config/.env.production",
        "server.pem",
        "tls.key",
        "id_rsa",
        "id_ed25519",
        "id_ed25519_sk",
        "cert.p12",
        "store.jks",
        "credentials",
        "credentials.json",
        "aws_credentials.csv",
        "client-secret.json",
        "secrets.yaml",
        "app.secrets.toml",
        ".npmrc",
        ".pypirc",
        ".netrc",
        "_netrc",
        ".git-credentials",
        ".pgpass",
        "prod.tfvars",
        "service-account-1.json",
        ".aws/config",
        ".kube/config",
        ".docker/config.json",
        ".ssh/config",
        ".envs/production",
        ".env.bak",
        "app.env.production",
        ".dev.vars",
        "id_rsa.old",
        "server.key~",
        "kubeconfig",
        "prod.kubeconfig.yaml",
        "terraform.tfstate",
        "terraform.tfstate.backup",
        "auth.json",
        "gcp-key.json",
        "api_keys.json",
        "user_accessKeys.csv",
        "passwords.txt",
        "x-firebase-adminsdk-y.json",
        ".vault_pass",
        "htpasswd",
    ],
)
def test_file_with_such_a_name_is_masked(tmp_path: Path, name: str) -> None:
    found = facts(tmp_path, "Write", file_path=name, content=f"-----\n{SECRET}\n")

    assert found.is_masked
    assert found.context["file_path"] == name
    assert "+•••\n+•••\n" in str(found.context["change"])


@pytest.mark.parametrize(
    "name",
    [
        "a.py",
        "old.bak",
        "tokens.json",
        "keyboard.json",
        "environment.py",
        "keys.py",
        "id_rsa.pub",
        ".ssh/known_hosts",
        "public.md",
        "envoy",
    ],
)
def test_file_with_another_name_is_not(tmp_path: Path, name: str) -> None:
    assert not facts(tmp_path, "Write", file_path=name, content=SECRET).is_masked


@pytest.mark.parametrize("part", ["secret.", ".bak", "x-firebase-adminsdk-", "credentials-"])
def test_long_name_is_searched_in_a_time_that_ends(tmp_path: Path, part: str) -> None:
    """While a pattern is searched, nothing else in the process can end it."""
    facts(tmp_path, "Write", file_path=f"{part * 200}\n", content=SECRET)
    facts(tmp_path, "mcp__fs__write", path=f"{part * 200_000}\n", content=SECRET)


def test_secret_of_an_unknown_directory_is_masked() -> None:
    fields: dict[str, Any] = {"file_path": ".env", "content": f"A={SECRET}"}
    found = facts_of(ToolCall("Claude Code", "s", "Write", fields))

    assert found.context == {"file_path": ".env", "content": "A=•••"}
    assert found.is_masked


def test_lines_that_change_are_named(tmp_path: Path) -> None:
    before = "# of the shop\nexport USER=me\nTOKEN=old\nEMPTY=\n"
    (tmp_path / ".env").write_text(before)

    found = facts(tmp_path, "Edit", file_path=".env", old_string="old", new_string=SECRET)

    assert found.context == {
        "directory": str(tmp_path),
        "change": "--- .env\n+++ .env\n@@ -1,4 +1,4 @@\n •••\n export USER=•••\n-TOKEN=•••\n"
        "+TOKEN=•••\n •••\n",
        "file_path": ".env",
    }


@pytest.mark.parametrize(
    ("name", "line", "shown"),
    [
        (".env", f"KEY={SECRET}", "KEY=•••"),
        (".env", f"KEY = '{SECRET}' # {SECRET}", "KEY = •••"),
        (".env", f'export KEY="{SECRET}"', "export KEY=•••"),
        (".env", f"  KEY: {SECRET}", "  KEY: •••"),
        (".env", f"# KEY={SECRET}", "•••"),
        (".env", f"{SECRET}==", "•••"),
        (".env", f"{SECRET}", "•••"),
        ("secrets.yaml", f"- name: {SECRET}", "- name: •••"),
        ("secrets.json", f'  "key": "{SECRET}",', '  "key": •••'),
        (".npmrc", f"//registry.npmjs.org/:_authToken={SECRET}", "//registry.npmjs.org/:•••"),
        (".netrc", f"machine x login y password {SECRET}", "•••"),
        ("id_rsa", f"{SECRET}=", "•••"),
        ("id_rsa", f"a: {SECRET}", "•••"),
        (".git-credentials", f"https://me:{SECRET}@example.org", "•••"),
    ],
)
def test_mask_shows_at_most_the_name_of_a_value(
    tmp_path: Path, name: str, line: str, shown: str
) -> None:
    found = facts(tmp_path, "Write", file_path=name, content=f"{line}\n")

    assert str(found.context["change"]).splitlines()[3] == f"+{shown}"


def test_input_whose_change_cannot_be_computed_is_masked_too(tmp_path: Path) -> None:
    found = facts(
        tmp_path,
        "Edit",
        file_path=".env",
        old_string=f"A={SECRET}\n\nB=1",
        new_string=SECRET,
        replace_all=True,
        note={"deep": [SECRET, 7]},
    )

    assert found.context == {
        "directory": str(tmp_path),
        "file_path": ".env",
        "old_string": "A=•••\n\nB=•••",
        "new_string": "•••",
        "replace_all": True,
        "note": {"deep": ["•••", 7]},
    }


@pytest.mark.skipif(sys.platform == "win32", reason="Windows links need rights")
def test_link_to_a_secret_is_masked(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\n")
    (tmp_path / "notes.txt").symlink_to(".env")

    assert facts(tmp_path, "Write", file_path="notes.txt", content=SECRET).is_masked


def test_patch_is_masked_where_it_touches_a_secret(tmp_path: Path) -> None:
    patch = f"""\
*** Begin Patch
*** Update File: .env
*** Move to: notes.txt
@@ A={SECRET}
-A={SECRET}
+A=1
 {SECRET}
*** Update File: a.py
+a = 1
*** End Patch"""

    found = facts(tmp_path, "apply_patch", command=patch)

    assert found.is_masked
    assert str(found.context["change"]).splitlines()[3:9] == [
        "@•••",
        "-A=•••",
        "+A=•••",
        " •••",
        "*** Update File: a.py",
        "+a = 1",
    ]


def test_other_tools_show_all_but_the_content_of_a_secret(tmp_path: Path) -> None:
    found = facts(
        tmp_path, "mcp__github__create_file", owner="me", path="x/.env", content=f"A={SECRET}"
    )

    assert found.is_masked
    assert found.context == {
        "directory": str(tmp_path),
        "owner": "me",
        "path": "x/.env",
        "content": "A=•••",
    }


def test_command_is_shown_whole(tmp_path: Path) -> None:
    assert not facts(tmp_path, "Bash", command=f"echo A={SECRET} > .env").is_masked
