// Events for the tests: a session as a server would send it, and one that tries to break out of the page.

import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const captures = fileURLToPath(new URL('../fixtures/captures/', import.meta.url));

/** Sends one event as an SDK does. */
export async function post(base, event) {
  const response = await fetch(`${base}/v1/public/events/`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(event),
  });
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
}

/** Sends every captured request of the official SDKs, in order. */
export async function postCaptures(base) {
  for (const file of readdirSync(captures).filter((name) => name.endsWith('.jsonl')).sort()) {
    for (const line of readFileSync(captures + file, 'utf8').split('\n').filter(Boolean)) {
      const request = JSON.parse(line);
      if (request.path === '/v1/public/events/') await post(base, request.body);
    }
  }
}

export const SHOP = 'ses_2cShopSessionForTestsAAAAAAa';

/** A session of a billing server: nested events, failures, a pause, tags, identity, listing noise. */
export function shopEvents(start = Date.now() - 8 * 60_000) {
  let number = 0;
  const iso = (ms) => new Date(start + ms).toISOString().replace('Z', '000Z');
  const event = (at, fields) => ({
    id: `evt_shop${String(++number).padStart(3, '0')}`, project_id: 'proj_shop', session_id: SHOP, timestamp: iso(at), sequence: number,
    sdk_instance: 'demo', sdk_language: 'Rust', mcpcat_version: '0.1.0', server_name: 'billing', server_version: '2.4.0',
    client_name: 'claude-desktop', client_version: '1.9.2', identify_actor_given_id: 'user-42', identify_actor_name: 'Ada Lovelace', ...fields,
  });
  const call = (at, name, duration, fields) => event(at, { event_type: 'mcp:tools/call', resource_name: name, duration, ...fields });
  const custom = (at, name, fields) => event(at, { event_type: 'mcpcat:custom', ...(name ? { resource_name: name } : {}), ...fields });
  const request = (name, args) => ({ request: { method: 'tools/call', params: { name, arguments: args } } });
  const list = [
    event(0, { event_type: 'mcp:initialize', duration: 2, parameters: { request: { method: 'initialize', params: { protocolVersion: '2026-07-28', clientInfo: { name: 'claude-desktop', version: '1.9.2' } } } } }),
    event(40, { event_type: 'mcp:tools/list', duration: 1, response: { tools: [{ name: 'lookup_customer' }, { name: 'upgrade' }] } }),
    event(44, { event_type: 'mcpcat:identify', identify_data: { plan: 'pro', since: 2023 } }),
    call(2_300, 'lookup_customer', 84, { user_intent: 'Find the account that the user wants to move to the team plan', parameters: request('lookup_customer', { email: '[redacted]' }), response: { content: [{ type: 'text', text: 'cus_9af2, plan free, 3 seats' }] } }),
  ];
  const upgrade = call(9_120, 'upgrade', 1_842, { user_intent: 'Upgrade the customer to the team plan with five seats', parameters: request('upgrade', { customer: 'cus_9af2', plan: 'team', seats: 5 }), response: { content: [{ type: 'text', text: 'upgraded' }], isError: false }, properties: { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b7' } });
  const charge = custom(9_340, 'invoice.charge', { parent_id: upgrade.id, duration: 1_207, parameters: { customer: 'cus_9af2', amount: '60.00' }, tags: { region: 'eu', gateway: 'adyen' } });
  list.push(upgrade, charge,
    custom(9_360, 'gateway.request', { parent_id: charge.id, duration: 1_120, parameters: { attempt: 1, endpoint: '/v71/payments' } }),
    custom(10_930, 'subscription_upgraded', { parent_id: upgrade.id, user_intent: 'first paid plan', parameters: { plan: 'team', seats: 5, addons: ['sso', 'audit-log'], trial: null }, tags: { region: 'eu' }, properties: { cart: { total: 60.0, currency: 'EUR' } } }),
    custom(10_932, null, { parent_id: upgrade.id, user_intent: 'a nameless milestone' }),
    event(205_000, { event_type: 'mcp:tools/list', duration: 1 }),
  );
  const refund = call(206_400, 'refund', 5_031, { is_error: true, user_intent: 'Give back the second charge', parameters: request('refund', { invoice: 'inv_1009', amount: 1299 }), error: { message: 'the gateway did not answer within 5 s', type: 'billing::RefundError::Gateway', platform: 'rust', stack: '   0: billing::refund\n             at src/refund.rs:41\n   1: billing::tools::refund\n             at src/tools.rs:88', chained_errors: [{ type: 'reqwest::Error', message: 'error sending request for url (https://gateway.example/refunds)' }, { type: 'hyper::Error', message: 'operation timed out' }] } });
  list.push(refund,
    custom(206_480, 'gateway.request', { parent_id: refund.id, duration: 4_900, is_error: true, error: { message: 'operation timed out', code: 'E_TIMEOUT', type: 'timeout' } }),
    call(240_000, 'refund', 640, { user_intent: 'Try the refund once more', parameters: request('refund', { invoice: 'inv_1009', amount: 1299 }), response: { content: [{ type: 'text', text: 'refunded' }] } }),
    custom(240_500, 'refund.completed', { duration: 0, parameters: { invoice: 'inv_1009', minutes_to_refund: 4 }, tags: { region: 'eu' } }),
    call(300_100, 'export_ledger', 12, { is_error: true, error: { type: 'InvalidParams', message: 'MCP error -32602: unknown period "Q5"', platform: 'rust' } }));
  return list;
}

/** The texts that must never run. Each sets a mark if it does. */
export const PAYLOADS = [
  '<script>window.__ran=1</script>',
  '<img src=x onerror="window.__ran=2">',
  '"><svg onload=window.__ran=3>',
  "javascript:window.__ran=4",
  '</script><script>window.__ran=5</script>',
  '{{constructor.constructor("window.__ran=6")()}}',
];
export const EVIL = 'evil <img src=x onerror=window.__ran=9>';

/** An event that carries a payload in every text field there is. */
export function evilEvents() {
  return PAYLOADS.map((text, at) => ({
    id: `evt_evil${at}`, project_id: `proj_${text}`, session_id: EVIL, timestamp: new Date().toISOString(), event_type: at % 2 === 0 ? 'mcpcat:custom' : text,
    resource_name: text, user_intent: text, is_error: true, duration: 3, parent_id: at > 0 ? `evt_evil${at - 1}` : text,
    error: { message: text, type: text, platform: text, stack: text, chained_errors: [{ type: text, message: text, stack: text }], frames: [{ function: text, filename: text }], [text]: text },
    parameters: { [text]: text, list: [text] }, response: text, tags: { [text.slice(0, 30)]: text }, properties: { [text]: { [text]: text }, trace_id: text },
    identify_actor_given_id: text, identify_actor_name: text, identify_data: { [text]: text }, server_name: text, server_version: text,
    client_name: text, client_version: text, sdk_language: text, [text]: text,
  }));
}
