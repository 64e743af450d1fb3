"""A WebSocket server that says who asked and then sends back whatever it receives."""

import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(connection):
    headers = connection.request.headers
    await connection.send("user=" + headers.get("X-Forwarded-User", ""))
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass  # a session has ended, or a test


async def main():
    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listening on 127.0.0.1:{port}", flush=True)
        await server.serve_forever()


asyncio.run(main())
