// What each client on node is put through. A client is what open(seat) returns:
//
//   list()                                  names of the tools
//   call(name, args, {onprogress, signal})  the result
//   changes                                 a Changes, told of every tools/list_changed
//   wire                                    a Wire, told of every message
//   close()
//
// Each check prints a line of JSON: {"check": "progress", "ms": 1300} or {"check": "progress", "error": "..."}.
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import net from 'node:net';

const patience = 30_000; // milliseconds for one check
const steps = 10;
const crowd = 10;

// Changes counts notifications, and lets one wait for the next that nobody has waited for or forgotten.
export class Changes {
  count = 0;
  #seen = 0;
  #wake = () => {};

  tell = () => {
    this.count++;
    this.#wake();
  };

  forget() {
    this.#seen = this.count;
  }

  async next() {
    while (this.count === this.#seen) await new Promise((resolve) => (this.#wake = resolve));
    this.#seen++;
  }
}

// Wire watches what arrives, before the SDK has it: these SDKs drop a progress that they find together with the answer,
// as they do when the machine has kept them from reading for a while.
export class Wire {
  #told = new Map(); // token -> how many notifications of progress came before the answer
  #answered = new Set();
  late = 0; // notifications that came after it

  watch(transport) {
    const hand = transport.onmessage;
    transport.onmessage = (message, ...more) => {
      this.#see(message);
      hand(message, ...more);
    };
  }

  #see(message) {
    if (message.method === undefined) this.#answered.add(message.id);
    if (message.method !== 'notifications/progress') return;
    const token = message.params.progressToken;
    if (this.#answered.has(token)) this.late++;
    else this.#told.set(token, (this.#told.get(token) ?? 0) + 1);
  }

  get story() {
    return `on the wire ${[...this.#told.values()].join(', ')} came before the answers, ${this.late} after`;
  }
}

function must(condition, what) {
  if (!condition) throw new Error(what);
}

const checks = {
  // A host that serves stdio answers before its plugins have started, if that takes them long: then it tells of the
  // change.
  async list(client) {
    let names = await client.list();
    while (!names.includes('test_simple_text')) {
      await client.changes.next();
      names = await client.list();
    }
    for (const want of ['test_simple_text', 'test_steps', 'test_slow'])
      must(names.includes(want), `${want} is not in the list: ${names}`);
  },

  async call(client) {
    const result = await client.call('test_simple_text', {});
    must(!result.isError, `it is an error: ${JSON.stringify(result)}`);
    must(
      result.content.some((c) => c.type === 'text' && c.text.includes('This is a simple text response')),
      `the text is not there: ${JSON.stringify(result)}`
    );
  },

  async ask(client) {
    const result = await client.call('test_elicitation', { message: 'Who are you?' });
    must(JSON.stringify(result.content).includes('test@example.com'), `the answer is not there: ${JSON.stringify(result)}`);
  },

  progress: (client) => takeSteps(client),

  async crowd(client) {
    await Promise.all(Array.from({ length: crowd }, () => takeSteps(client)));
  },

  // The tool holds a connection to us as long as it runs: that it ends is an event.
  async cancel(client) {
    const witness = net.createServer().listen(0, '127.0.0.1');
    await once(witness, 'listening');
    try {
      const cancel = new AbortController();
      const call = client
        .call('test_slow', { witness: `127.0.0.1:${witness.address().port}` }, { signal: cancel.signal })
        .then((result) => `it has a result: ${JSON.stringify(result)}`, () => undefined);
      const [socket] = await Promise.race([
        once(witness, 'connection'),
        call.then((wrong) => { throw new Error(wrong ?? 'it was refused before it ran'); }),
      ]);
      socket.resume();
      const ended = once(socket, 'close');
      const begun = performance.now();
      cancel.abort('enough');
      await ended;
      const took = performance.now() - begun;
      must(took < 1000, `the call ended ${Math.round(took)} ms after it was cancelled`);
      const wrong = await call;
      must(wrong === undefined, wrong);
    } finally {
      witness.close();
    }
  },

  // One notification when the plugin comes, and one when it goes: a second one for its coming would be taken for
  // that of its going, and the list would still have the tool.
  async changed(client, seat) {
    client.changes.forget();
    const before = client.changes.count;
    renameSync(seat.spare, seat.into);
    await client.changes.next();
    must((await client.list()).includes('test_spare'), 'the list does not have the tool of the plugin that came');
    renameSync(seat.into, seat.spare);
    await client.changes.next();
    must(!(await client.list()).includes('test_spare'), 'the list still has the tool of the plugin that went');
    await client.call('test_simple_text', {});
    must(client.changes.count === before + 2, `${client.changes.count - before} notifications came for 2 changes`);
  },
};

// takeSteps sees every step, in order, before the result.
async function takeSteps(client) {
  const seen = [];
  const result = await client.call('test_steps', { steps }, { onprogress: (p) => seen.push(p) });
  must(!result.isError, `it is an error: ${JSON.stringify(result)}`);
  const story = JSON.stringify(seen);
  must(seen.length === steps, `${seen.length} of ${steps} steps were told before the result (${client.wire.story}): ${story}`);
  for (let i = 1; i < seen.length; i++) must(seen[i].progress > seen[i - 1].progress, `out of order: ${story}`);
  must(seen.at(-1).progress === seen.at(-1).total, `the last is not the end: ${story}`);
}

export async function run(open) {
  const seat = JSON.parse(process.argv[2]);
  const client = await open(seat);
  for (const [name, check] of Object.entries(checks)) {
    const begun = performance.now();
    const outcome = { check: name };
    let late;
    try {
      await Promise.race([
        check(client, seat),
        new Promise((_, reject) => {
          late = setTimeout(() => reject(new Error(`it takes longer than ${patience} ms`)), patience);
        }),
      ]);
    } catch (err) {
      outcome.error = String(err?.message ?? err);
    } finally {
      clearTimeout(late);
    }
    outcome.ms = Math.round(performance.now() - begun);
    console.log(JSON.stringify(outcome));
  }
  await client.close();
}
