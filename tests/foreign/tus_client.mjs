// Uploads with a client that this project did not write: tus-js-client 4.3.1, with a space's token.
//
//     node tus_client.mjs FILE SPACE_URL UPLOAD_URL
//
// Run where `node_modules` has the package. Settings come from the environment: LGSP_TOKEN, the token of the
// space; NODE_EXTRA_CA_CERTS names the authority. The first octets come with the creation; after two chunks
// the upload is broken off, and a second client, which knows the address only, goes on.

import { createReadStream, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const tus = createRequire(join(process.cwd(), "x.js"))("tus-js-client");
const [file, space, address] = process.argv.slice(2);
const size = statSync(file).size;
const common = {
  chunkSize: 512 * 1024,
  retryDelays: [200, 500, 1000],
  headers: { Authorization: `Bearer ${process.env.LGSP_TOKEN}` },
  uploadSize: size,
};

function check(what, good, told = "") {
  console.log(`${good ? "ok  " : "FAIL"} tus-js-client: ${what}${good ? "" : `: ${told}`}`);
  if (!good) process.exit(1);
}

function run(options, breakAfter = Infinity) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(createReadStream(file), {
      ...common,
      ...options,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: (_, accepted) => {
        if (accepted >= breakAfter && accepted < size) upload.abort().then(() => resolve(upload.url), reject);
      },
    });
    upload.start();
  });
}

const metadata = { filename: "Quy hoạch.zip", filetype: "application/zip" };
const begun = await run({ endpoint: space, uploadDataDuringCreation: true, metadata }, 1024 * 1024);
check("the creation brings octets, and then the upload breaks off", begun === address, begun);
const ended = await run({ uploadUrl: address });
check("another client goes on to the end", ended === address, ended);
