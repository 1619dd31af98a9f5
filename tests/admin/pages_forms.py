"""Reads the forms of a page as a browser does: which fields there are, and what stands in them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_TYPED = {"text", "search", "email", "tel", "number", "date", "time", "datetime-local", "password"}


@dataclass
class Input:
    """One field; `kind` is its type, "textarea" or "select", `on` whether a box is ticked."""

    name: str
    kind: str
    value: str
    on: bool = True
    options: list[str] = field(default_factory=list)

    @property
    def typed(self) -> bool:
        return self.kind in _TYPED or self.kind == "textarea"

    @property
    def ticked(self) -> bool:
        return self.kind in ("checkbox", "radio")


@dataclass
class PageForm:
    """One form that is sent by POST."""

    action: str
    inputs: list[Input] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {one.name for one in self.inputs if one.kind != "hidden"}

    def sent(self) -> dict[str, object]:
        """What a browser would send, without the button."""
        fields: dict[str, list[str]] = {}
        for one in self.inputs:
            if one.on and one.name != "csrf":
                fields.setdefault(one.name, []).append(one.value)
        return dict(fields)


def forms_of(path: str, html: str) -> list[PageForm]:
    """The forms of the page at `path` that are sent by POST."""
    reader = _Reader(path)
    reader.feed(html)
    return reader.forms


class _Reader(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self._path = path
        self._form: PageForm | None = None
        self._select: Input | None = None
        self._area: Input | None = None
        self._templates = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "template":
            self._templates += 1
        elif tag == "form" and has.get("method") == "post":
            self._form = PageForm(has.get("action") or self._path)
            self.forms.append(self._form)
        elif tag == "option" and self._select is not None:
            self._option(has)
        elif self._form is not None and not self._templates and has.get("name"):
            self._input(tag, has)

    def _input(self, tag: str, has: dict[str, str]) -> None:
        assert self._form is not None
        if tag == "input":
            kind = "hidden" if "hidden" in has else has.get("type", "text")
            on = "disabled" not in has and (kind not in ("checkbox", "radio") or "checked" in has)
            self._form.inputs.append(Input(has["name"], kind, has.get("value", ""), on))
        elif tag in ("select", "textarea"):
            one = Input(has["name"], tag, "")
            self._form.inputs.append(one)
            self._select, self._area = (one, None) if tag == "select" else (None, one)

    def _option(self, has: dict[str, str]) -> None:
        assert self._select is not None
        if not self._select.options or "selected" in has:
            self._select.value = has.get("value", "")
        self._select.options.append(has.get("value", ""))

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.value += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._templates -= 1
        elif tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea" and self._area is not None:
            self._area.value = self._area.value.removeprefix("\n")
            self._area = None
