"""SMTP in Python: smtplib as a client, aiosmtpd as a server.

    smtp.py send PORT    sends three mails, and tries what must be refused
    smtp.py serve        prints its port and each mail; with `quiet` the port
"""

import asyncio
import json
import smtplib
import sys

LETTER = "To: carol@lab.test\r\n\r\n.\r\n..\r\n.x\r\nb\u00f6b\r\n\r\nlast\r\n".encode()


def send(port):
    with smtplib.SMTP("127.0.0.1", port, local_hostname="python") as smtp:
        smtp.ehlo()
        print(sorted(smtp.esmtp_features.items()))
        for to in ["bob@lab.test"], ["bob@lab.test", "eve@example.com"], ["a@LAB.TEST"]:
            refused = smtp.sendmail("ann@a.test", to, LETTER, ["BODY=8BITMIME"])
            print(refused)
        for to in "eve@example.com", "eve%example.com@lab.test":
            try:
                smtp.sendmail("ann@a.test", to, LETTER)
            except smtplib.SMTPRecipientsRefused as error:
                print(error.recipients)
        try:
            smtp.sendmail("ann@a.test", "bob@lab.test", b"x" * 60 + b"\r\n" * 1048576)
        except smtplib.SMTPSenderRefused as error:
            print(error.smtp_code)
        print(smtp.noop()[0], smtp.verify("bob")[0], smtp.help())


async def serve(quiet):
    from aiosmtpd.smtp import SMTP

    class Handler:
        async def handle_DATA(self, server, session, envelope):
            if not quiet:
                mail = {
                    "sender": envelope.mail_from,
                    "recipients": envelope.rcpt_tos,
                    "letter": envelope.content.decode("latin1"),
                }
                print(json.dumps(mail), flush=True)
            return "250 Taken"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), hostname="aiosmtpd.test", loop=loop), "127.0.0.1", 0
    )
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if sys.argv[1] == "send":
    send(int(sys.argv[2]))
else:
    asyncio.run(serve(sys.argv[2:] == ["quiet"]))
