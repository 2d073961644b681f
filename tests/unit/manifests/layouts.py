"""Release manifests in every legal but awkward layout, with each line's fate under an edit."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

HEAD = ["apiVersion: releasectl.dev/v1alpha1", "kind: Release", "metadata: {name: desk}"]
COMPONENTS = ("ocr", "sentiment")
OLD = {"ocr": "1.0", "sentiment": "v1"}
NEW = {"ocr": "1.1", "sentiment": "v2.0+gpu"}


@dataclass
class Layout:
    """A manifest as lines, and what each becomes."""

    newline: str
    mark: str
    ends_with_newline: bool
    target: str = "tiny"
    others: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    lines: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    """The text, and what remains of it after dropping and after promoting; None if the line goes."""

    def keep(self, text: str) -> None:
        self.lines.append((text, text, text))

    def goes(self, text: str) -> None:
        self.lines.append((text, None, None))

    def render(self, which: int) -> str:
        kept = [line[which] for line in self.lines]
        text = self.newline.join(line for line in kept if line is not None)
        return self.mark + text + (self.newline if self.ends_with_newline else "")


QUOTES = ("", "'", '"')


def quoted(value: str, quote: str) -> str:
    """A version in a style; unquoted only where it stays a string."""
    return f'"{value}"' if not quote and value in ("1.0", "1.1") else f"{quote}{value}{quote}"


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    made = Layout(draw(st.sampled_from(["\n", "\r\n"])), draw(st.sampled_from(["", "\ufeff"])), draw(st.booleans()))
    made.others = draw(st.lists(st.sampled_from(["big", "odd"]), unique=True, max_size=2))
    made.overrides = draw(st.lists(st.sampled_from(COMPONENTS), unique=True, min_size=1))
    unit = " " * draw(st.integers(1, 5))
    if draw(st.booleans()):
        for line in ["# before", "a: [x, # y", "  'z']", "---"]:
            made.keep(line)
    for line in HEAD:
        made.keep(line + draw(trailing))
    made.keep("spec:" + draw(trailing))
    sections = draw(st.permutations(["stable", "candidates", "rest", "components"]))
    for section in sections:
        for _ in range(draw(st.integers(0, 1))):
            made.keep("")
        {"stable": stable, "candidates": candidates, "rest": rest, "components": components}[section](draw, made, unit)
    if draw(st.booleans()):
        for line in ["...", "---", "# after", "b: {c: 'd'}"]:
            made.keep(line)
    return made


trailing = st.sampled_from(["", " ", "  # why: {not} - [this] 'x", " #"])


def rest(draw: st.DrawFn, made: Layout, unit: str) -> None:
    made.keep(f"{unit}environment: local{draw(trailing)}")
    made.keep(f"{unit}strategy: [{{type: canary}}]{draw(trailing)}")
    made.keep(f"{unit}policy: >-")
    made.keep(f"{unit}  safe-default")


def components(draw: st.DrawFn, made: Layout, unit: str) -> None:
    made.keep(f"{unit}components:{draw(trailing)}")
    for name in COMPONENTS:
        made.keep(f"{unit}- name: {name}{draw(trailing)}")
        made.keep(f"{unit}  versions:")
        for version in (OLD[name], NEW[name]):
            made.keep(f"{unit}  - {{name: '{version}', address: 'a:1'}}{draw(trailing)}")


def stable(draw: st.DrawFn, made: Layout, unit: str) -> None:
    changes = {name: NEW[name] if name in made.overrides else OLD[name] for name in COMPONENTS}
    quotes = {name: draw(st.sampled_from(QUOTES)) for name in COMPONENTS}
    end = draw(trailing)
    before = {name: quoted(OLD[name], quotes[name]) for name in COMPONENTS}
    after = {name: quoted(changes[name], '"' if before[name][0] == '"' else quotes[name]) for name in COMPONENTS}
    if draw(st.booleans()):
        gap = draw(st.sampled_from(["", " "]))
        old, new = (
            f"{unit}stable: {{{gap}{', '.join(f'{n}: {v}' for n, v in versions.items())}{gap}}}{end}"
            for versions in (before, after)
        )
        made.lines.append((old, old, new))
        return
    made.keep(f"{unit}stable:{end}")
    deeper = unit + " " * draw(st.integers(1, 4))
    for name in COMPONENTS:
        end = draw(trailing)
        line = f"{deeper}{name}:  {before[name]}{end}"
        made.lines.append((line, line, f"{deeper}{name}:  {after[name]}{end}"))


def candidates(draw: st.DrawFn, made: Layout, unit: str) -> None:
    names = draw(st.permutations([made.target, *made.others]))
    style = draw(st.sampled_from(["block", "one line", "lines"]))
    alone = len(names) == 1
    head = made.goes if alone else made.keep
    if draw(st.booleans()):
        head(f"{unit}# what is on trial")
    if style == "one line":
        one_line(draw, made, unit, names)
    elif style == "lines":
        flow_lines(draw, made, unit, names, alone=alone)
    else:
        head(f"{unit}candidates:{draw(trailing)}")
        dash = unit + " " * draw(st.integers(0, 3))
        for name in names:
            block_item(draw, made, dash, name)


def versions_of(draw: st.DrawFn, made: Layout, name: str) -> dict[str, str]:
    chosen = made.overrides if name == made.target else ["ocr"]
    return {component: quoted(NEW[component], draw(st.sampled_from(QUOTES))) for component in chosen}


def inline(draw: st.DrawFn, made: Layout, name: str) -> str:
    versions = ", ".join(f"{key}: {value}" for key, value in versions_of(draw, made, name).items())
    if draw(st.booleans()):
        return f"{{name: {name}, versions: {{{versions}}}}}"
    return f"{{ versions: {{ {versions} }}, 'name': \"{name}\" }}"


def one_line(draw: st.DrawFn, made: Layout, unit: str, names: list[str]) -> None:
    items = {name: inline(draw, made, name) for name in names}
    left = ", ".join(item for name, item in items.items() if name != made.target)
    end = draw(trailing)
    old = f"{unit}candidates: [{', '.join(items.values())}]{end}"
    new = f"{unit}candidates: [{left}]{end}" if left else None
    made.lines.append((old, new, new))


def flow_lines(draw: st.DrawFn, made: Layout, unit: str, names: list[str], *, alone: bool) -> None:
    head = made.goes if alone else made.keep
    head(f"{unit}candidates: [{draw(trailing)}")
    for index, name in enumerate(names):
        line = made.goes if name == made.target else made.keep
        if draw(st.booleans()):
            line(f"{unit}   # about {name}")
        comma = "," if index + 1 < len(names) or draw(st.booleans()) else ""
        line(f"{unit}   {inline(draw, made, name)}{comma}{draw(trailing)}")
    head(f"{unit} ]{draw(trailing)}")


def block_item(draw: st.DrawFn, made: Layout, dash: str, name: str) -> None:
    line = made.goes if name == made.target else made.keep
    if draw(st.booleans()):
        line(f"{dash}# about {name}")
    if draw(st.booleans()):
        line(f"{dash}- {inline(draw, made, name)}{draw(trailing)}")
        return
    if draw(st.booleans()):
        line(f"{dash}-  # first a word")
        line(f"{dash}   name: {name}")
    else:
        line(f"{dash}-  name: {name}{draw(trailing)}")
    line(f"{dash}   versions:{draw(trailing)}")
    for component, value in versions_of(draw, made, name).items():
        line(f"{dash}      {component}: {value}{draw(trailing)}")
    if draw(st.booleans()):
        line(f"{dash}   # a last word")
