// Real clients, real servers, and what a collector received of it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const program = (name) => join(process.env.MCPCAT_EXAMPLES, name);

/** A collector: keeps what it is sent, and tells when there is enough of it. */
async function collector(t) {
  const events = [];
  const waiting = new Set();
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    // No event: a sender asks what is taken here.
    if (request.method === "OPTIONS") return response.writeHead(405).end();
    events.push(JSON.parse(body));
    response.writeHead(202, { "content-type": "application/json" }).end('{"status":"accepted"}');
    for (const check of waiting) check();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    async until(enough) {
      await new Promise((resolve) => {
        const check = () => enough(events) && (waiting.delete(check), resolve());
        waiting.add(check);
        check();
      });
      return events;
    },
  };
}

function environment(url) {
  const { AGENTCAT_API_URL, ...rest } = process.env;
  const state = mkdtempSync(join(tmpdir(), "mcpcat-clients-"));
  return { ...rest, MCPCAT_API_URL: url, MCPCAT_STATE_DIR: state, NO_PROXY: "127.0.0.1" };
}

/** The HTTP server; ends with the test. */
async function httpServer(t, env) {
  const server = spawn(program("http_server"), [], { env, stdio: ["ignore", "pipe", "ignore"] });
  t.after(async () => {
    server.kill("SIGINT");
    await once(server, "exit");
  });
  const [address] = await once(createInterface(server.stdout), "line");
  return address;
}

async function typescript(transport) {
  const client = new Client({ name: "typescript-client", version: "1.0.0" });
  await client.connect(transport);
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map((tool) => tool.name), ["roll"]);
  const good = await client.callTool({ name: "roll", arguments: { sides: 6 } });
  assert.match(good.content[0].text, /^[1-6]$/);
  const bad = await client.callTool({ name: "roll", arguments: { sides: 0 } });
  assert.equal(bad.isError, true);
  await client.close();
}

async function python(server, env) {
  const agent = spawn(".venv/bin/python", ["agent.py", server], { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  agent.stderr.on("data", (text) => (said += text));
  const [code] = await once(agent, "exit");
  assert.equal(code, 0, said);
}

const of = (events, type) => events.filter((event) => event.event_type === type);
const enough = (events) =>
  of(events, "mcp:tools/list").length >= 1 &&
  of(events, "mcp:tools/call").length >= 2 &&
  events.some((event) => event.resource_name === "dice.rolled");

/** What holds for every client: the list, a good call with its own event, and a bad one. */
function check(events) {
  assert.equal(of(events, "mcp:tools/list").length, 1);
  const calls = of(events, "mcp:tools/call");
  assert.equal(calls.length, 2);
  const good = calls.find((call) => call.parameters.request.params.arguments.sides === 6);
  const bad = calls.find((call) => call.parameters.request.params.arguments.sides === 0);
  assert.deepEqual([good.is_error, bad.is_error], [false, true]);
  assert.ok(bad.error.message.includes("at least one side"));
  const rolled = events.find((event) => event.resource_name === "dice.rolled");
  assert.equal(rolled.session_id, good.session_id);
  for (const call of calls) assert.match(call.session_id, /^ses_[0-9A-Za-z]{27}$/);
  return { calls, rolled, good };
}

const oneSession = (events) => assert.equal(new Set(events.map((event) => event.session_id)).size, 1);

test("TypeScript over stdio", async (t) => {
  const { url, until } = await collector(t);
  const command = program("stdio_server");
  await typescript(new StdioClientTransport({ command, env: environment(url), stderr: "ignore" }));
  const events = await until(enough);
  check(events);
  oneSession(events);
  for (const event of events) assert.equal(event.client_name, "typescript-client");
  assert.equal(of(events, "mcp:initialize").length, 1);
});

test("TypeScript over streamable HTTP", async (t) => {
  const { url, until } = await collector(t);
  const address = await httpServer(t, environment(url));
  await typescript(new StreamableHTTPClientTransport(new URL(address)));
  const events = await until((events) => enough(events) && of(events, "mcp:initialize").length === 1);
  const { rolled, good } = check(events);
  assert.equal(rolled.parent_id, good.id);
  oneSession(events);
  for (const event of events) assert.equal(event.client_name, "typescript-client");
});

test("Python over stdio", async (t) => {
  const { url, until } = await collector(t);
  await python(program("stdio_server"), environment(url));
  const events = await until(enough);
  check(events);
  oneSession(events);
  for (const event of events) assert.equal(event.client_name, "mcp");
});

test("Python over streamable HTTP", async (t) => {
  const { url, until } = await collector(t);
  const env = environment(url);
  await python(await httpServer(t, env), env);
  const events = await until(enough);
  const { calls, rolled, good } = check(events);
  assert.equal(rolled.parent_id, good.id);
  for (const call of calls) {
    assert.equal(call.client_name, "mcp");
    // Its newest revision has no sessions: each request stands alone, and says so.
    assert.equal(call.properties?.mcpcat_session, "unlinked");
  }
});
