"""A small server, tracked by agentcat: one tool that works, one that fails, one custom event."""

import sys

import agentcat
from mcp.server import MCPServer

project = sys.argv[1]
server = MCPServer("shop-of-python", version="1.2.3")


@server.tool()
def add(a: int, b: int) -> str:
    agentcat.publish_custom_event(
        server,
        project,
        {"resource_name": "sum.made", "parameters": {"sum": a + b}, "message": "a sum was made", "tags": {"size": "small"}},
    )
    return str(a + b)


@server.tool()
def explode() -> str:
    raise TypeError("the kettle is dry")


agentcat.track(
    server,
    project,
    agentcat.AgentCatOptions(identify=lambda request, context: agentcat.UserIdentity("user-7", "Grace", {})),
)
server.run("stdio")
