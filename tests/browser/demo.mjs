// Events that look like a week of real use, for pictures and for looking at the page by eye: three servers, several clients and
// people, failures with causes, nested events, a large session, images, JSON in texts. The same on every run but for the time.

import { deflateSync } from 'node:zlib';

/** Numbers that look random and are the same each time. */
function dice(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return { next, below: (n) => Math.floor(next() * n), of: (list) => list[Math.floor(next() * list.length)] };
}

const CRC = Array.from({ length: 256 }, (_, n) => {
  let crc = n;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc >>> 0;
});

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return Buffer.concat([size, body, sum]);
}

/** A small chart as a PNG, as a tool would answer it. */
export function chart(width = 240, height = 120) {
  const rows = [];
  for (let y = 0; y < height; y += 1) {
    rows.push(0);
    for (let x = 0; x < width; x += 1) {
      const bar = Math.floor(x / 20);
      const tall = 20 + ((bar * 37) % 80);
      const inside = x % 20 < 14 && height - y < tall;
      rows.push(...(inside ? [77, 147, 176] : [244, 244, 242]));
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head), chunk('IDAT', deflateSync(Buffer.from(rows))), chunk('IEND', Buffer.alloc(0))]).toString('base64');
}

const PEOPLE = [['user-42', 'Ada Lovelace'], ['user-7', 'Grace Hopper'], ['user-118', 'Katherine Johnson'], ['user-3', 'Edsger Dijkstra'], null, null];
const CLIENTS = [['claude-desktop', '1.9.2'], ['claude-code', '2.1.0'], ['cursor', '1.7.44'], ['chatgpt', '2026.11']];
const SERVERS = {
  proj_billing: {
    server: ['billing', '2.4.0'],
    wishes: ['Move the customer to the team plan with five seats', 'Give back the second charge of October', 'Find out why invoice 1009 was charged twice', 'List who has not paid since August', 'Close the account of a customer who asked for it'],
    tools: ['lookup_customer', 'list_invoices', 'upgrade', 'refund', 'export_ledger'],
    custom: ['invoice.charge', 'gateway.request', 'ledger.append'],
  },
  proj_docs: {
    server: ['docs-search', '0.8.3'],
    wishes: ['How are refunds booked across two fiscal years?', 'Find the page on rotating tokens', 'Summarise what changed in the API since version 3'],
    tools: ['search_pages', 'read_page', 'list_versions'],
    custom: ['index.query', 'cache.miss', 'rank'],
  },
  proj_fleet: {
    server: ['fleet', '1.12.1-rc.2'],
    wishes: ['Which vans are late today?', 'Plot the battery of van 12 over the week', 'Book the yard for Friday morning'],
    tools: ['list_vehicles', 'plot_battery', 'book_yard', 'route'],
    custom: ['telemetry.read', 'map.tile', 'slot.reserved'],
  },
};
const FAILURES = [
  { type: 'billing::RefundError::Gateway', message: 'the gateway did not answer within 5 s', platform: 'rust', chained_errors: [{ type: 'reqwest::Error', message: 'error sending request for url (https://gateway.example/refunds)' }, { type: 'hyper::Error', message: 'operation timed out' }], stack: '   0: billing::refund\n             at src/refund.rs:41\n   1: billing::tools::refund\n             at src/tools.rs:88' },
  { type: 'InvalidParams', message: 'MCP error -32602: unknown period "Q5"', platform: 'rust' },
  { type: 'sqlx::Error::RowNotFound', message: 'no rows returned by a query that expected to return at least one row', platform: 'rust' },
];

/** The session of the pictures. */
export const PICTURED = 'ses_2pQy8RefundAndUpgradeBx41A';

/** One session's events, the last of them `ago` milliseconds before `now`. */
function sessionOf({ project, id, start, calls, seed, wish, person, client }) {
  const random = dice(seed);
  const { server, tools, custom, wishes } = SERVERS[project];
  const list = [];
  let number = 0;
  let clock = start;
  const push = (at, fields) => {
    number += 1;
    const event = {
      id: `evt_${id.slice(4)}_${String(number).padStart(5, '0')}`, project_id: project, session_id: id, timestamp: new Date(at).toISOString(), sequence: number,
      sdk_instance: `i-${id}`, sdk_language: 'Rust', mcpcat_version: '0.1.0', server_name: server[0], server_version: server[1], client_name: client[0], client_version: client[1],
      ...(person ? { identify_actor_given_id: person[0], identify_actor_name: person[1] } : {}), ...fields,
    };
    list.push(event);
    return event;
  };
  push(clock, { event_type: 'mcp:initialize', duration: 2, parameters: { request: { method: 'initialize', params: { protocolVersion: '2026-07-28', clientInfo: { name: client[0], version: client[1] } } } } });
  push(clock + 31, { event_type: 'mcp:tools/list', duration: 1, response: { tools: tools.map((name) => ({ name })) } });
  clock += 1_400;
  for (let n = 0; n < calls; n += 1) {
    const name = random.of(tools);
    const failed = random.below(13) === 0;
    const took = Math.round(20 + random.next() ** 4 * 2_600);
    const customer = `cus_${(0x9000 + random.below(4000)).toString(16)}`;
    const call = push(clock, {
      event_type: 'mcp:tools/call', resource_name: name, duration: took, is_error: failed, ...(n === 0 || random.below(4) === 0 ? { user_intent: n === 0 ? wish : random.of(wishes) } : {}),
      parameters: { request: { method: 'tools/call', params: { name, arguments: { customer, period: random.of(['2026-08', '2026-09', '2026-10']), limit: 10 + random.below(90) } } } },
      ...(failed ? { error: random.of(FAILURES) } : { response: { content: name === 'plot_battery'
        ? [{ type: 'text', text: 'Battery of van 12, the last seven days' }, { type: 'image', mimeType: 'image/png', data: chart() }]
        : [{ type: 'text', text: JSON.stringify({ customer, invoices: [{ id: `inv_${1000 + random.below(99)}`, cents: random.below(90_000), paid: random.below(2) === 0 }], next: null }) }] } }),
      properties: { trace_id: [0, 1, 2, 3].map(() => random.below(2 ** 32).toString(16).padStart(8, '0')).join('') },
    });
    const inside = random.below(4);
    for (let child = 0; child < inside; child += 1) {
      const share = took / (inside + 1);
      push(clock + Math.round(child * share), {
        event_type: 'mcpcat:custom', resource_name: custom[child % custom.length], parent_id: call.id, duration: Math.max(1, Math.round(share * random.next())),
        parameters: { attempt: child + 1, customer }, tags: { region: random.of(['eu', 'us']), gateway: random.of(['adyen', 'stripe']) },
        ...(failed && child === inside - 1 ? { is_error: true, error: { type: 'timeout', message: 'operation timed out', code: 'E_TIMEOUT' } } : {}),
      });
    }
    clock += took + Math.round(random.next() ** 3 * (n % 9 === 8 ? 90_000 : 9_000));
  }
  return list;
}

/** All events, the newest a minute before `now`. */
export function demo(now = Date.now()) {
  const random = dice(20_261_127);
  const all = [];
  const projects = Object.keys(SERVERS);
  for (let n = 0; n < 64; n += 1) {
    const project = projects[n % 3];
    all.push(...sessionOf({
      project, id: `ses_${(n * 7_919 + 104_729).toString(36)}${'KwPq3vXbNzT81mRd'.slice(n % 5)}${n}`, start: now - 25 * 60_000 - Math.round(n ** 1.7 * 90_000), calls: 1 + random.below(14),
      seed: n + 1, wish: random.of(SERVERS[project].wishes), person: random.of(PEOPLE), client: random.of(CLIENTS),
    }));
  }
  all.push(...sessionOf({ project: 'proj_billing', id: 'ses_largeMonthEndClosing2026A1', start: now - 3 * 3_600_000, calls: 1_200, seed: 77, wish: 'Close the month: check every invoice of October against the ledger', person: PEOPLE[1], client: CLIENTS[1] }));
  all.push(...pictured(now - 6 * 60_000));
  return all;
}

/** A conversation that a person would remember: an upgrade that works, a refund that fails and then does not. */
function pictured(start) {
  let number = 0;
  const iso = (ms) => new Date(start + ms).toISOString();
  const event = (at, fields) => ({
    id: `evt_pictured${String(++number).padStart(3, '0')}`, project_id: 'proj_billing', session_id: PICTURED, timestamp: iso(at), sequence: number, sdk_instance: 'pictured', sdk_language: 'Rust',
    mcpcat_version: '0.1.0', server_name: 'billing', server_version: '2.4.0', client_name: 'claude-desktop', client_version: '1.9.2', identify_actor_given_id: 'user-42', identify_actor_name: 'Ada Lovelace', ...fields,
  });
  const call = (at, name, duration, args, fields) => event(at, { event_type: 'mcp:tools/call', resource_name: name, duration, parameters: { request: { method: 'tools/call', params: { name, arguments: args } } }, ...fields });
  const custom = (at, parent, name, duration, parameters, fields) => event(at, { event_type: 'mcpcat:custom', resource_name: name, ...(parent ? { parent_id: parent.id } : {}), ...(duration === null ? {} : { duration }), parameters, ...fields });
  const text = (value) => ({ response: { content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }], isError: false } });
  const list = [event(0, { event_type: 'mcp:initialize', duration: 2 }), event(40, { event_type: 'mcp:tools/list', duration: 1 })];
  list.push(call(2_300, 'lookup_customer', 84, { email: 'ada@example.org' }, { user_intent: 'Find the account that moves to the team plan', ...text({ id: 'cus_9af2', plan: 'free', seats: 3 }) }));
  const upgrade = call(6_120, 'upgrade', 1_842, { customer: 'cus_9af2', plan: 'team', seats: 5 }, { user_intent: 'Upgrade the customer to the team plan with five seats', ...text('upgraded') });
  const charge = custom(6_340, upgrade, 'invoice.charge', 1_207, { customer: 'cus_9af2', amount: '60.00' }, { tags: { region: 'eu', gateway: 'adyen' } });
  list.push(upgrade, charge, custom(6_360, charge, 'gateway.request', 1_120, { attempt: 1, endpoint: '/v71/payments' }),
    custom(7_930, upgrade, 'subscription_upgraded', null, { plan: 'team', seats: 5, addons: ['sso', 'audit-log'] }, { user_intent: 'first paid plan', tags: { region: 'eu' } }));
  for (let n = 0; n < 12; n += 1) list.push(custom(12_000 + n * 210, null, 'ledger.append', 3, { line: 88 + n, cents: 1299 + n }));
  const refund = call(17_400, 'refund', 5_031, { invoice: 'inv_1009', amount: 1299 }, { is_error: true, user_intent: 'Give back the second charge', error: FAILURES[0] });
  list.push(refund, custom(17_480, refund, 'gateway.request', 4_900, { attempt: 1, endpoint: '/v71/refunds' }, { is_error: true, error: { message: 'operation timed out', code: 'E_TIMEOUT', type: 'timeout' } }));
  const again = call(26_000, 'refund', 640, { invoice: 'inv_1009', amount: 1299, idempotency_key: 'r-2' }, { user_intent: 'Try the refund once more', ...text({ refunded: true, cents: 1299, arrives: '2026-11-30' }) });
  list.push(again, custom(26_040, again, 'gateway.request', 510, { attempt: 2, endpoint: '/v71/refunds' }), custom(26_620, again, 'refund.completed', 0, { invoice: 'inv_1009', minutes_to_refund: 4 }, { tags: { region: 'eu' } }),
    call(31_200, 'export_ledger', 318, { period: '2026-10', format: 'csv' }, text('exported 214 lines')));
  return list;
}
