"""What `--help` answers: the flags used most, those of one mode (`--help train`), or all of them.

Made of the flags' own declarations. The standard library only, so that the answer comes at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from utils.flag_parser import add_flag
from utils.flag_places import Flags, Wording, modes_of, place_of, spell
from utils.flag_types import UsageError, did_you_mean

PROGRAM, ASKS = "python main.py", ("-h", "--help")


class _Layout(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=110)

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", default_text(action.default)
        return text if not default or "default" in text else f"{text} (default: {default})"

    def _format_action_invocation(self, action: argparse.Action) -> str:
        shown = [name for name in action.option_strings if "-" not in name[2:]]  # one spelling
        if action.nargs == 0:
            return ", ".join(shown)
        return ", ".join(shown) + " " + self._format_args(action, action.dest.upper())


def default_text(default: object) -> str:
    """How a default is written, "" where a flag that was not passed sets nothing."""
    if default is None or isinstance(default, bool) or default in ((), argparse.SUPPRESS):
        return ""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def answer_help(flags: Flags, wording: Wording, argv: Sequence[str]) -> None:
    """Prints the help that a command line asks for and ends with exit code 0; nothing where it asks
    for none. A mode beside `--help` asks for the help of that mode.

    Raises:
        UsageError: help about what there is none, with near names.
    """
    asked = next((i for i, word in enumerate(argv) if word in ASKS), None)
    if asked is None:
        return
    topics = topics_of(flags, wording)
    about = [word for word in argv[asked + 1 : asked + 2] if not word.startswith("-")]
    beside = [word for word in argv if word.startswith("-") and spoken(word) in topics]
    topic = spoken((about or beside or ["often"])[0])
    if topic not in {*topics, "often", "all"}:
        hint = did_you_mean(topic, [*topics, "all"]) or f": one of {', '.join([*topics, 'all'])}"
        raise UsageError(f"no help about {about[0]}{hint}")
    sys.stdout.write(help_text(flags, wording, topics.get(topic, topic)))
    raise SystemExit(0)


def spoken(word: str) -> str:
    """`--make-buckets` -> `make_buckets`."""
    return word.split("=")[0].lstrip("-").replace("-", "_")


def topics_of(flags: Flags, wording: Wording) -> dict[str, str]:
    """What may follow `--help`, and the mode that is meant: its flags without hyphens."""
    names = {f.name: f.metadata["names"] for f in flags}
    return {
        word: mode
        for mode in wording.modes
        for word in dict.fromkeys([*map(spoken, names.get(mode, [mode])), mode])
    }


def help_text(flags: Flags, wording: Wording, topic: str) -> str:
    """The help on "often", "all" or a mode, as it is printed."""
    one_mode = topic if topic in wording.modes else ""
    if one_mode:
        # --continue is a mode, and a flag of another one.
        named = {f.name: (f.metadata["modes"] or "").split() for f in flags}
        shown = [f for f in flags if one_mode in (*modes_of(f, wording), *named[f.name])]
        usage = " ".join([PROGRAM, *filter(None, [wording.modes[one_mode]]), "[flags]"])
    else:
        often = {*wording.often, *wording.modes}
        shown = [f for f in flags if topic == "all" or f.name in often]
        usage = wording.usage
    parser = argparse.ArgumentParser(
        prog=PROGRAM, usage=usage, add_help=False, formatter_class=_Layout,
        description=wording.description, epilog=_epilog(flags, wording, topic),
    )  # fmt: skip
    for key, group in wording.groups.items():
        heading = group.title if one_mode else group.heading(wording)
        section = parser.add_argument_group(heading)
        for field in shown:
            if field.metadata["group"] == key:
                criteria = ", ".join(field.metadata["criteria"])
                place = f"[{criteria}] " if criteria else ""
                add_flag(section, field, place_of(field, wording) if topic == "all" else place)
    return parser.format_help()


def _epilog(flags: Flags, wording: Wording, topic: str) -> str:
    """Examples, where more is said, and exit codes."""
    own = wording.examples.get(topic)
    examples = own or [lines[0] for lines in wording.examples.values()] if topic != "all" else []
    lines = ["examples:", *(f"  {PROGRAM} {line}" for line in examples), ""] if examples else []
    if topic == "often":
        named = {f.name: spoken(spell(flags, f.name)) for f in flags if f.name in wording.modes}
        modes = ", ".join(named.get(mode, mode) for mode in wording.modes)
        more = f"more: --help MODE for the flags of one mode, --help all for all {len(flags)}"
        lines += [more, f"  MODE: {modes}", ""]
    return "\n".join([*lines, wording.epilog])
