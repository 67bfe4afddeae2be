"""The workloads as the seeds would do them: on blocking sockets, with a server
in a process of its own that serves one client after the other.

    python3 python.py      reads lines `ID WORK COUNT`, answers `ID MILLISECONDS`
"""

import os
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TIME = b"20/11/2026 18:55:12"
THANKS = b"Time received successfully."
MESSAGE = b"a" * 64
CHUNK = b"a" * 65536


def serve_echo(server, count):
    client, _ = server.accept()
    while data := client.recv(1024):
        client.sendall(data)
    client.close()


def round_trips(address, count):
    client = socket.create_connection(address)
    received = 0
    for _ in range(count):
        client.sendall(MESSAGE)
        received += len(client.recv(1024))
    client.close()
    assert received == 64 * count, received


def serve_time(server, count):
    received = 0
    for _ in range(count):
        client, _ = server.accept()
        client.sendall(TIME)
        received += len(client.recv(1024))
        client.close()
    assert received == len(THANKS) * count, received


def exchanges(address, count):
    received = 0
    for _ in range(count):
        client = socket.create_connection(address)
        received += len(client.recv(1024))
        client.sendall(THANKS)
        client.close()
    assert received == len(TIME) * count, received


def exchanges_64(address, count):
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(exchanges, [address] * 64, [count // 64] * 64))


def serve_bulk(server, count):
    client, _ = server.accept()
    received = 0
    while data := client.recv(65536):
        received += len(data)
    assert received == count, received


def bulk(address, count):
    client = socket.create_connection(address)
    for _ in range(count // 65536):
        client.sendall(CHUNK)
    client.close()


def serve_datagrams(server, count):
    for _ in range(count):
        data, address = server.recvfrom(1024)
        server.sendto(data, address)


def datagrams(address, count):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("127.0.0.1", 0))
    received = 0
    for _ in range(count):
        client.sendto(MESSAGE, address)
        data, _ = client.recvfrom(1024)
        received += len(data)
    assert received == 64 * count, received


WORKS = {
    "round-trip": (serve_echo, round_trips),
    "exchange": (serve_time, exchanges),
    "exchange-64": (serve_time, exchanges_64),
    "bulk": (serve_bulk, bulk),
    "udp": (serve_datagrams, datagrams),
}


def timed(work, count):
    serve, call = WORKS[work]
    udp = work == "udp"
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    server = socket.socket(socket.AF_INET, kind)
    server.bind(("127.0.0.1", 0))
    if not udp:
        server.listen(4096)
    process = os.fork()
    if process == 0:
        signal.alarm(60)  # whatever the other end does
        serve(server, count)
        os._exit(0)
    start = time.perf_counter()
    call(server.getsockname(), count)
    _, status = os.waitpid(process, 0)
    if status != 0:
        sys.exit(1)
    return (time.perf_counter() - start) * 1000


for line in sys.stdin:
    id, work, count = line.split()
    print(id, timed(work, int(count)), flush=True)
