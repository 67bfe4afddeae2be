"""FTP in Python: ftplib as a client, pyftpdlib as a server.

    ftp.py client PORT         sends, receives and lists, in both modes
    ftp.py get PORT COUNT      gets file1, file2, ...: how long it takes, in ms
    ftp.py put PORT COUNT SIZE puts so many bytes as up1, up2, ...
    ftp.py serve FOLDER        prints its port and serves a folder to lab
"""

import ftplib
import io
import sys
import time


def client(port):
    ftp = ftplib.FTP()
    print(ftp.connect("127.0.0.1", port))
    print(ftp.login("lab", "lab"))
    content = bytes(range(256)) * 1000
    for passive in True, False:
        ftp.set_pasv(passive)
        print(ftp.storbinary("STOR x.bin", io.BytesIO(content)))
        received = io.BytesIO()
        print(ftp.retrbinary("RETR x.bin", received.write))
        print(received.getvalue() == content, ftp.size("x.bin"))
        print(ftp.storlines("STOR t.txt", io.BytesIO(b"one\ntwo\n")))
        lines = []
        ftp.retrlines("RETR t.txt", lines.append)
        print(lines, ftp.nlst())
        print([(name, facts["type"]) for name, facts in ftp.mlsd()])
        ftp.dir(lines.append)
        print(len(lines))
        received = io.BytesIO()
        ftp.retrbinary("RETR x.bin", received.write, rest=255_990)
        print(received.getvalue())
    for path in "../../etc/passwd", "missing":
        try:
            ftp.retrbinary(f"RETR {path}", print)
        except ftplib.error_perm as error:
            print(error)
    print(ftp.mkd('a"b'), ftp.cwd('a"b'), ftp.pwd(), ftp.cwd(".."), ftp.rmd('a"b'))
    print(ftp.rename("x.bin", "y.bin"), ftp.delete("y.bin"), ftp.delete("t.txt"))
    print(ftp.quit())


def measure(way, port, count, size=0):
    ftp = ftplib.FTP()
    ftp.connect("127.0.0.1", port)
    ftp.login("lab", "lab")
    begin = time.perf_counter()
    for i in range(1, count + 1):
        if way == "get":
            ftp.retrbinary(f"RETR file{i}", len, 65536)
        else:
            ftp.storbinary(f"STOR up{i}", io.BytesIO(bytes(size)), 65536)
    print(1000 * (time.perf_counter() - begin))
    ftp.quit()


def serve(folder):
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.log import config_logging
    from pyftpdlib.servers import FTPServer

    config_logging(level=40)
    users = DummyAuthorizer()
    users.add_user("lab", "lab", folder, perm="elradfmwMT")
    FTPHandler.authorizer = users
    server = FTPServer(("127.0.0.1", 0), FTPHandler)
    print(f"port {server.address[1]}", flush=True)
    server.serve_forever()


if sys.argv[1] == "client":
    client(int(sys.argv[2]))
elif sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    measure(sys.argv[1], *map(int, sys.argv[2:]))
