"""The package websockets as a client of websocket_chat and of an echo server:

    websocket.py ask CHAT ECHO

and as the room of websocket_chat, for the lab's client; prints its port:

    websocket.py serve
"""

import asyncio
import sys

import websockets


async def ask(chat, echo):
    url = f"ws://127.0.0.1:{chat}/chat"
    ann = await websockets.connect(url)
    print(await ann.recv())
    await ann.send("ann")
    print(await ann.recv())
    bob = await websockets.connect(url)
    await bob.recv()
    await bob.send("bob")
    print(await bob.recv())
    await bob.send(["Hell\u00f6 ", "\U0001f600", ", ann."])  # in fragments
    print(await ann.recv())
    await (await ann.ping())
    print("pong")
    other = await websockets.connect(url)
    await other.recv()
    await other.send("ann")
    await closing(other)
    await bob.send("x" * 1001)
    await closing(bob)
    await ann.close(3001, "Bye")
    print("closed", ann.close_code, ann.close_reason)

    async with websockets.connect(f"ws://127.0.0.1:{echo}/") as socket:
        for length in [0, 1, 125, 126, 65535, 65536]:
            text, data = "*" * length, b"\xfe" * length
            await socket.send(text)
            await socket.send(data)
            same = await socket.recv() == text and await socket.recv() == data
            print(length, str(same).lower())
        await socket.send("*" * 65537)
        await closing(socket)
    for origin in ["http://evil.test", f"http://127.0.0.1:{chat}"]:
        try:
            async with websockets.connect(url, origin=origin):
                print(origin == f"http://127.0.0.1:{chat}")
        except websockets.InvalidStatusCode as error:
            print(error.status_code)


async def closing(socket):
    try:
        await socket.recv()
    except websockets.ConnectionClosed:
        print("closed", socket.close_code, socket.close_reason)


names = {}


async def room(socket, path="/chat"):
    await socket.send("* Your name?")
    name = await socket.recv()
    names[socket] = name
    await socket.send(f"* Welcome, {name}: {len(names)} here")
    async for text in socket:
        for other in list(names):
            if other is not socket:
                await other.send([f"{name}: ", text])  # in fragments
    del names[socket]


async def serve():
    async with websockets.serve(room, "127.0.0.1", 0) as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


if sys.argv[1] == "ask":
    asyncio.run(ask(*sys.argv[2:]))
else:
    asyncio.run(serve())
