"""What a human sees of a tool call."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from loopin_mcp.gate.calls import Agent, ToolCall
from loopin_mcp.gate.facts import Facts, facts_of

Fields = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The working directory of an agent."""
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


def facts(project: Path, tool: str, fields: Fields, agent: Agent = "Claude Code") -> Facts:
    return facts_of(ToolCall(agent, "s", tool, fields, str(project)))


@pytest.mark.parametrize(
    ("agent", "tool", "fields", "action"),
    [
        ("Claude Code", "Bash", {"command": "ls"}, "Run a shell command"),
        ("Codex", "Bash", {"command": "ls"}, "Run a shell command"),
        ("Copilot", "powershell", {"command": "ls"}, "Run a shell command"),
        ("Copilot", "run_in_terminal", {"command": "ls"}, "Run a shell command"),
        ("Gemini CLI", "run_shell_command", {"command": "ls"}, "Run a shell command"),
        ("Cursor", "Shell", {"command": "ls"}, "Run a shell command"),
        (
            "Claude Code",
            "mcp__github__create_pull_request",
            {},
            "Call github · create_pull_request",
        ),
        ("Codex", "mcp__a_b__c__d", {}, "Call a_b · c__d"),
        ("Copilot", "my-server-list_issues", {}, "Call my-server · list_issues"),
        ("Copilot", "mcp_github_list", {}, "Call github · list"),
        ("Copilot", "mcp__github__list", {}, "Call github · list"),
        ("Gemini CLI", "mcp_github_create_issue", {}, "Call github · create_issue"),
        ("Cursor", "github/create_issue", {}, "Call github · create_issue"),
        ("Claude Code", "WebFetch", {"url": "https://example.org/x"}, "Fetch example.org"),
        ("Claude Code", "WebFetch", {"url": "nonsense"}, "Fetch a web page"),
        ("Claude Code", "WebFetch", {"url": ["x"]}, "Fetch a web page"),
        ("Claude Code", "WebFetch", {"url": "http://[x"}, "Use the tool WebFetch"),
        ("Claude Code", "Task", {"prompt": "Look"}, "Use the tool Task"),
        ("Claude Code", "Read", {"file_path": "src/a.py"}, "Read src/a.py"),
        ("Copilot", "str_replace_editor", {"command": "view", "path": "a.py"}, "Read a.py"),
        ("Claude Code", "Glob", {"pattern": "*.py"}, "Use the tool Glob"),
        ("Cursor", "Delete", {"path": "a.py"}, "Delete a.py"),
        ("Copilot", "editFiles", {"files": ["a.py"]}, "Use the tool editFiles"),
        ("Claude Code", "Write", {"file_path": "d/" * 600 + "x", "content": "y"}, "Create a file"),
    ],
)
def test_one_sentence_says_what_happens(
    project: Path, agent: Agent, tool: str, fields: Fields, action: str
) -> None:
    assert facts(project, tool, fields, agent).action == action


def test_input_is_shown_as_it_came_beside_the_directory(project: Path) -> None:
    fields = {"command": "ls\n" * 3, "timeout": 5, "nested": {"a": [1, None]}}

    assert facts(project, "Bash", fields).context == {"directory": str(project), **fields}


def test_field_of_the_input_keeps_its_name(project: Path) -> None:
    fields = {"command": "ls", "directory": "sub", "_directory": 1}

    context = facts(project, "run_shell_command", fields).context

    assert context == {"__directory": str(project), **fields}


def test_call_outside_of_any_directory_has_none() -> None:
    call = ToolCall("Claude Code", "s", "Write", {"file_path": "a", "content": "x"})

    assert facts_of(call).context == {"file_path": "a", "content": "x"}
    assert facts_of(call).urgency == "high"


@pytest.mark.parametrize(
    ("tool", "names"),
    [
        ("Edit", ("file_path", "old_string", "new_string")),
        ("replace", ("file_path", "old_string", "new_string")),
        ("edit", ("path", "old_str", "new_str")),
        ("str_replace_editor", ("path", "old_str", "new_str")),
        ("replace_string_in_file", ("filePath", "oldString", "newString")),
    ],
)
def test_edit_is_shown_as_a_diff(project: Path, tool: str, names: tuple[str, str, str]) -> None:
    (project / "src").mkdir()
    (project / "src/app.py").write_text("one\ntwo\nthree\n")
    path, old, new = names

    found = facts(project, tool, {path: "src/app.py", old: "two\n", new: "2\n", "x": 1})

    assert found.action == "Change src/app.py"
    assert found.urgency == "medium"
    assert found.context == {
        "directory": str(project),
        "change": "--- src/app.py\n+++ src/app.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n",
        path: "src/app.py",
        new: "2\n",
        "x": 1,
    }


@pytest.mark.parametrize(
    ("tool", "path", "content"),
    [
        ("Write", "file_path", "content"),
        ("write_file", "file_path", "content"),
        ("create", "path", "file_text"),
        ("create_file", "filePath", "content"),
        ("Write", "path", "contents"),
    ],
)
def test_new_file_is_shown_as_a_diff(project: Path, tool: str, path: str, content: str) -> None:
    found = facts(project, tool, {path: str(project / "notes.txt"), content: "a\nb"})

    assert found.action == "Create notes.txt"
    assert found.context == {
        "directory": str(project),
        "change": "--- /dev/null\n+++ notes.txt\n@@ -0,0 +1,2 @@\n+a\n+b\n"
        "\\ No newline at end of file\n",
        path: str(project / "notes.txt"),
        content: "a\nb",
    }


def test_text_that_would_not_fit_twice_is_shown_by_the_diff_only(project: Path) -> None:
    long = "x\n" * 6000

    found = facts(project, "Write", {"file_path": "a", "content": long})

    assert found.context.keys() == {"directory", "change", "file_path"}


def change(project: Path, tool: str, fields: Fields) -> str:
    """The lines that change, without the head of the diff."""
    text = facts(project, tool, fields).context["change"]
    assert isinstance(text, str)
    return "".join(line for line in text.splitlines(keepends=True)[2:] if line[0] != "@")


def test_rewritten_file_shows_only_what_differs(project: Path) -> None:
    (project / "a").write_text("".join(f"{number}\n" for number in range(100)))
    new = "".join(f"{number}\n" for number in range(100) if number != 50)

    shown = change(project, "Write", {"file_path": "a", "content": new})

    assert shown == " 47\n 48\n 49\n-50\n 51\n 52\n 53\n"


def test_every_occurrence_is_replaced_if_the_input_says_so(project: Path) -> None:
    (project / "a").write_text("x\ny\nx\n")
    fields = {"file_path": "a", "old_string": "x", "new_string": "z"}

    assert change(project, "Edit", fields | {"replace_all": True}) == "-x\n+z\n y\n-x\n+z\n"
    assert change(project, "replace", fields | {"allow_multiple": True}).count("+z") == 2
    assert change(project, "replace", fields | {"expected_replacements": 2}).count("+z") == 2


def test_several_edits_are_one_diff(project: Path) -> None:
    (project / "a").write_text("1\n2\n3\n")
    edits = [{"old_string": "1", "new_string": "one"}, {"old_string": "one\n2", "new_string": "x"}]

    found = facts(project, "MultiEdit", {"file_path": "a", "edits": edits})

    assert change(project, "MultiEdit", {"file_path": "a", "edits": edits}) == "-1\n-2\n+x\n 3\n"
    assert "edits" not in found.context


def test_edits_of_several_files_are_all_shown(project: Path) -> None:
    for name in "ab":
        (project / name).write_text("old\n")
    edits = [{"filePath": name, "oldString": "old", "newString": name} for name in "ab"]

    found = facts(project, "multi_replace_string_in_file", {"replacements": edits})

    assert found.action == "Change 2 files"
    assert found.context["change"] == "".join(
        f"--- {name}\n+++ {name}\n@@ -1 +1 @@\n-old\n+{name}\n" for name in "ab"
    )


@pytest.mark.parametrize("key", ["insert_text", "new_str"])
def test_inserted_line_is_shown_in_its_place(project: Path, key: str) -> None:
    (project / "a").write_text("1\n3\n")
    fields = {"command": "insert", "path": "a", "insert_line": 1, key: "2"}

    assert change(project, "str_replace_editor", fields) == " 1\n+2\n 3\n"
    assert change(project, "str_replace_editor", fields | {key: "2\n"}) == " 1\n+2\n 3\n"


def test_windows_line_ends_are_kept(project: Path) -> None:
    (project / "a").write_bytes(b"1\r\n2\r\n")
    fields = {"file_path": "a", "old_string": "1\n2", "new_string": "1\nx"}

    assert change(project, "Edit", fields) == " 1\r\n-2\r\n+x\r\n"
    assert change(project, "Write", {"file_path": "a", "content": "1\n2\r\n"}) == "-1\r\n+1\n 2\r\n"


def test_empty_file_is_filled(project: Path) -> None:
    (project / "a").write_text("")
    fields = {"file_path": "a", "old_string": "", "new_string": "x\n"}

    assert change(project, "Edit", fields) == "+x\n"
    assert facts(project, "Edit", fields | {"file_path": "b"}).action == "Create b"


EDIT = {"file_path": "a", "old_string": "x", "new_string": "z"}


@pytest.mark.parametrize(
    "fields",
    [
        EDIT | {"old_string": "absent"},
        EDIT | {"old_string": ""},
        EDIT | {"file_path": "missing"},
        EDIT | {"new_string": 7},
        EDIT | {"new_string": "x"},
        EDIT | {"replace_all": "true"},
        EDIT | {"expected_replacements": 2},
        # Only the tool knows which of these count.
        EDIT | {"content": "y"},
        EDIT | {"insert_line": 1},
        EDIT | {"path": "b"},
        EDIT | {"edits": []},
        EDIT | {"edits": [{"old_string": "x", "new_string": "y"}]},
        {"file_path": "a", "edits": ["x"]},
        {"file_path": "a", "edits": [{"old_string": "x", "new_string": "y", "more": "z"}]},
        {"file_path": "a", "edits": {}},
        {"file_path": "a", "old_string": "x"},
        {"file_path": "a", "content": "x\ny\n"},
        {"file_path": "a", "content": None},
        {"file_path": "a", "insert_line": 9, "insert_text": "y"},
        {"file_path": "a", "insert_line": "1", "insert_text": "y"},
        {"file_path": "b", "insert_line": 1, "insert_text": "y"},
        {"file_path": "a", "code": "x"},
        {"file_path": "", "content": "x"},
        {"file_path": ["a"], "content": "x"},
        {"content": "x"},
        {"file_path": "a\0", "content": "x"},
        {"file_path": "directory", "content": "x"},
        {"file_path": "binary", "content": "x"},
        {"file_path": "latin", "content": "x"},
        {"file_path": "huge", "content": "x"},
        {"file_path": "a/b", "content": "x"},
    ],
)
def test_change_that_cannot_be_computed_is_shown_as_it_came(project: Path, fields: Fields) -> None:
    (project / "a").write_text("x\ny\n")
    (project / "directory").mkdir()
    (project / "binary").write_bytes(b"a\0b")
    (project / "latin").write_bytes(b"\xe9")
    (project / "huge").write_bytes(b"x" * 2_000_000)

    found = facts(project, "Edit", fields)

    assert found.context == {"directory": str(project), **fields}
    assert not found.action.startswith("Create")


def test_several_occurrences_are_not_guessed_about(project: Path) -> None:
    (project / "a").write_text("x\nx\n")

    assert facts(project, "Edit", EDIT).context == {"directory": str(project), **EDIT}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_edits_that_multiply_a_file_are_shown_as_they_came(project: Path) -> None:
    (project / "a").write_text("x" * 1000)
    edits = [{"old_string": "x", "new_string": "xx", "replace_all": True}] * 50

    found = facts(project, "MultiEdit", {"file_path": "a", "edits": edits})

    assert found.context["edits"] == edits


def test_file_that_never_ends_is_not_read(project: Path) -> None:
    os.mkfifo(project / "a")

    assert facts(project, "Edit", EDIT).context == {"directory": str(project), **EDIT}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows links need rights")
def test_link_is_followed_to_what_it_changes(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "outside.txt"
    target.write_text("x\n")
    (project / "a").symlink_to(target)
    (project / "loop").symlink_to("loop")

    found = facts(project, "Edit", EDIT)

    assert found.action == f"Change {target}"
    assert found.urgency == "high"
    assert found.context["leads_to"] == str(target)
    assert found.context["file_path"] == "a"
    assert "-x\n+z\n" in str(found.context["change"])
    assert facts(project, "Write", {"file_path": "loop", "content": "x"}).urgency == "high"


PATCH = """\
*** Begin Patch
*** Update File: src/a.py
*** Move to: src/b.py
@@ def f():
-old
+new
*** Add File: c.py
+c
*** Delete File: d.py
*** End Patch
"""


@pytest.mark.parametrize("key", ["command", "input", "patch"])
def test_patch_is_shown_as_it_is(project: Path, key: str) -> None:
    found = facts(project, "apply_patch", {key: PATCH, "explanation": "x"}, "Codex")

    assert found.action == "Change 4 files"
    assert found.context == {"directory": str(project), "change": PATCH, "explanation": "x"}
    assert found.urgency == "medium"


def test_patch_of_one_new_file_creates_it(project: Path) -> None:
    patch = "*** Begin Patch\n*** Add File: c.py\n+c\n*** End Patch"

    assert facts(project, "apply_patch", {"command": patch}).action == "Create c.py"
    in_text = f"<<'EOF'\n{patch}\nEOF"
    assert facts(project, "apply_patch", {"command": in_text}).action == "Create c.py"


@pytest.mark.parametrize(
    "fields",
    [
        {"command": "echo"},
        {"command": "*** Begin Patch\n*** End Patch"},
        {"command": PATCH.replace("Begin", "Start")},
        {"command": PATCH, "input": PATCH},
        {"command": [PATCH]},
        {},
    ],
)
def test_text_that_is_not_a_patch_is_shown_as_it_came(project: Path, fields: Fields) -> None:
    assert facts(project, "apply_patch", fields).context == {"directory": str(project), **fields}


CELLS = [{"id": "one", "source": ["a\n", "b"]}, {"id": "two", "source": "c"}, {"id": "bad"}]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"cell_id": "one", "new_source": "a\nx"}, " a\n-b\n\\ No newline at end of file\n+x\n"),
        ({"cell_id": "two", "new_source": "d"}, "-c\n\\ No newline at end of file\n+d\n"),
        ({"cell_id": "two", "edit_mode": "delete", "new_source": ""}, "-c\n"),
        ({"cell_id": "two", "edit_mode": "insert", "new_source": "d"}, "+d\n"),
    ],
)
def test_cell_of_a_notebook_is_shown_as_a_diff(project: Path, fields: Fields, shown: str) -> None:
    (project / "n.ipynb").write_text(json.dumps({"cells": CELLS}))
    fields = {"notebook_path": "n.ipynb", **fields}

    found = facts(project, "NotebookEdit", fields)

    assert change(project, "NotebookEdit", fields).startswith(shown)
    assert found.action == "Change n.ipynb"
    assert found.context["cell_id"] == fields["cell_id"]
    is_shown = fields.get("edit_mode") != "delete"
    assert found.context.get("new_source") == (fields.get("new_source") if is_shown else None)


@pytest.mark.parametrize(
    ("notebook", "fields"),
    [
        ("{", {"cell_id": "one", "new_source": "x"}),
        ("[]", {"cell_id": "one", "new_source": "x"}),
        ('{"cells": {}}', {"cell_id": "one", "new_source": "x"}),
        (json.dumps({"cells": CELLS}), {"cell_id": "bad", "new_source": "x"}),
        (json.dumps({"cells": CELLS}), {"cell_id": "none", "new_source": "x"}),
        (json.dumps({"cells": CELLS}), {"new_source": "x"}),
        (json.dumps({"cells": CELLS}), {"cell_id": "one", "new_source": 1}),
        (json.dumps({"cells": CELLS}), {"cell_id": "one", "edit_mode": "other"}),
    ],
)
def test_cell_that_cannot_be_found_is_shown_as_it_came(
    project: Path, notebook: str, fields: Fields
) -> None:
    (project / "n.ipynb").write_text(notebook)
    fields = {"notebook_path": "n.ipynb", **fields}

    assert facts(project, "NotebookEdit", fields).context == {"directory": str(project), **fields}


def test_command_that_follows_a_link_out_of_the_project_is_urgent(project: Path) -> None:
    (project / "link").symlink_to(project.parent)
    (project / "inside").symlink_to(project / "a")

    assert facts(project, "Bash", {"command": "ls link"}).urgency == "high"
    assert facts(project, "Bash", {"command": "ls link/x"}).urgency == "high"
    assert facts(project, "Bash", {"command": "ls inside"}).urgency == "medium"


def test_command_with_a_whole_path_is_urgent_outside_of_the_project(project: Path) -> None:
    assert facts(project, "Bash", {"command": f"ls '{project.parent}'"}).urgency == "high"
    assert facts(project, "Bash", {"command": f"ls '{project}'"}).urgency == "medium"


@pytest.mark.parametrize(
    ("tool", "fields", "urgency"),
    [
        ("Read", {"file_path": "a"}, "low"),
        ("Read", {"file_path": "../a"}, "high"),
        ("Read", {"file_path": "/etc/passwd"}, "high"),
        ("Grep", {"pattern": "x"}, "low"),
        ("Grep", {"pattern": "x", "path": "/etc"}, "high"),
        ("Glob", {"pattern": "/etc/*"}, "high"),
        ("Glob", {"pattern": "~/*"}, "high"),
        ("Glob", {"pattern": "a/../../*"}, "high"),
        ("Delete", {"path": "a"}, "medium"),
        ("Delete", {"path": "/a"}, "high"),
        ("Write", {"file_path": "a/../b", "content": "x"}, "medium"),
        ("Write", {"file_path": "../b", "content": "x"}, "high"),
        ("Write", {"file_path": "~/b", "content": "x"}, "high"),
        ("Write", {"file_path": "~nobody-at-all/b", "content": "x"}, "medium"),
        ("Write", {"file_path": ".claude/settings.json", "content": "x"}, "high"),
        ("Write", {"file_path": ".git/hooks/pre-commit", "content": "x"}, "high"),
        ("Write", {"file_path": ".github/workflows/ci.yml", "content": "x"}, "high"),
        ("Write", {"file_path": ".github/CODEOWNERS", "content": "x"}, "medium"),
        ("Write", {"file_path": ".mcp.json", "content": "x"}, "high"),
        ("Write", {"file_path": ".claude.json", "content": "x"}, "high"),
        ("Write", {"file_path": ".zshenv", "content": "x"}, "high"),
        ("Write", {"file_path": ".local/share/loopin-mcp/hosts/codex.env", "content": "x"}, "high"),
        ("Write", {"file_path": "a", "content": "rm -rf /"}, "medium"),
        ("apply_patch", {"command": PATCH.replace("c.py", "../c.py")}, "high"),
        ("Bash", {"command": "ls"}, "medium"),
        ("Bash", {"command": "rm -rf x"}, "high"),
        ("Bash", {"command": "cat ../../x"}, "high"),
        ("Bash", {"command": "cd .."}, "high"),
        ("Bash", {"command": "cat ~/.ssh/id_rsa"}, "high"),
        ("Bash", {"command": "cat $HOME/x"}, "high"),
        ("Bash", {"command": 'cat "${HOME}/x"'}, "high"),
        ("Bash", {"command": "echo x >>~/.bashrc"}, "high"),
        ("Bash", {"command": "curl -d@../x localhost"}, "high"),
        ("Bash", {"command": "make --directory=.."}, "high"),
        ("Bash", {"command": "tar -C.. -xf a.tar"}, "high"),
        ("Bash", {"command": "cat a/../../x"}, "high"),
        ("Bash", {"command": "cp a .claude/settings.json"}, "high"),
        ("Bash", {"command": "echo x>.git/hooks/pre-commit"}, "high"),
        ("Bash", {"command": "ls", "workdir": ".."}, "high"),
        ("Bash", {"command": "cat a/../b ./c .gitignore"}, "medium"),
        ("Bash", {"command": "sed '/no-such-directory/d' a 2>/dev/null"}, "medium"),
        ("Bash", {"command": "/usr/bin/env ls; go test ./... HEAD~1 main..x"}, "medium"),
        ("Bash", {"command": "git clone https://example.org/a/b.git"}, "medium"),
        ("mcp__fs__write_file", {"path": "~/x", "content": "x"}, "high"),
        ("mcp__github__get_file", {"path": "/no-such-directory/a"}, "medium"),
        ("Delete", {}, "high"),
        ("Read", {"file_path": "~" + "x" * 5_000_000}, "high"),
        ("Bash", {"command": "ls ~" + "x" * 50_000}, "high"),
        ("Write", {"filename": "../../b", "content": "x"}, "high"),
        ("mcp__db__query", {"sql": "DROP TABLE users"}, "high"),
        ("mcp__ssh__run", {"steps": [{"do": "sudo ls"}]}, "high"),
        ("mcp__github__create_issue", {"body": "`$x` is wrong"}, "medium"),
        ("WebFetch", {"url": "https://example.org"}, "medium"),
    ],
)
def test_urgency_is_that_of_what_is_touched(
    project: Path, tool: str, fields: Fields, urgency: str
) -> None:
    assert facts(project, tool, fields).urgency == urgency
