"""Logs with the standard library of Python, which ends a message with a NUL.

    python3 log.py PORT    500 messages over TCP and one over UDP
"""

import logging
import logging.handlers
import socket
import sys

address = ("127.0.0.1", int(sys.argv[1]))
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    handler = logging.handlers.SysLogHandler(address, socktype=kind)
    logger = logging.getLogger(str(kind))
    logger.addHandler(handler)
    if kind == socket.SOCK_DGRAM:
        logger.error("a datagram")
    else:
        for number in range(500):
            logger.error("message %d" + "\n  with more" * (number % 2), number)
    handler.close()
