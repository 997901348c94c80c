"""What every command does with its process: imports, the log, and how it ends."""

import gc
import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from loopin_mcp.commands.signals import Stop
from loopin_mcp.errors import LoopinError, first_of

# The lowest level at which the logs of these libraries are useful.
_LEVELS = {
    logging.WARNING: ("httpx", "mcp"),
    # Uvicorn warns about every malformed request, and anyone can send many. Psycopg warns about
    # every failed attempt; LoopIn logs outages itself.
    logging.ERROR: ("uvicorn", "psycopg"),
    # These log what they send and where, some of them with the whole URL.
    logging.CRITICAL: ("urllib3", "requests_oauthlib", "paho", "pika", "slixmpp", "smpplib"),
}


@contextmanager
def loading() -> Iterator[None]:
    """Import without garbage collection, which takes a third of the time and finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def refusing() -> Iterator[None]:
    """End the program with one line on a failure, and quietly on a signal."""
    stop = Stop.on_signals()
    try:
        yield
    except (click.ClickException, click.exceptions.Exit):
        raise
    except click.Abort:
        click.echo("\nStopped.", err=True)
        raise SystemExit(stop.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(stop.exit_code) from None
    except Exception as error:
        raise _ending(error) from error


def _ending(caught: Exception) -> Exception:
    """What Click shows in one line; it ends quietly if nobody reads the output any more."""
    error = first_of(caught)
    if isinstance(error, LoopinError):
        return click.ClickException(str(error))
    if isinstance(error, BrokenPipeError):
        return error
    *_, place = traceback.extract_tb(error.__traceback__ or caught.__traceback__)
    return click.ClickException(
        f"Unexpected {type(error).__name__} at {place.filename}:{place.lineno}. Please report it."
    )


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Let a signal end the block with success, which is how a server ends."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)


def log_to_stderr() -> None:
    """Log to stderr with times, and quietly for libraries."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S%z",
    )
    for level, libraries in _LEVELS.items():
        for library in libraries:
            logging.getLogger(library).setLevel(level)
    # Python would print it with the host of a notification.
    warnings.filterwarnings("ignore", "Unverified HTTPS request")
