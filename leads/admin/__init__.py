"""The web panel where admins and employees work with leads; nothing imports it but the command line."""
