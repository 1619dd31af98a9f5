"""What an attended transfer makes of two calls, or of one: who asked whom, and which call lives on."""

from ami_listener.model import Call, Channel, LegState, TransferState
from ami_listener.views import number_of
from leads.domain.calls import Role, TransferType


def joined(main: Call, consultation: Call, transferer: Channel, asking: Channel) -> TransferState:
    """Somebody joins his two calls and leaves: the younger one was his question to the target.

    When the target still rings, its legs go on in the main call, and their end is the hand-over's.

    Args:
        main: the older call, whose linkedid Asterisk keeps.
        consultation: the younger one.
        transferer: his channel in the main call.
        asking: his channel in the younger call.
    """
    # Who rang in vain before is no part of it, but where that is all: then it tells how the hand-over went.
    legs = [leg for leg in consultation.legs if not leg.ended] or list(consultation.legs)
    for leg in legs:
        leg.handed_to = main
        if leg not in main.legs:
            main.add_leg(leg)
    if consultation.caller is asking:
        consultation.role, consultation.parent = Role.CONSULTATION, main.linkedid
    asked = consultation.answerer
    to = asking.exten if not asking.dialled else None
    if to is None and asked is not None:
        to = number_of(asked, consultation)
    by = asking if asking.number else transferer
    if asked is None:
        return TransferState(TransferType.SEMI_ATTENDED, by, to, legs)
    return TransferState(TransferType.ATTENDED, by, to, legs, pending=False, target=asked)


def handed_over_within(transferer: Channel, leg: LegState | None) -> TransferState | None:
    """A transfer by feature code, where Asterisk rings the target within the same call.

    Args:
        transferer: the channel of who hands over.
        leg: the target's, where the event names it; else the newest leg of the call is meant.
    """
    call = transferer.call
    leg = leg or next((leg for leg in reversed(call.legs) if leg.channel is not transferer), None)
    if leg is None:
        return None
    to = number_of(leg.channel, call)
    if leg.talked:
        return TransferState(TransferType.ATTENDED, transferer, to, [leg], pending=False, target=leg.channel)
    return TransferState(TransferType.SEMI_ATTENDED, transferer, to, [leg])
