"""Rules of subscriptions: the releases and components that they name are there, and a template makes a version."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from string import Template

from releasectl.domain.environment import Environment
from releasectl.domain.release import Release
from releasectl.domain.subscription import PromotedRelease, Subscription
from releasectl.errors import Problem
from releasectl.manifests.crosscheck import at
from releasectl.manifests.load import Document
from releasectl.manifests.nearest import suggestion
from releasectl.manifests.nodes import Step, descend, leaves

Declared = Callable[[str], Sequence[Document]]
"""Documents that declare a release of a name."""

PLACEHOLDERS = ("version", "artifact", "digest")


def check(document: Document, declared: Declared, releases: Sequence[str]) -> Iterator[Problem]:
    """Everything that is wrong with a subscription whose shape is right."""
    subscription = document.value
    if not isinstance(subscription, Subscription):
        return
    spec = subscription.spec
    yield from _unknown_release(document, ("spec", "release"), spec.release, declared, releases)
    if isinstance(spec.from_, PromotedRelease):
        path: tuple[Step, ...] = ("spec", "from", "release")
        yield from _unknown_release(document, path, spec.from_.release, declared, releases)
        if spec.from_.release == spec.release:
            yield at(document, path, "is the release that gets the candidates itself", "name an earlier one")
    yield from _unknown_component(document, spec.component, declared(spec.release))
    yield from _unknown_placeholders(document)


def unheard(document: Document, environment: Environment) -> Iterator[Problem]:
    """Why nothing comes of a subscription whose release is in this environment. A warning: the manifest means
    something, and a forge may be added later."""
    forge = environment.spec.forge
    if forge is None:
        message, hint = "names no forge", "add `forge` with type, url, project and tokenVariable"
    elif forge.token_variable is None:
        message, hint = "names no token for its forge", "name the variable that holds it in `tokenVariable`"
    else:
        return
    told = f"nothing can be proposed: the environment {environment.name!r} of the release {message}"
    yield at(document, ("spec", "release"), told, f"{hint}, in {environment.name!r}", "no-forge", severity="warning")


def _unknown_release(
    document: Document, path: tuple[Step, ...], name: str, declared: Declared, releases: Sequence[str]
) -> Iterator[Problem]:
    if not declared(name):
        yield at(document, path, f"no release {name!r}", suggestion(name, releases), "unknown-name")


def _unknown_component(document: Document, name: str | None, releases: Sequence[Document]) -> Iterator[Problem]:
    release = releases[0].value if releases else None
    if name is None or not isinstance(release, Release) or release.component(name):
        return
    names = [component.name for component in release.spec.components]
    message = f"the release {release.name!r} has no component {name!r}"
    yield at(document, ("spec", "component"), message, suggestion(name, names, known="components"), "unknown-name")


def _unknown_placeholders(document: Document) -> Iterator[Problem]:
    template = descend(document.root, "spec", "version")
    for leaf in leaves(template) if template else ():
        if not isinstance(leaf.value, str):
            continue
        text = Template(leaf.value)
        unknown = [name for name in text.get_identifiers() if name not in PLACEHOLDERS]
        if unknown or not text.is_valid():
            message = (
                f"{leaf.value!r} has a placeholder that stands for nothing"
                if unknown
                else (f"{leaf.value!r} has a '$' that begins no placeholder")
            )
            hint = "there are ${version}, ${artifact} and ${digest}; write $$ for a plain $"
            yield Problem(document.file, leaf.line, leaf.column, "spec.version", message, hint, "unknown-placeholder")
