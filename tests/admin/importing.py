"""Somebody who imports files, for the tests of files."""

import asyncio
import re
from html import unescape
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from leads.admin.context import PANEL

if TYPE_CHECKING:
    from tests.admin.conftest import Visitor


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


class Importer:
    """Somebody who imports files and waits for the end."""

    def __init__(self, visitor: "Visitor", app: web.Application) -> None:
        self.visitor, self.app = visitor, app

    async def send(
        self, content: bytes, kind: str = "leads", name: str = "list.csv", csrf: str = ""
    ) -> tuple[int, str]:
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("csrf", csrf or self.visitor.csrf)
        form.add_field("kind", kind)
        form.add_field("file", content, filename="list.csv", content_type="text/csv")
        url = f"{self.visitor.base}/imports"
        async with self.visitor.client.post(url, data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def columns(self) -> list[str]:
        page = (await self.visitor.get("/imports/preview")).text
        selects = re.findall(r'<select name="column".*?</select>', page, re.DOTALL)
        return [(re.search(r'value="(\w+)" selected', one) or ["", ""])[1] for one in selects]

    async def run(self, known: str = "skip", columns: list[str] | None = None) -> str:
        """Import what was sent; the page of the outcome."""
        chosen = await self.columns() if columns is None else columns
        answer = await self.visitor.post("/imports/preview", {"column": chosen, "known": known})
        assert answer.status == 303, text_of(answer.text)
        await asyncio.wait_for(self.app[PANEL].imports.wait(), 60)
        return answer.location

    async def bring(self, content: str, kind: str = "leads", known: str = "skip") -> str:
        """Send and import; what the page says then."""
        assert (await self.send(content.encode(), kind))[0] == 303
        return text_of((await self.visitor.get(await self.run(known))).text)
