"""The web panel, above the domain: pages for people who sell and for those who set the company up."""

from leads.admin.app import create_panel, panel_runner
from leads.admin.feed import CallFeed

__all__ = ["CallFeed", "create_panel", "panel_runner"]
