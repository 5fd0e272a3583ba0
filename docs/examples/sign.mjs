// Signs requests by the profile lgsp-v1 (RFC 9421, HMAC-SHA-256). Needs Node.js 18 or later and no packages.
//
//   node sign.mjs --self-test   reproduces the worked example of the connection guide; needs no cluster
//   node sign.mjs               takes a small packet the whole way: sends, accepts, fetches and confirms it
//
// The second reads LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE, LGSP_UNIT and, unless the system trusts the nodes, LGSP_CA.
// In a program of yours: import { Client, Problem } from './sign.mjs'.

import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import https from 'node:https';
import { fileURLToPath } from 'node:url';

// Headers that change what a request means: where one is sent, it is signed too.
const COVERED = ['authorization', 'idempotency-key', 'packet-digest', 'upload-length', 'upload-offset', 'upload-metadata', 'upload-concat'];

export class Signer {
  constructor(key, secret) {
    this.key = key;
    this.secret = secret; // the text as it was issued: it is not decoded
  }

  // The headers to add to a request. `headers` are the ones that it has already, `body` its octets if it has any.
  sign(method, url, headers = {}, body, created = Math.floor(Date.now() / 1000), nonce = randomBytes(16).toString('hex')) {
    const added = {};
    const target = new URL(url); // host in lower case, no default port, at least one slash
    target.hash = '';
    const components = [['@method', method], ['@target-uri', target.href]];
    if (body !== undefined) {
      added['content-digest'] = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
      components.push(['content-digest', added['content-digest']]);
    }
    for (const [name, value] of Object.entries(headers)) {
      if (COVERED.includes(name.toLowerCase())) components.push([name.toLowerCase(), String(value).trim()]);
    }
    const names = components.map(([name]) => `"${name}"`).join(' ');
    const params = `(${names});created=${created};nonce="${nonce}";keyid="${this.key}";tag="lgsp-v1"`;
    const base = [...components, ['@signature-params', params]].map(([name, value]) => `"${name}": ${value}`).join('\n');
    const signature = createHmac('sha256', this.secret).update(base).digest('base64');
    return { ...added, 'signature-input': `lgsp=${params}`, signature: `lgsp=:${signature}:` };
  }
}

// An answer that is an error (RFC 9457). Go by `word` or `code`; `retryable` tells whether another try may help.
export class Problem extends Error {
  constructor(status, problem) {
    super(`${status} ${problem.code ?? ''}: ${problem.detail ?? ''} (trace_id ${problem.trace_id ?? ''})`);
    Object.assign(this, problem, { status });
  }
}

export class Client {
  constructor({ url, key, secretFile, ca }) {
    // Some editors put a byte order mark before the secret, or a line break behind it; neither is part of it.
    const secret = readFileSync(secretFile, 'utf8').replace(/^\uFEFF/, '').replace(/[\r\n]+$/, '');
    this.url = url.replace(/\/+$/, '');
    this.signer = new Signer(key, secret);
    this.agent = new https.Agent({ keepAlive: true, ca: ca ? readFileSync(ca) : undefined });
  }

  // Sends one signed request; the answer is { status, headers, body }, the body a Buffer. Every attempt is signed anew:
  // to try again is to call again, with the same Idempotency-Key.
  async call(method, path, { headers = {}, body } = {}) {
    const url = new URL(this.url + path);
    const octets = body === undefined ? undefined : Buffer.from(body);
    const media = octets && !Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')
      ? { 'content-type': 'application/json' } : {};
    const all = { ...headers, ...media, ...this.signer.sign(method, url, headers, octets) };
    if (octets) all['content-length'] = octets.length;
    const answer = await new Promise((resolve, reject) => {
      const request = https.request(url, { method, headers: all, agent: this.agent, timeout: 30_000 }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part)).on('error', reject).on('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
      });
      request.on('error', reject).on('timeout', () => request.destroy(new Error('the node does not answer')));
      request.end(octets);
    });
    if (answer.status < 400) return answer;
    const isProblem = answer.headers['content-type']?.startsWith('application/problem+json');
    throw new Problem(answer.status, isProblem ? JSON.parse(answer.body) : { detail: answer.body.toString() });
  }

  async json(...request) {
    return JSON.parse((await this.call(...request)).body);
  }

  close() {
    this.agent.destroy();
  }
}

function selfTest() {
  const signer = new Signer('AKAAAAAAAAAAAAAAAAAAAA', 'uFzR4bQ1m8w3yV7tK0nXjL2cHsD9aGpE5iOeJxTqZrY');
  const { signature } = signer.sign('GET', 'https://LGSP.example.vn:443/v1/units?q=a', {}, undefined, 1795334851,
    '0123456789abcdef0123456789abcdef');
  if (signature !== 'lgsp=:uXFqoqvtXYyI31nFbTVnWlRni21OOXUmw3IgZkeaMfg=:') throw new Error(`made ${signature}`);
  console.log('the worked example is right');
}

async function wholeWay({ LGSP_URL, LGSP_KEY, LGSP_SECRET_FILE, LGSP_CA, LGSP_UNIT }) {
  const lgsp = new Client({ url: LGSP_URL, key: LGSP_KEY, secretFile: LGSP_SECRET_FILE, ca: LGSP_CA });
  try {
    const inbox = await lgsp.json('GET', '/v1/inbox?limit=10');
    console.log(`waiting: ${inbox.items.length}${inbox.next ? ' and more' : ''}`);

    // A small packet is one multipart form. It is made whole first, as its digest is signed.
    const content = Buffer.from('Nội dung công văn số 12\n');
    const form = new FormData();
    form.append('request', JSON.stringify({ targets: [LGSP_UNIT], title: 'Công văn số 12', media_type: 'text/plain' }));
    form.append('content', new Blob([content], { type: 'text/plain' }), 'Công văn số 12.txt');
    const encoded = new Response(form);
    const { packet } = await lgsp.json('POST', '/v1/packets', {
      headers: { 'content-type': encoded.headers.get('content-type'), 'idempotency-key': randomBytes(16).toString('hex') },
      body: await encoded.arrayBuffer(),
    });
    console.log(`sent: ${packet}`);

    // The target takes it: accept and fetch in one request, compare the digest, keep the file, then confirm.
    const fetched = await lgsp.call('POST', `/v1/packets/${packet}/accept`, { headers: { accept: 'application/octet-stream' } });
    const digest = createHash('sha256').update(fetched.body).digest();
    if (fetched.headers['repr-digest'] !== `sha-256=:${digest.toString('base64')}:`) throw new Error('the digest differs');
    const name = /filename\*=UTF-8''([^;]+)/i.exec(fetched.headers['content-disposition'])?.[1] ?? '';
    console.log(`received: ${decodeURIComponent(name)}, ${fetched.body.length} octets`);
    await lgsp.call('POST', `/v1/packets/${packet}/confirm`, { body: JSON.stringify({ digest: digest.toString('hex') }) });
    console.log((await lgsp.json('GET', `/v1/packets/${packet}`)).state);
  } finally {
    lgsp.close();
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await (process.argv[2] === '--self-test' ? selfTest() : wholeWay(process.env));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
