"""The command `deepsentinel`."""
