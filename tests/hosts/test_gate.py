"""Each host runs what a human approved, and nothing else, though it asks its user nothing."""

from tests.hosts.home import Home
from tests.hosts.human import Human, until

WRITE = "echo ran >> ran"


def lines(home: Home) -> int:
    """How often the command ran."""
    return len((home.project / "ran").read_text(encoding="utf-8").splitlines())


def test_approved_command_runs(home: Home, human: Human) -> None:
    home.guard(human)

    with home.running(home.shell(WRITE)):
        asked = human.question()
        assert not home.did()
        human.decides("approved")

    assert lines(home) == 1
    assert human.status(asked)["usedAt"]


def test_command_that_a_human_edited_runs_as_edited(home: Home, human: Human) -> None:
    home.guard(human)

    with home.running(home.shell("touch ran")):
        human.decides("approved", modifiedParams={"command": "touch edited"})

    assert home.did("edited")
    assert not home.did()


def test_rejected_command_does_not_run_and_is_not_asked_about_again(
    home: Home, human: Human
) -> None:
    home.guard(human)

    with home.running(home.shell(WRITE), home.shell(WRITE)) as model:
        human.decides("rejected", reason="Not on a Friday")
        until(lambda: len(model.results) == 2)

    assert not home.did()
    assert all("Not on a Friday" in result for result in model.results)
    assert human.questions == []


def test_approval_is_used_once_and_the_next_try_asks_again(home: Home, human: Human) -> None:
    home.guard(human)

    with home.running(home.shell(WRITE), home.shell(WRITE)):
        first = human.decides("approved")
        second = human.decides("rejected")

    assert lines(home) == 1
    assert first["interruptId"] != second["interruptId"]


def test_command_that_nobody_decides_on_in_time_does_not_run_and_asks_the_same_again(
    home: Home, human: Human
) -> None:
    home.guard(human, "--timeout 4")

    with home.running(home.shell(WRITE), home.shell(WRITE)) as model:
        asked = human.question()
        until(lambda: model.results)
        assert not home.did()
        human.decides("approved", asked)

    assert lines(home) == 1
    assert human.questions == []


def test_command_does_not_run_without_the_api(home: Home, human: Human, free_port: int) -> None:
    home.guard(human)
    home.environment["LOOPIN_API_URL"] = f"http://127.0.0.1:{free_port}"

    model = home.runs(home.shell(WRITE))

    assert len(model.results) == 1
    assert not home.did()


def test_command_does_not_run_when_its_gate_is_killed(home: Home, human: Human) -> None:
    home.guard(human)

    with home.running(home.shell(WRITE)) as model:
        human.question()
        home.end("gate")

    assert len(model.results) == 1
    assert not home.did()
    assert len(human.questions) == 1


def test_approval_is_not_used_after_the_host_was_killed(home: Home, human: Human) -> None:
    home.guard(human)

    with home.running(home.shell(WRITE)):
        asked = human.question()
        home.end(home.program)
        until(lambda: not home.processes("gate"))
        human.decides("approved", asked)

    assert not home.did()
    assert "usedAt" not in human.status(asked)


def test_standing_approval_covers_the_session_except_for_what_cannot_be_undone(
    home: Home, human: Human
) -> None:
    home.guard(human)

    commands = map(home.shell, ("touch ran", "touch too", "rm -rf ran"))
    with home.running(*commands) as model:
        human.decides_on_the_page("approved", standing="tool 900")
        dangerous = human.decides("rejected")

    assert len(model.results) == 3
    assert home.did("too")
    assert home.did()
    assert dangerous["urgency"] == "high"


def test_command_of_an_agent_that_the_model_calls_needs_an_approval_too(
    home: Home, human: Human
) -> None:
    home.guard(human)

    commands = [home.shell("touch unasked"), home.shell("touch ran")]
    with home.running(*home.host.delegation, delegated=commands):
        human.decides("rejected")
        human.decides("approved")

    assert home.did()
    assert not home.did("unasked")
