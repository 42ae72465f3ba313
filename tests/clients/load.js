// Reads and writes as a program with ioredis would, until the file STOP is there: PORT, USER, SECRET (the password file).
// TLS_CA, TLS_CERT and TLS_KEY make it TLS with a client certificate. Any request that fails ends it with 1.
const fs = require('fs');
const { createRequire } = require('module');
const Redis = createRequire(process.env.MODULES + '/')('ioredis').Redis;

const { PORT, USER, SECRET, STOP, TLS_CA, TLS_CERT, TLS_KEY } = process.env;
const tls = TLS_CA
  ? { tls: { ca: fs.readFileSync(TLS_CA), cert: fs.readFileSync(TLS_CERT), key: fs.readFileSync(TLS_KEY) } }
  : {};

function fail(error) {
  console.error(String(error));
  process.exit(1);
}

function connect() {
  const password = fs.readFileSync(SECRET, 'utf8').split('\n')[0].trim();
  // No second attempt hides what failed.
  const options = { host: '127.0.0.1', port: +PORT, username: USER, password, maxRetriesPerRequest: 0, retryStrategy: null };
  const client = new Redis({ ...options, ...tls });
  client.on('error', fail);
  return client;
}

(async () => {
  const stays = connect();
  let done = 0;
  while (!fs.existsSync(STOP)) {
    const comes = connect();
    for (const client of [stays, comes]) {
      done += 1;
      await client.set('load:js', done);
      if (+(await client.get('load:js')) !== done) fail('read something else than was written');
    }
    await comes.quit();
  }
  console.log(done);
  process.exit(0);
})().catch(fail);
