"""Upstreams that exist only on this machine, speaking the real wire formats over real sockets."""
