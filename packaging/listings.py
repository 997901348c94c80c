"""Fills the version, the tools and the install links into the files that others read.

`make listings` runs this. It is needed after a change of the version in pyproject.toml, of a tool,
or of claude_desktop_config.example.json.
"""

import base64
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from loopin_mcp.mcp_server.tools import TOOLS

ROOT = Path(__file__).parents[1]
MANIFEST = "packaging/mcpb/manifest.json"
DOCUMENTS = ("server.json", MANIFEST, "packaging/claude-code/.claude-plugin/plugin.json")
PAGES = ("README.md", "docs/hosts.md")
IMAGES = (
    "packaging/docker/Dockerfile",
    "packaging/docker/compose.yaml",
    "packaging/kubernetes/loopin.yaml",
)
IMAGE_VERSION = re.compile(
    r"(?<=ghcr\.io/loopin-mcp/loopin-mcp:)[\w.-]+|(?<=image\.version=\")[\w.-]+"
)
CURSOR = "https://cursor.com/en/install-mcp?name=loopin&config="
VS_CODE = "https://insiders.vscode.dev/redirect/mcp/install?name=loopin&config="
STAGES = {"a": "alpha", "b": "beta", "rc": "rc", ".dev": "dev"}


def semantic(version: str) -> str:
    """A version of PyPI as Semantic Versioning writes it: 1.2.0rc1 is 1.2.0-rc.1.

    Raises:
        ValueError: Semantic Versioning has no place for a part of it.
    """
    parts = re.fullmatch(r"(\d+\.\d+\.\d+)(?:(a|b|rc|\.dev)(\d+))?", version)
    if parts is None:
        raise ValueError(f"{version} is not like 1.2.0, 1.2.0a1, 1.2.0b1, 1.2.0rc1 or 1.2.0.dev1")
    release, stage, number = parts.groups()
    return f"{release}-{STAGES[stage]}.{number}" if stage else str(release)


def filled_document(name: str, text: str, version: str) -> str:
    """A JSON file with this version, and with the tools if it lists them."""
    document = json.loads(text)
    document["version"] = semantic(version)
    for package in document.get("packages", []):
        package["version"] = version
    if name == MANIFEST:
        document["tools"] = [
            {"name": tool.name, "description": tool.title} for tool in TOOLS.values()
        ]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def filled_page(text: str, entry: dict[str, Any]) -> str:
    """A page whose install links hold this entry of a host."""
    written = json.dumps(entry)
    for start, config in (
        (CURSOR, base64.b64encode(written.encode()).decode()),
        (VS_CODE, written),
    ):
        link = re.compile(re.escape(start) + r"[\w%.~-]*")
        text = link.sub(f"{start}{quote(config, safe='')}", text)
    return text


def filled(name: str, text: str, version: str, entry: dict[str, Any]) -> str:
    """A file with everything that is said elsewhere."""
    if name in PAGES:
        return filled_page(text, entry)
    if name in IMAGES:
        return IMAGE_VERSION.sub(semantic(version), text)
    return filled_document(name, text, version)


def main() -> None:
    """Write the files that are not up to date, and say which."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    example = json.loads((ROOT / "claude_desktop_config.example.json").read_text(encoding="utf-8"))
    version, entry = project["project"]["version"], example["mcpServers"]["loopin"]
    for name in (*DOCUMENTS, *IMAGES, *PAGES):
        old = (ROOT / name).read_text(encoding="utf-8")
        new = filled(name, old, version, entry)
        if new != old:
            (ROOT / name).write_text(new, encoding="utf-8")
            sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
