"""No network but this machine's own: put this folder on PYTHONPATH and every Python obeys.

Python imports ``sitecustomize`` at its start and reports each connection and look-up to the audit
hooks before it happens, so this needs no root and no privileges, on any system.
"""

import ipaddress
import sys

# audit event -> which of its arguments is the address or the host
_WHERE = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}


def _is_here(host) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def _refuse(event: str, args: tuple) -> None:
    if event not in _WHERE:
        return
    address = args[_WHERE[event]]
    if event.startswith(("socket.connect", "socket.send")):
        if not isinstance(address, tuple):  # a Unix socket's path, or a socket already connected
            return
        address = address[0]
    if not _is_here(address):
        raise OSError(f"the network is off: {event} to {address!r}")


sys.addaudithook(_refuse)
