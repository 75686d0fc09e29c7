// The official TypeScript SDK, version 2, which finds out what the host speaks: 2026-07-28.
import { openSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { Changes, Wire, run } from './lib.mjs';

await run(async (seat) => {
  const changes = new Changes();
  const client = new Client(
    { name: 'e2e-ts2', version: '1.0.0' },
    {
      capabilities: { elicitation: {} },
      versionNegotiation: { mode: 'auto' },
      listChanged: { tools: { autoRefresh: false, debounceMs: 0, onChanged: changes.tell } },
    }
  );
  client.setRequestHandler('elicitation/create', () => ({
    action: 'accept', content: { username: 'test', email: 'test@example.com' },
  }));
  const transport = seat.url
    ? new StreamableHTTPClientTransport(new URL(seat.url))
    : new StdioClientTransport({
        command: seat.command, args: seat.args, env: seat.env, stderr: openSync(seat.log, 'a'),
      });
  await client.connect(transport);
  const wire = new Wire();
  wire.watch(transport);
  const version = client.getNegotiatedProtocolVersion();
  if (version !== '2026-07-28') throw new Error(`it speaks ${version}, not 2026-07-28`);
  return {
    changes,
    wire,
    list: async () => (await client.listTools()).tools.map((t) => t.name),
    call: (name, args, options) => client.callTool({ name, arguments: args }, options),
    close: () => client.close(),
  };
});
