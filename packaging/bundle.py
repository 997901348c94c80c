"""Builds the bundle for Claude Desktop in `dist`, or in the directory named; prints where it is.

`make bundle` runs this. It needs npm, which brings the program that checks and packs bundles.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import tomlkit

ROOT = Path(__file__).parents[1]
MCPB = "@anthropic-ai/mcpb@2.1.2"
ICON = "src/loopin_mcp/api/pages/static/app/icon-512.png"
# The first moment that a ZIP file can hold: the same files make the same bundle.
TIME = (1980, 1, 1, 0, 0, 0)


def stage(place: Path) -> str:
    """Put all files of the bundle into a directory; returns the bundle's version."""
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", place / "src", ignore=leave_out)
    for name in (
        "README.md",
        "LICENSE",
        "packaging/mcpb/manifest.json",
        "packaging/mcpb/server.py",
    ):
        shutil.copyfile(ROOT / name, place / Path(name).name)
    shutil.copyfile(ROOT / ICON, place / "icon.png")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (place / "pyproject.toml").write_text(without_extras(project), encoding="utf-8")
    manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
    return str(manifest["version"])


def without_extras(text: str) -> str:
    """A pyproject.toml that installs the notifications too, and no tools for development.

    A host locks all extras before the first start, so fewer of them make it faster.
    """
    whole = tomlkit.parse(text).unwrap()
    project = whole["project"]
    extras = project.pop("optional-dependencies")
    project["dependencies"] += extras["notify"]
    wheel = whole["tool"]["hatch"]["build"]["targets"]["wheel"]
    kept = {
        "build-system": whole["build-system"],
        "project": project,
        "tool": {"hatch": {"build": {"targets": {"wheel": wheel}}}},
    }
    return tomlkit.dumps(kept)


def pack(staged: Path, packed: Path) -> None:
    """Check the manifest, and pack the directory."""
    command = [shutil.which("npx") or "npx", "--yes", f"--package={MCPB}", "mcpb", "pack"]
    done = subprocess.run(
        [*command, str(staged), str(packed)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def make_reproducible(packed: Path, bundle: Path) -> None:
    """Copy a bundle, with its files in order and without times and rights of this machine."""
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(bundle, "w") as new:
        for name in sorted(old.namelist()):
            entry = zipfile.ZipInfo(name, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            new.writestr(entry, old.read(name))


def main() -> None:
    """Build the bundle."""
    place = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "dist"
    with tempfile.TemporaryDirectory() as scratch:
        staged, packed = Path(scratch) / "bundle", Path(scratch) / "packed.mcpb"
        version = stage(staged)
        pack(staged, packed)
        bundle = place / f"loopin-mcp-{version}.mcpb"
        place.mkdir(exist_ok=True)
        make_reproducible(packed, bundle)
    sys.stdout.write(f"{bundle}\n")


if __name__ == "__main__":
    main()
