"""What was found whole is remembered, for a bounded number of interrupts."""

from loopin_mcp.api.audit.audit_keys import MOST_WHOLE, AuditKeys


def test_only_the_latest_are_remembered_and_only_as_they_were() -> None:
    keys = AuditKeys(["secret"])
    for number in range(MOST_WHOLE + 1):
        keys.remember_whole(str(number), b"mark")

    assert not keys.is_known_whole("0", b"mark")
    assert keys.is_known_whole("1", b"mark")
    assert not keys.is_known_whole("1", b"another")
