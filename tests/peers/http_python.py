"""Python's http.client asks an HTTP server, and its http.server serves."""

import http.client
import http.server
import sys

def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.connect()
    local = connection.sock.getsockname()

    def request(method, path, body=None, **options):
        connection.request(method, path, body, **options)
        response = connection.getresponse()
        text = response.read()
        assert connection.sock is not None, "the server has closed"
        assert connection.sock.getsockname() == local, "another connection"
        print(method, path, response.status, len(text))
        return text

    assert b"It works" in request("GET", "/")
    request("HEAD", "/")
    request("GET", "/nothing")
    request("PUT", "/python", iter([b"in ", b"chunks"]), encode_chunked=True)
    request("PUT", "/python", b"counted", headers={"Expect": "100-continue"})
    assert request("GET", "/python") == b"counted"
    request("DELETE", "/python")


def endings(port):
    for way in ["length", "chunks", "end"]:
        for cut in ["", "?cut"]:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", f"/{way}{cut}")
            try:
                print(way + cut, len(connection.getresponse().read()))
            except http.client.IncompleteRead as error:
                print(way + cut, "incomplete", len(error.partial))


def serve(version):
    handler = http.server.SimpleHTTPRequestHandler
    handler.protocol_version = version
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print("port", server.server_address[1], flush=True)
    server.serve_forever()


if sys.argv[1] == "ask":
    ask(int(sys.argv[2]))
elif sys.argv[1] == "endings":
    endings(int(sys.argv[2]))
else:
    serve(sys.argv[2])
