// A small server, tracked by the package that the argument names: one tool that works, one that fails, one custom event.

import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const [, , name, project] = process.argv;
const analytics = await import(name);
const server = new McpServer({ name: `shop-of-${name}`, version: "1.2.3" });
server.registerTool("add", { inputSchema: { a: z.number(), b: z.number() } }, async ({ a, b }) => {
  await analytics.publishCustomEvent(server, project, {
    resourceName: "sum.made", parameters: { sum: a + b }, message: "a sum was made", tags: { size: "small" },
  });
  return { content: [{ type: "text", text: String(a + b) }] };
});
server.registerTool("explode", {}, async () => {
  throw new TypeError("the kettle is dry");
});
analytics.track(server, project, { identify: async () => ({ userId: "user-7", userName: "Grace" }) });
await server.connect(new StdioServerTransport());
