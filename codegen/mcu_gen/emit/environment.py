"""The Jinja environment that renders every generated file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jinja2

from mcu_gen.resources import resource_dir


@functools.cache
def environment() -> jinja2.Environment:
    """Templates of ``templates/``; an undefined variable is an error, trailing newlines are kept."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_dir("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def render(template: str, variables: Mapping[str, Any]) -> str:
    """The rendered template ``template`` (a path below ``templates/``)."""
    return environment().get_template(template).render(variables)


def render_block(template: str, block: str, variables: Mapping[str, Any]) -> str:
    """One ``{% block %}`` of a template: a kernel keeps its declaration and its source in one file."""
    found = environment().get_template(template)
    return "".join(found.blocks[block](found.new_context(dict(variables)))).strip("\n") + "\n"
