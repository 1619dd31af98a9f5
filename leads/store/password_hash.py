"""Hashes passwords with argon2id: about 0.1 s of a processor and 64 MiB for each, on purpose.

Run as a program (`python -m`) it answers one question after another, a line of JSON each, behind everything else that
the machine does. Within a process that answers calls a thread that stands back would hold up all others: what it holds
when it has to wait, be it Python's own lock or the kernel's for memory, nobody else gets.
"""

import json
import os
import secrets
import sys
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

NICE = 10
"""How far the program stands back."""
_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Hash a password; never on the event loop."""
    return _hasher.hash(password)


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))


def verify_password(password_hash: str | None, password: str) -> bool:
    """Check a password; without a hash (no such login) it works just as long and says no. Not on the event loop."""
    try:
        _hasher.verify(password_hash or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def main() -> None:
    """Answer until nobody asks any more: [hash or null, password] with true or false, [password] with its hash."""
    os.nice(NICE)
    for line in sys.stdin:
        question = json.loads(line)
        answer = hash_password(*question) if len(question) == 1 else verify_password(*question)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
