"""The command line and the server process: the one place that knows all parts and passes them to each other."""
