"""The sandbox's own pages: templates and scripts in `pages/`, and the forms that come back from them."""

from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qsl

from jinja2 import Environment, FunctionLoader, StrictUndefined

from shopchimp.sandbox.shopify.fields import display_name, iso, iso_or_none
from shopchimp.sandbox.shopify.wire import Request

_PAGES: Final = files("shopchimp.sandbox").joinpath("pages")


def rendered(name: str, **values: Any) -> str:
    return _environment().get_template(name).render(values)


def page_text(name: str) -> str:
    return _PAGES.joinpath(name).read_text(encoding="utf-8")


def form_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


@cache
def _environment() -> Environment:
    environment = Environment(loader=FunctionLoader(page_text), autoescape=True, undefined=StrictUndefined)
    environment.globals.update(iso=iso, iso_or_none=iso_or_none, display_name=display_name)
    return environment
