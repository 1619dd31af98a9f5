"""What `make run` prints when everything is up: where to look, how to sign in, what to try."""

from leadline.demo import company
from leadline.demo.listen import Listening
from leadline.demo.state import Secrets


def of_company(
    panel: str, listening: Listening, kept: Secrets, *, admin: str, password: str | None, asterisk: str, seconds: float
) -> str:
    """The whole demonstration."""
    sip = f"{listening.shown_address}:{listening.sip} (UDP)"
    phones = "\n".join(f"      {number}   password {secret}" for number, secret in sorted(kept.phones.items()))
    return f"""
Leadline is ready ({asterisk}, after {seconds:.0f} s).

  Panel    {panel}
{_sign_in(admin, password)}
  Phones   for a softphone: server {sip}, name and password:
{phones}
           101 Олена Коваль, 102 Андрій Бондар (his display knows UTF-8), 103 Марія Ткач; group Sales: 101, 102

  Try, in another terminal:
      make call FROM=+380501234567 TO=0441234567    somebody new calls our main number: a lead is made
      make call FROM=+380501112233 TO=0441234567    Юрій Щербань calls: his Андрій is rung, with the name
      make call FROM=0933334455 TO=0443334455       Юрий Щуров calls our shop, but his Олена is rung first
      make call FROM=anonymous TO=0443334455        a caller who hides his number: the shop's queue rings, no lead
      .venv/bin/leadline route 0501112233           only asks whom a call would reach, and why
      .venv/bin/leadline check                      looks whether all of it works together
  and look at the panel's live page meanwhile.
  Our numbers: {company.MAIN_NUMBER} (group), {company.QUEUE_NUMBER} (queue), {company.DIRECT_NUMBER} (reception).
{_network(listening)}
Ctrl+C ends all of it."""


def of_server(panel: str, admin: str, password: str | None) -> str:
    """Only the server, for an Asterisk of the user's own."""
    return f"""
Leadline is running.

  Panel    {panel}
{_sign_in(admin, password)}
  Check    .venv/bin/leadline check says what is wrong with the Asterisk side, and how to mend it

Ctrl+C ends it."""


def _sign_in(admin: str, password: str | None) -> str:
    if password is not None:
        return f"           login {admin}, password {password}   (shown only now; kept as a hash)"
    return (
        f"           login {admin}; the password was shown at the first run\n"
        f"           (forgotten: .venv/bin/leadline admin reset-password {admin})"
    )


def _network(listening: Listening) -> str:
    if not listening.open_to_network:
        return "\nEverything listens on this machine only; phones can dial out to a simulated public network."
    return (
        f"\nSIP, RTP ({listening.rtp_start} to {listening.rtp_end}) and the panel, as plain HTTP, are open to the "
        f"network of {listening.address}:\nuse one that you trust. There is no way out: the trunk leads nowhere."
    )
