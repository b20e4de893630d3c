// The published SDKs of the official service, as anyone installs them, send to a timeline by environment variable alone.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

let folder;
let timeline;
let url;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "mcpcat-packages-"));
  const args = ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "events.sqlite3")];
  timeline = spawn(process.env.MCPCAT_TIMELINE_BIN, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface(timeline.stdout), "line");
  url = line.match(/http:\/\/\S+/)[0];
});
after(async () => {
  timeline.kill("SIGINT");
  await once(timeline, "exit");
  rmSync(folder, { recursive: true });
});

const get = async (path) => {
  const response = await fetch(url + path);
  assert.equal(response.status, 200, path);
  return response.json();
};

/** All events of a project, once `enough` says so. */
async function delivered(project, enough) {
  const end = Date.now() + 30_000;
  for (;;) {
    const { events } = await get(`/api/v1/events?project=${project}&order=newest`);
    const list = events.map(({ event }) => event).reverse();
    if (enough(list)) return list;
    assert.ok(Date.now() < end, `after 30 s there is ${JSON.stringify(list.map((event) => [event.event_type, event.resource_name]))}`);
    await pause(100);
  }
}

/** What an agent does: one call that works and one that fails, in the session that the server may have handed out. */
async function agent(command, args, env) {
  const client = new Client({ name: "package-client", version: "9.8.7" });
  await client.connect(new StdioClientTransport({ command, args, env, stderr: "ignore" }));
  const { tools } = await client.listTools();
  const handles = "session_id" in tools.find((tool) => tool.name === "add").inputSchema.properties;
  const sum = await client.callTool({ name: "add", arguments: { a: 2, b: 3, context: "adding up", ...(handles && { session_id: "start" }) } });
  assert.equal(sum.content.at(-1).text, "5");
  const session = handles && { session_id: sum.structuredContent.mcp_session.session_id };
  const bad = await client.callTool({ name: "explode", arguments: { context: "trying it", ...session } });
  assert.equal(bad.isError, true);
  return client;
}

/** What an agent did is on the timeline, and the SDK's own log knows of no trouble. */
async function roundTrip(name, command, args, log, types) {
  const project = `proj_${name}`;
  const home = mkdtempSync(join(folder, `${name}-`));
  // The SDKs are told where to send by this one variable; diagnostics would go to their makers.
  const env = { PATH: process.env.PATH, HOME: home, MCPCAT_API_URL: url, NO_PROXY: "127.0.0.1", DISABLE_DIAGNOSTICS: "true", AGENTCAT_DEBUG_MODE: "true" };
  const client = await agent(command, [...args, project], env);
  let events;
  try {
    events = await delivered(project, (list) => list.length >= types.length);
  } finally {
    await client.close();
  }
  assert.deepEqual(events.map((event) => event.event_type.replace("agentcat:", "mcpcat:")).sort(), types);
  assert.ok(events.every((event) => !Object.keys(event).some((key) => /[A-Z]/.test(key))), "one spelling for every field");

  const named = (label) => events.find((event) => event.resource_name === label);
  const add = named("add");
  assert.equal(add.identify_actor_given_id, "user-7");
  assert.match(JSON.stringify(add.response), /"5"/);
  assert.equal(named("explode").is_error, true);
  assert.match(named("explode").error.message, /the kettle is dry/);
  const made = named("sum.made");
  assert.deepEqual([made.parameters, made.tags, made.user_intent], [{ sum: 5 }, { size: "small" }, "a sum was made"]);

  const { sessions } = await get(`/api/v1/sessions?project=${project}`);
  const session = sessions.find((row) => row.session_id === add.session_id);
  assert.deepEqual(
    [session.actor_name, session.client_name, session.server_version, session.tool_call_count, session.error_count],
    ["Grace", "package-client", "1.2.3", 2, 1],
  );
  assert.equal(sessions.reduce((sum, row) => sum + row.event_count, 0), events.length);

  const file = join(home, log);
  assert.ok(existsSync(file), `${log} was not written: nothing would be known of errors`);
  const lines = readFileSync(file, "utf8").split("\n");
  assert.equal(lines.filter((line) => line.includes("Successfully sent event")).length, events.length);
  assert.deepEqual(lines.filter((line) => /error|fail|warn|retry|drop/i.test(line)), []);
}

const tools = ["mcp:tools/call", "mcp:tools/call"];
const stateful = ["mcp:initialize", ...tools, "mcp:tools/list", "mcpcat:custom", "mcpcat:identify"];
test("npm mcpcat", () => roundTrip("mcpcat-npm", process.execPath, ["server.mjs", "mcpcat"], "mcpcat.log", stateful));
test("npm agentcat", () => roundTrip("agentcat-npm", process.execPath, ["server.mjs", "agentcat"], "agentcat.log", stateful));
// Without a session before the first call, the Python SDK has nothing to file a listing under and does not send it.
test("PyPI agentcat", () => roundTrip("agentcat-pypi", ".venv/bin/python", ["server.py"], "agentcat.log", [...tools, "mcpcat:custom"]));
