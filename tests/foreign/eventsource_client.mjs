// Follows the events of a unit with a client that this project did not write: eventsource 4.1.1, signed by its `fetch`.
//
//     node eventsource_client.mjs
//
// Run where `node_modules` has the package. Settings come from the environment: LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE;
// NODE_EXTRA_CA_CERTS names the authority. Writes a line for each thing that happens, until it is killed:
// `asked` (with the last event's id, as it was sent), `open`, `lost`, `event ID TYPE SUBJECT`. A client that has given
// up for good is `closed`, and ends with 1.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const { EventSource } = createRequire(join(process.cwd(), "x.js"))("eventsource");
const { LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE } = process.env;
const secret = readFileSync(LGSP_SECRET_FILE, "utf8").trim();

function signed(url) {
  const created = Math.floor(Date.now() / 1000);
  const parameters = `("@method" "@target-uri");created=${created};keyid="${LGSP_KEY}";tag="lgsp-v1"`;
  const base = `"@method": GET\n"@target-uri": ${url}\n"@signature-params": ${parameters}`;
  const signature = createHmac("sha256", secret).update(base).digest("base64");
  return { "Signature-Input": `lgsp=${parameters}`, Signature: `lgsp=:${signature}:` };
}

const source = new EventSource(`${LGSP_URL}/v1/events`, {
  fetch: (url, init) => {
    console.log(`asked ${init.headers["Last-Event-ID"] ?? "-"}`);
    return fetch(url, { ...init, headers: { ...init.headers, ...signed(url.toString()) } });
  },
});
source.onopen = () => console.log("open");
source.onmessage = ({ data, lastEventId }) => {
  const { type, subject } = JSON.parse(data);
  console.log(`event ${lastEventId || "-"} ${type} ${subject ?? "-"}`);
};
source.onerror = ({ code, message }) => {
  const closed = source.readyState === EventSource.CLOSED;
  console.log(`${closed ? "closed" : "lost"} ${code ?? "-"} ${message ?? "-"}`);
  if (closed) process.exit(1);
};
