"""The other end of the five seed programs, in the language of the seeds.

    python3 peers.py NAME server       prints the port, then what it received
    python3 peers.py NAME client PORT  prints what it received

Every message is one line, as the repr() of its bytes, so that a test sees what
went over the wire. A server serves one client. With --json the arguments and
the output are those of the experiments: both ends get the port with --port, and
each line is the one that the seed program prints. --lines prints them as text.
"""

import json
import signal
import socket
import sys
from datetime import datetime

JSON = "--json" in sys.argv
LAB = JSON or "--lines" in sys.argv


def show(data):
    if not LAB:
        print(repr(data), flush=True)


def say(end, *words):
    if LAB:
        line = " ".join(str(word) for word in words)
        event = {"end": end, "line": line}
        print(json.dumps(event) if JSON else line, flush=True)


def until_closed(connection):
    received = b""
    while data := connection.recv(1024):
        received += data
    return received


def serve(name, client, peer):
    now = datetime.now().strftime("%d/%m/%Y %H:%M:%S").encode()
    if name == "tcp_hello":
        say("server", "Connection established with", peer)
        client.sendall(b"Hello World!")
    elif name in ("tcp_time", "tcp_client_details"):
        say("server", "Client Address:", peer)
        client.sendall(now)
        answer = client.recv(1024)
        show(answer)
        time = name == "tcp_time"
        title = "Acknowledgment from client:" if time else "Client Details:"
        say("server", title, answer.decode())
    elif name == "tcp_address_lookup":
        while question := client.recv(1024):
            show(question)
            known = question == b"165.165.80.80"
            answer = b"6A:08:AA:C2" if known else b"Not Found"
            say("server", question.decode(), "->", answer.decode())
            client.sendall(answer)
    elif name == "tcp_thank_you":
        say("server", "Got a connection from", peer)
        client.sendall(b"Thank you for connecting\r\n")
    client.close()


def call(name, server):
    own = server.getsockname()
    if name == "tcp_hello":
        greeting = until_closed(server)
        show(greeting)
        say("client", greeting.decode())
    elif name == "tcp_thank_you":
        thanks = until_closed(server)
        show(thanks)
        text = thanks.decode().rstrip()
        say("client", "The time got from the server is", text)
    elif name == "tcp_time":
        time = server.recv(1024)
        show(time)
        say("client", "Received from server:", time.decode())
        server.sendall(b"Time received successfully.")
    elif name == "tcp_client_details":
        say("client", "Own Address:", own)
        server.sendall(own[0].encode())
        time = server.recv(1024)
        show(time)
        say("client", "Date and Time:", time.decode())
    elif name == "tcp_address_lookup":
        say("client", own)
        questions = (b"165.165.80.80", b"165.165.79.1", b"10.0.0.1")
        for question in questions[:1] if LAB else questions:
            server.sendall(question)
            answer = server.recv(1024)
            show(answer)
            say("client", answer.decode())
        # The original client says this and leaves without another look.
        server.sendall(b"acknowledgement recived from the server")
        if LAB:  # unread, the last answer would become a reset
            server.shutdown(socket.SHUT_WR)
            until_closed(server)
    server.close()


def main(name, role, port=0):
    address = ("127.0.0.1", int(port))
    if role == "client":
        call(name, socket.create_connection(address, 10))
        return
    if JSON:  # it ends after its client, which may still be under way
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = socket.create_server(address, backlog=5)
    end.settimeout(10)
    port = end.getsockname()[1]
    if name == "tcp_time":
        say("server", "Waiting for a client to connect...")
    if LAB:
        print(f"Listening on 127.0.0.1:{port} (one client)", file=sys.stderr)
        sys.stderr.flush()
    else:
        print(port, flush=True)
    client, peer = end.accept()
    client.settimeout(10)
    serve(name, client, peer)
    end.close()


main(*(word for word in sys.argv[1:] if not word.startswith("--")))
