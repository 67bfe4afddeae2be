"""The other end of the five seed programs, in the language of the seeds.

    python3 peers.py NAME server       prints the port, then what it received
    python3 peers.py NAME client PORT  prints what it received

Every message is one line, as the repr() of its bytes, so that a test sees what
went over the wire. A server serves one client.
"""

import socket
import sys
from datetime import datetime


def show(data):
    print(repr(data), flush=True)


def until_closed(connection):
    received = b""
    while data := connection.recv(1024):
        received += data
    return received


def serve(name, client):
    now = datetime.now().strftime("%d/%m/%Y %H:%M:%S").encode()
    if name == "tcp_hello":
        client.sendall(b"Hello World!")
    elif name in ("tcp_time", "tcp_client_details"):
        client.sendall(now)
        show(client.recv(1024))
    elif name == "tcp_address_lookup":
        while question := client.recv(1024):
            show(question)
            known = question == b"165.165.80.80"
            client.sendall(b"6A:08:AA:C2" if known else b"Not Found")
    elif name == "tcp_thank_you":
        client.sendall(b"Thank you for connecting\r\n")
    client.close()


def call(name, server):
    if name in ("tcp_hello", "tcp_thank_you"):
        show(until_closed(server))
    elif name == "tcp_time":
        show(server.recv(1024))
        server.sendall(b"Time received successfully.")
    elif name == "tcp_client_details":
        server.sendall(server.getsockname()[0].encode())
        show(server.recv(1024))
    elif name == "tcp_address_lookup":
        for question in (b"165.165.80.80", b"165.165.79.1", b"10.0.0.1"):
            server.sendall(question)
            show(server.recv(1024))
        # The original client says this and leaves without another look.
        server.sendall(b"acknowledgement recived from the server")
    server.close()


def main(name, role, port=0):
    end = socket.socket()
    end.settimeout(10)
    if role == "client":
        end.connect(("127.0.0.1", int(port)))
        call(name, end)
        return
    end.bind(("127.0.0.1", 0))
    end.listen(5)
    print(end.getsockname()[1], flush=True)
    client, _ = end.accept()
    client.settimeout(10)
    serve(name, client)
    end.close()


main(*sys.argv[1:])
