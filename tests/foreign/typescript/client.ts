// A client made from /openapi.json by openapi-typescript 7.13.0 and openapi-fetch 0.17.0, with the signer beside it as
// middleware. What it sends and reads is typed by the document alone.
//
// Settings come from the environment: LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE and LGSP_UNIT (the unit of the key, to which
// it sends); NODE_EXTRA_CA_CERTS names the authority.

import { createHash, randomBytes } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./lgsp.js";
import { setting, signing } from "./signing.js";

type Problem = components["schemas"]["Problem"];

const client = createClient<paths>({ baseUrl: setting("LGSP_URL") });
client.use(signing(setting("LGSP_KEY"), setting("LGSP_SECRET_FILE")));
const unit = setting("LGSP_UNIT");

function check(what: string, good: boolean, told: unknown = ""): void {
  console.log(`${good ? "ok  " : "FAIL"} typescript: ${what}${good ? "" : `: ${JSON.stringify(told)}`}`);
  if (!good) process.exitCode = 1;
}

// What was answered, or the problem as an error: every operation has the same one.
function good<Data>(answer: { data?: Data; error?: Problem }): Data {
  if (answer.error !== undefined) throw new Error(`${answer.error.code} ${answer.error.word}: ${answer.error.detail}`);
  return answer.data as Data;
}

const content = randomBytes(200_000);
const sha256 = createHash("sha256").update(content);
const digest = sha256.copy().digest("hex");

const opened = good(
  await client.POST("/v1/packets", {
    params: { header: { "Idempotency-Key": randomBytes(16).toString("hex") } },
    body: { targets: [unit], title: "Công văn số 12", media_type: "application/pdf", size: content.length },
  }),
);
if (!("space" in opened)) throw new Error("JSON is answered with a space");
check("a packet is opened", opened.state === "awaiting_content", opened);

await client.PUT("/v1/spaces/{id}/content", {
  params: {
    path: { id: opened.space.id },
    header: {
      "Content-Digest": `sha-256=:${sha256.digest("base64")}:`,
      "Upload-Metadata": `filename ${Buffer.from("Công văn.pdf").toString("base64")}`,
    },
  },
  // The generator writes octets as text.
  body: content as unknown as string,
  bodySerializer: (body: unknown) => body as Buffer,
  headers: { "Content-Type": "application/octet-stream" },
}).then(good);

const byPath = { params: { path: { id: opened.packet } } };
const accepted = good(
  await client.POST("/v1/packets/{id}/commit", { ...byPath, body: { digest, size: content.length } }),
);
check("its content is committed", accepted.digest === digest && accepted.size === content.length, accepted);

const waiting = good(await client.GET("/v1/inbox", { params: { query: { limit: 200 } } }));
check("it waits for its target", waiting.items.some((packet) => packet.packet === opened.packet), waiting);

const granted = good(await client.POST("/v1/packets/{id}/accept", byPath));
if (typeof granted === "string") throw new Error("without `Accept` the answer is JSON");
check("it is accepted", granted.digest === digest, granted);

const fetched = await client.GET("/v1/packets/{id}/content", { ...byPath, parseAs: "arrayBuffer" });
const received = Buffer.from(good(fetched) as ArrayBuffer);
check("what is fetched is what was sent", received.equals(content), received.length);

const wrong = await client.POST("/v1/packets/{id}/confirm", { ...byPath, body: { digest: "0".repeat(64) } });
check("a receipt for another content is refused, in a typed problem", wrong.error?.word === "digest_mismatch", wrong.error);

good(await client.POST("/v1/packets/{id}/confirm", { ...byPath, body: { digest } }));
const ended = good(await client.GET("/v1/packets/{id}", byPath));
check("it is confirmed and completed", ended.state === "completed" && ended.deliveries[0]?.state === "confirmed", ended);
