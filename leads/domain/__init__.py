"""The words and rules of telephony and CRM that every other package speaks; no I/O."""
