// The official TypeScript SDK, version 1: sessions, up to 2025-11-25.
import { openSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CallToolResultSchema, ElicitRequestSchema, ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { Changes, Wire, run } from './lib.mjs';

await run(async (seat) => {
  const client = new Client({ name: 'e2e-ts1', version: '1.0.0' }, { capabilities: { elicitation: {} } });
  const changes = new Changes();
  client.setNotificationHandler(ToolListChangedNotificationSchema, changes.tell);
  client.setRequestHandler(ElicitRequestSchema, () => ({
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
  return {
    changes,
    wire,
    list: async () => (await client.listTools()).tools.map((t) => t.name),
    call: (name, args, options) => client.callTool({ name, arguments: args }, CallToolResultSchema, options),
    close: async () => {
      if (seat.url) await transport.terminateSession();
      await client.close();
    },
  };
});
