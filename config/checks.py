"""System checks: a bad configuration is refused at start, with an id to look up."""
