"""Renders the table of messages to C: ``python -m mcu_gen.link.render > firmware/link/mcu_messages.h``."""

from __future__ import annotations

import sys
from typing import Any

import jinja2

from mcu_gen.link import messages
from mcu_gen.link.fields import RESTS, SCALARS, TEXT, Field
from mcu_gen.resources import resource_dir

HEADER = "mcu_messages.h"


def c_header() -> str:
    """The text of ``firmware/link/mcu_messages.h``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    variables = {
        "version": messages.PROTOCOL_VERSION,
        "answer_bit": messages.ANSWER_BIT,
        "request_header": messages.REQUEST_HEADER,
        "answer_header": messages.ANSWER_HEADER,
        "messages": messages.MESSAGES,
        "error": messages.ERROR,
        "reasons": list(messages.Reason),
        "tick_kinds": list(messages.TickKind),
        "members": _members,
        "reads": _reads,
        "writes": _writes,
    }
    return environment.get_template(f"link/{HEADER}.j2").render(variables)


def _members(fields: tuple[Field, ...], request: bool) -> list[dict[str, str]]:
    """C members of the structure of a request (read by the device) or an answer (written by it)."""
    members: list[dict[str, str]] = []
    for field in fields:
        about = field.doc
        if field.type == TEXT:
            members.append({"type": "const char *", "name": field.name, "about": about})
            if request:
                members.append({"type": "uint8_t ", "name": f"{field.name}_length", "about": "not terminated"})
        elif field.type in RESTS:
            element = "uint8_t" if request else SCALARS[RESTS[field.type]].c_type
            members.append({"type": f"const {element} *", "name": field.name, "about": about})
            members.append({"type": "uint32_t ", "name": f"{field.name}_count", "about": "elements"})
        else:
            members.append({"type": SCALARS[field.type].c_type + " ", "name": field.name, "about": about})
    return members


def _reads(field: Field) -> str:
    """The C statement that reads a field of a request."""
    if field.type == TEXT:
        return f"m->{field.name} = mcu_get_str(r, &m->{field.name}_length);"
    if field.type in RESTS:
        size = SCALARS[RESTS[field.type]].size
        return f"m->{field.name} = mcu_get_rest(r, {size}u, &m->{field.name}_count);"
    return f"m->{field.name} = mcu_get_{field.type}(r);"


def _writes(field: Field) -> str:
    """The C statement that writes a field of an answer."""
    if field.type in RESTS:
        return f"mcu_put_{field.type}(w, m->{field.name}, m->{field.name}_count);"
    return f"mcu_put_{field.type}(w, m->{field.name});"


def main() -> Any:
    sys.stdout.write(c_header())


if __name__ == "__main__":
    main()
