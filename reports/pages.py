"""What the HTML reports share: templates that escape all they are given, and the style sheet."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.formats import counted, number, quantity, seconds


def page_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"counted": counted, "number": number, "quantity": quantity, "seconds": seconds}
    return environment


def style_sheet(environment: Environment, *names: str) -> Markup:
    """Style sheets of the templates, to stand inside a page."""
    return Markup("\n".join(environment.get_template(name).render() for name in names))
