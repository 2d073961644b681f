"""Entry point: a lazy table of commands and the one door out of the program.

Commands are imported when they are called, so ``--help`` and ``status`` load neither numpy nor scipy.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from releasectl import __version__
from releasectl.errors import Conflict, Denied, ManifestError, ReleasectlError, Unavailable, UsageError

COMMANDS = {
    # before the merge
    "demo": ("releasectl.cli.commands.demo:demo", "Watch a bad candidate rolled back and a good one promoted."),
    "validate": ("releasectl.cli.commands.validate:validate", "Check manifests, and how they fit together."),
    "plan": ("releasectl.cli.commands.plan:plan", "Tell what merging a change would do."),
    "schema": ("releasectl.cli.commands.schema:schema", "Print the JSON Schema of a kind, for editors."),
    "decide": ("releasectl.cli.commands.decide:decide_offline", "Run one decision from files, without a world."),
    "test": ("releasectl.cli.commands.test:test", "Run policy tests: evidence in, expected decisions out."),
    "simulate": ("releasectl.cli.commands.simulate:simulate", "Tell error rates and times before a release."),
    # the controller
    "run": ("releasectl.cli.commands.run:run", "Reconcile the releases of a repository."),
    "down": ("releasectl.cli.commands.down:down", "Stop the router and the processes that `run` left serving."),
    # what is going on, and why
    "status": ("releasectl.cli.commands.status:status", "Show releases, their shares and their evidence."),
    "wait": ("releasectl.cli.commands.wait:wait", "Wait until it is known what became of a candidate."),
    "history": ("releasectl.cli.commands.history:history", "List the decisions of the ledger."),
    "explain": ("releasectl.cli.commands.explain:explain", "Tell why a decision was taken, with its numbers."),
    "replay": ("releasectl.cli.commands.replay:replay", "Make recorded decisions again and compare them."),
    "metrics": ("releasectl.cli.commands.metrics:metrics", "Tell what other shares would have earned."),
    "review": ("releasectl.cli.commands.review:review", "Judge answers of stable and candidate, blind."),
    # people's commits
    "pause": ("releasectl.cli.commands.people:pause", "Ask the controller to advance nothing for a release."),
    "resume": ("releasectl.cli.commands.people:resume", "End a pause."),
    "promote": ("releasectl.cli.commands.people:promote", "Make the candidate stable now."),
    "rollback": ("releasectl.cli.commands.people:rollback", "Take the candidate back now."),
    "approve": ("releasectl.cli.commands.people:approve", "Approve the candidate."),
    "reject": ("releasectl.cli.commands.people:reject", "Reject the candidate: the trial ends."),
    "lift": ("releasectl.cli.commands.people:lift", "Allow held artifacts to be tried again."),
}
GROUPS = {
    "Before the merge": ("demo", "validate", "plan", "schema", "decide", "test", "simulate"),
    "The controller": ("run", "down"),
    "What is going on, and why": ("status", "wait", "history", "explain", "replay", "metrics", "review"),
    "People's commits": ("approve", "reject", "pause", "resume", "promote", "rollback", "lift"),
}

EXIT_CODES = """\b
Exit codes: 0 done; 1 a negative answer; 3 waiting for a person; 4 still in progress at --timeout;
5 precondition or conflict; 6 a dependency could not be reached; 64 usage; 70 our bug; 130 interrupted."""


class _ReaderGone(Exception):
    """Whoever read our output has seen enough: head, less."""


class LazyGroup(click.Group):
    """Knows names and one-line helps by heart and imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"no command '{args[0]}'{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as gone:
            # click would end the program with 1.
            raise _ReaderGone from gone

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names])


@click.group(
    cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message="releasectl %(version)s")
def cli() -> None:
    """Release machine-learning models from git: canaries judged by statistics, decisions as commits.

    \b
    Start here:
      releasectl demo                    see it work on this machine
      releasectl validate                check the manifests in this folder
      releasectl run -R path/to/repo.git reconcile a repository
      releasectl status                  what is going on
    """


def run() -> NoReturn:
    """The program."""
    # Imports make a hundred thousand objects that stay; to search them for garbage on the way is a tenth of `status`.
    gc.set_threshold(100_000, 50, 50)
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run the command line; every way out of the program passes here."""
    try:
        code = cli.main(arguments, prog_name="releasectl", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as left:
        return left.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 64
    except (_ReaderGone, BrokenPipeError):
        # Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ReleasectlError as error:
        _tell(error)
        return _code(error)
    except Exception as error:
        _report(error, arguments)
        return 70


def _code(error: ReleasectlError) -> int:
    match error:
        case ManifestError():
            return 1
        case Conflict() | Denied():
            return 5
        case Unavailable():
            return 6
        case UsageError():
            return 64
        case _:
            return 70


def _tell(error: ReleasectlError) -> None:
    click.echo(_redacted(f"error: {error.message}"), err=True)
    if error.hint:
        click.echo(_redacted(f"hint: {error.hint}"), err=True)


def _report(error: Exception, arguments: list[str]) -> None:
    """Something to paste into an issue. It names the command and none of its values, which might be secret."""
    import platform
    import traceback

    verb = next((argument for argument in arguments if argument in COMMANDS), "")
    trace = "".join(traceback.format_exception(error))
    where = f"releasectl {__version__}, Python {platform.python_version()}, {platform.platform()}, command {verb!r}"
    report = (
        f"error: this is a fault of releasectl, sorry ({type(error).__name__}: {error})\n"
        f"Please report it with the lines below.\n\n{where}\n{trace}"
    )
    click.echo(_redacted(report), err=True)


def _redacted(text: str) -> str:
    """The text without credentials: neither those that URLs carry nor the token of the environment."""
    from releasectl.adapters.git.remote import redact
    from releasectl.cli.location import TOKEN_VARIABLE

    return redact(text, (os.environ.get(TOKEN_VARIABLE, ""),))
