"""Whether Codex trusts the gate; the hashes are those that Codex 0.171.0 says itself."""

import json
import sys
from pathlib import Path

import pytest

from loopin_mcp.commands.doctor.codex_trust import check_trust
from loopin_mcp.install.machine import Machine

GATE = "/bin/loopin-mcp gate"
BEFORE_CALLS = {"type": "command", "command": f"{GATE} --timeout 590 || exit 2", "timeout": 600}
AT_PROMPTS = {"type": "command", "command": f"{GATE} || exit 2", "statusMessage": "Ask « é »"}
HOOKS = {
    "PreToolUse": [{"matcher": "Bash", "hooks": [BEFORE_CALLS]}],
    "PermissionRequest": [{"hooks": [{"type": "command", "command": "/bin/true"}, AT_PROMPTS]}],
    "Stop": "no list",
}
TRUSTED = {
    "pre_tool_use:0:0": "a7649e860f59d8361bc9a0e4653d451b83b7f8584f3a4d2ae6df5cbc4253ed7e",
    "permission_request:0:1": "4a1f3e2c9e82fcb813583c0d190d38e8df175cdb92d8612e6fee2aec2ebc7ba3",
}


@pytest.fixture
def codex(tmp_path: Path) -> Path:
    """The directory of Codex, with the gate in its hooks."""
    home = tmp_path / ".codex"
    home.mkdir()
    (home / "hooks.json").write_text(json.dumps({"hooks": HOOKS}))
    return home


def faults(codex: Path, config: str) -> list[str]:
    (codex / "config.toml").write_text(config)
    machine = Machine(sys.platform, codex.parent, {})
    found = check_trust("Codex gate", codex / "hooks.json", machine)
    assert all(each.status == "failure" and each.remedy for each in found)
    return [each.found for each in found]


def trusting(codex: Path, hashes: dict[str, str], more: str = "") -> str:
    file = json.dumps(str((codex / "hooks.json").resolve()))[1:-1]
    return "\n".join(
        f'[hooks.state."{file}:{place}"]\ntrusted_hash = "sha256:{digest}"\n{more}'
        for place, digest in hashes.items()
    )


def test_trusted_gate_passes(codex: Path) -> None:
    assert faults(codex, trusting(codex, TRUSTED)) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links")
def test_trusted_gate_passes_behind_a_link(codex: Path) -> None:
    trusted = trusting(codex, TRUSTED)
    moved = codex.rename(codex.with_name("dotfiles"))
    codex.symlink_to(moved)

    assert faults(codex, trusted.replace(".codex", "dotfiles")) == []


def test_gate_that_nobody_trusted_is_a_failure(codex: Path) -> None:
    assert faults(codex, "") == ["Codex skips the gate: it is not trusted yet"] * 2


def test_gate_that_was_changed_later_is_a_failure(codex: Path) -> None:
    earlier = TRUSTED | {"pre_tool_use:0:0": "0" * 64}

    assert faults(codex, trusting(codex, earlier)) == [
        "Codex skips the gate: it was changed after it was trusted"
    ]


def test_gate_that_is_disabled_is_a_failure(codex: Path) -> None:
    disabled = trusting(codex, TRUSTED, "enabled = false")

    assert faults(codex, disabled) == ["Codex skips the gate: it is disabled"] * 2


def test_codex_without_hooks_is_a_failure(codex: Path) -> None:
    assert faults(codex, "[features]\nhooks = false") == [
        "Codex runs no hooks: features.hooks is false"
    ]


def test_settings_that_cannot_be_read_are_reported_by_the_check_of_the_host(codex: Path) -> None:
    assert faults(codex, "nonsense") == []
