"""The web panel, above the domain: pages for people who sell and for those who set the company up.

Where to look:

    what holds it       `app` builds it, `context` is what every page knows, `guard` lets in, `pages` names all pages
    reading, answering  `forms`, `lists`, `rendering`, `i18n`; what is refused: `refusals`, `seen`; twice: `sent_forms`
    signing in          `sign_in`, `sessions`, `passwords`, `throttle`
    as it happens       `live`, `question_pages`, `day`, by `feed` and `sse`
    cards and lists     `leads`, `counterparties`, and `cards`, which both share; `lead_ends`, `lead_bulk`, `handovers`
    calls               `calls`, `call_lines`, `dialling`, `recordings`, `reasons`
    what is to do       `planning`, `tasks`
    files               `exports`, `imports`, `csv_*`, `phone_books`
    reports             `call_reports`, `lead_reports`, `contact_report`, and `reports`, which all share
    the company         `employees`, `groups`, `our_numbers`, `statuses`, `sources`, `duty_pages`, `leaving`
    records             `audit_page`, `outages`, `retention_page`, `erasing`
"""

from leads.admin.app import create_panel, panel_runner
from leads.admin.feed import CallFeed

__all__ = ["CallFeed", "create_panel", "panel_runner"]
