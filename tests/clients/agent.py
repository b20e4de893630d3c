"""What an agent would do with the Python SDK: list the tools, call one well and one badly.

The argument is an HTTP address, or the program of a stdio server.
"""

import asyncio
import os
import sys

from mcp import Client, StdioServerParameters


async def main(server: str) -> None:
    if not server.startswith("http"):
        server = StdioServerParameters(command=server, env=dict(os.environ))
    async with Client(server) as client:
        tools = await client.list_tools()
        assert [tool.name for tool in tools.tools] == ["roll"], tools
        good = await client.call_tool("roll", {"sides": 6})
        assert not good.is_error and int(good.content[0].text) in range(1, 7), good
        bad = await client.call_tool("roll", {"sides": 0})
        assert bad.is_error, bad


asyncio.run(main(sys.argv[1]))
