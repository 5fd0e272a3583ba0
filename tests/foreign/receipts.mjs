// Receipts at programs that are not ours: the JOSE library of npm, Sigstore's check of an inclusion proof in a Merkle
// tree, and Node's own Ed25519 for the checkpoint and for what an application has signed.
//
//   node receipts.mjs RECEIPTS.json JWKS.json     in a directory whose node_modules has jose and @sigstore/verify

import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { createLocalJWKSet, flattenedVerify } = await import(require.resolve('jose'));
const { verifyMerkleInclusion } = require('@sigstore/verify/dist/timestamp/merkle.js');

const [receipts, jwks] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')));
const octets = (text) => Buffer.from(text, 'base64url');
let failed = 0;

async function shows(what, check) {
  try {
    await check();
    console.log(`ok   receipts: ${what}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL receipts: ${what}: ${error.message}`);
  }
}
async function refuses(what, check) {
  await shows(what, async () => {
    try {
      await check();
    } catch {
      return;
    }
    throw new Error('it was accepted');
  });
}

/** Another letter at one place: the text decodes to other octets. */
const changed = (text, at) => text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);

const keys = createLocalJWKSet(jwks);
const jws = ({ payload, protected: header, header: { proof }, signature }) =>
  flattenedVerify({ payload, protected: header, header: { proof }, signature }, keys, { algorithms: ['ES256'] });

/** The root that the platform has signed: a C2SP signed note over origin, size and root. */
function checkpoint(note) {
  const [text, signatures] = note.split(/(?<=\n)\n/);
  const [origin, size, root] = text.split('\n');
  const [, name, signature] = signatures.match(/^\u2014 (\S+) (\S+)\n$/);
  const signed = Buffer.from(signature, 'base64');
  const key = jwks.keys.find(({ vkey }) => vkey?.startsWith(`${name}+${signed.subarray(0, 4).toString('hex')}+`));
  if (!key) throw new Error(`no key of ${name}`);
  const { kty, crv, x } = key;
  if (!verify(null, Buffer.from(text), createPublicKey({ key: { kty, crv, x }, format: 'jwk' }), signed.subarray(4))) {
    throw new Error('the checkpoint is not signed');
  }
  return { origin, logSize: BigInt(size), logHash: Buffer.from(root, 'base64') };
}

/** Sigstore's own function, told of our leaf in the words of its log. */
function inclusion(claims, { size, path, checkpoint: note }) {
  const head = checkpoint(note);
  if (head.logSize !== BigInt(size)) throw new Error('another size');
  const hashes = path.map((hash) => Buffer.from(hash, 'hex'));
  const inclusionProof = { logIndex: String(claims.position), treeSize: String(size), hashes, rootHash: head.logHash };
  verifyMerkleInclusion({ canonicalizedBody: octets(claims.fact), inclusionProof }, head);
}

for (const receipt of receipts.receipts) {
  const claims = JSON.parse(octets(receipt.payload));
  const { proof } = receipt.header;
  const kind = claims.kind;
  await shows(`npm's jose accepts the one of kind ${kind}`, () => jws(receipt));
  for (const part of ['payload', 'signature', 'protected']) {
    const at = Math.floor(receipt[part].length / 2);
    const other = { ...receipt, [part]: changed(receipt[part], at) };
    await refuses(`npm's jose refuses ${kind} with another octet in ${part}`, () => jws(other));
  }
  await shows(`Sigstore's Merkle check finds ${kind} in the history`, () => inclusion(claims, proof));
  await refuses(`Sigstore's Merkle check refuses ${kind} with another octet in its fact`, () =>
    inclusion({ ...claims, fact: changed(claims.fact, 9) }, proof));
  await refuses(`Sigstore's Merkle check refuses ${kind} at another place`, () =>
    inclusion({ ...claims, position: claims.position + 1 }, proof));
  const note = proof.checkpoint.replace(`\n${proof.size}\n`, `\n${proof.size + 1}\n`);
  await refuses(`Node refuses the checkpoint of ${kind} for another size`, () => checkpoint(note));
  const { evidence } = claims;
  if (evidence?.algorithm === 'ed25519') {
    const key = createPublicKey({ key: octets(evidence.public_key), format: 'der', type: 'spki' });
    const [base, signature] = [octets(evidence.base), octets(evidence.signature)];
    const check = (base) => {
      if (!verify(null, base, key, signature)) throw new Error('it is not signed');
    };
    await shows(`Node verifies what ${evidence.app} has signed for ${kind}`, () => check(base));
    await refuses(`Node refuses it with an octet more`, () => check(Buffer.concat([base, Buffer.from('x')])));
  }
}
process.exitCode = failed ? 1 : 0;
