"""What pages answer when they refuse something: each sentence once, with the status that belongs to it.

What is not the viewer's to see is answered as what is not there: nobody learns which of the two it is.
"""

from aiohttp import web

from leads.admin.i18n import _


def strange_form() -> web.HTTPBadRequest:
    """No browser sends this by a form of ours."""
    return web.HTTPBadRequest(text=_("This form was not sent by this page."))


def strange_address() -> web.HTTPBadRequest:
    """Nobody came here by a link of ours."""
    return web.HTTPBadRequest(text=_("This address is not one of this page's."))


def no_such_lead() -> web.HTTPNotFound:
    """There is no lead of this key that the viewer may see."""
    return web.HTTPNotFound(text=_("There is no such lead, or it is not yours to see."))


def no_such_counterparty() -> web.HTTPNotFound:
    """There is no counterparty of this key that the viewer may see."""
    return web.HTTPNotFound(text=_("There is no such counterparty, or it is not yours to see."))


def no_such_call() -> web.HTTPNotFound:
    """There is no call of this key that the viewer may see."""
    return web.HTTPNotFound(text=_("There is no such call, or it is not yours to see."))


def no_such_employee() -> web.HTTPNotFound:
    """There is no employee of this key."""
    return web.HTTPNotFound(text=_("There is no such employee."))


def no_recordings_here() -> web.HTTPConflict:
    """The recording is an Asterisk's whose folder this server cannot reach."""
    return web.HTTPConflict(text=_("This server does not know the folder of recordings."))


def recording_stays() -> web.HTTPConflict:
    """The file of a recording could not be deleted; the log tells why."""
    return web.HTTPConflict(text=_("The file cannot be deleted. Your administrator can find why."))
