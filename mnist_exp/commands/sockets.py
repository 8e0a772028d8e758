"""An address of this machine, taken for a server, or a paragraph on why it is not to be had."""

import errno
import ipaddress
import socket

from mnist_exp.core.errors import RequestError


def listen(host: str, port: int, verb: str) -> socket.socket:
    """Returns a socket that is bound.

    Args:
        host: a name or an address of this machine.
        port: the port.
        verb: of mnist-exp, which takes both as options.

    Raises:
        RequestError: the address is not to be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        remedy = "Name an address of this machine with --host, and a port from 1024 on with --port."
        if error.errno == errno.EADDRINUSE:
            remedy = f"Another program uses it; name another port with `mnist-exp {verb} --port`."
        raise RequestError(
            f"Expected an address to listen on. Received: {host}:{port}, {reason}. {remedy}"
        ) from error
    # Else the second part of an answer waits 40 ms for the first to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def is_loopback(host: str) -> bool:
    """Tells whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(host: str, port: int) -> str:
    """Returns where a browser finds a server."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
