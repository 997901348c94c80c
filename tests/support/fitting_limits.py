"""Makes generated requests fit what no schema can say: limits on changes name keys of the context.

schemathesis loads it; see SCHEMATHESIS_HOOKS.
"""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(context: object, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401
    """Fit a request's body."""
    case.body = fitting(case.body)


def fitting(body: Any) -> Any:  # noqa: ANN401 - any JSON
    """The body with limits that fit its context, if they are as the schema says."""
    if not isinstance(body, dict) or not isinstance(body.get("context"), dict):
        return body
    keys, fitted = body["context"], dict(body)
    editable, options = body.get("editable"), body.get("options")
    if (
        isinstance(editable, list)
        and _is_set(editable)
        and all(isinstance(name, str) for name in editable)
    ):
        fitted["editable"] = [name for name in editable if name in keys]
    if isinstance(options, dict) and all(map(_is_choice, options.values())):
        fitted["options"] = {}
    return fitted


def _is_choice(values: Any) -> bool:  # noqa: ANN401 - any JSON
    is_set = _is_set(values) and 1 <= len(values) <= 50
    return is_set and all(isinstance(value, str | int | float) for value in values)


def _is_set(values: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(values, list) and len({repr(value) for value in values}) == len(values)
