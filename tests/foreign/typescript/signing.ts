// Signs requests by the profile lgsp-v1 (RFC 9421, HMAC-SHA-256), as middleware of openapi-fetch.

import { createHash, createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Middleware } from "openapi-fetch";

export function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

// Headers that change what a request means are signed where they are present.
const COVERED = ["content-digest", "authorization", "idempotency-key", "packet-digest", "upload-length", "upload-offset", "upload-metadata"];

export function signing(keyId: string, secretFile: string): Middleware {
  const secret = readFileSync(secretFile, "utf8").trim();
  return {
    async onRequest({ request }) {
      const body = Buffer.from(await request.arrayBuffer());
      const headers = new Headers(request.headers);
      if (body.length > 0 && !headers.has("content-digest")) {
        headers.set("content-digest", `sha-256=:${createHash("sha256").update(body).digest("base64")}:`);
      }
      const lines: [string, string][] = [
        ["@method", request.method],
        ["@target-uri", request.url],
      ];
      for (const name of COVERED) {
        const value = headers.get(name);
        if (value !== null) lines.push([name, value]);
      }
      const covered = lines.map(([name]) => `"${name}"`).join(" ");
      const created = Math.floor(Date.now() / 1000);
      const nonce = randomBytes(16).toString("hex");
      const parameters = `(${covered});created=${created};nonce="${nonce}";keyid="${keyId}";tag="lgsp-v1"`;
      const base = [...lines, ["@signature-params", parameters] as const].map(([name, value]) => `"${name}": ${value}`);
      const signature = createHmac("sha256", secret).update(base.join("\n")).digest("base64");
      headers.set("signature-input", `lgsp=${parameters}`);
      headers.set("signature", `lgsp=:${signature}:`);
      return new Request(request.url, { method: request.method, headers, ...(body.length > 0 ? { body } : {}) });
    },
  };
}
