// Uses the MCP server at a URL by an SDK: `node client.mjs VERSION MODE URL TOKEN`. Prints JSON.

const [version, mode, url, token] = process.argv.slice(2);
const { Client, Transport, asForm } = await sdk(version);

async function sdk(version) {
  if (version === "2") {
    const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
    return { Client, Transport: StreamableHTTPClientTransport, asForm: "elicitation/create" };
  }
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import(
    "@modelcontextprotocol/sdk/client/streamableHttp.js"
  );
  const { ElicitRequestSchema } = await import("@modelcontextprotocol/sdk/types.js");
  return { Client, Transport: StreamableHTTPClientTransport, asForm: ElicitRequestSchema };
}

const forms = [];
const client = new Client(
  { name: "typescript-host", version: "1" },
  {
    capabilities: { elicitation: { form: {} } },
    ...(version === "2" ? { versionNegotiation: { mode: mode === "modern" ? { pin: "2026-07-28" } : mode } } : {}),
  },
);
client.setRequestHandler(asForm, async (request) => {
  forms.push(request.params.message);
  return { action: "accept", content: { confirmed: true } };
});

async function call(name, given, options) {
  const argument = { name, arguments: given };
  const result = await (version === "2"
    ? client.callTool(argument, options)
    : client.callTool(argument, undefined, options));
  return result.structuredContent ?? { error: result.content[0].text };
}

async function use() {
  const headers = { Authorization: `Bearer ${token}` };
  await client.connect(new Transport(new URL(url), { requestInit: { headers } }));
  const { tools } = await client.listTools();
  const reports = [];
  const created = await call("create_interrupt", { action: "Pay", context: { amount: 1 }, userId: "u" });
  const { interruptId } = created;
  const waited = await call(
    "get_interrupt_status",
    { interruptId, waitSeconds: 6 },
    { onprogress: (report) => reports.push(report.message) },
  );
  const decided = await call("decide_interrupt", { interruptId, decision: "approved" });
  const read = await call("get_interrupt_status", { interruptId, waitSeconds: 0 });
  await client.close();
  return { tools: tools.map((tool) => tool.name), forms, reports, waited, decided, read };
}

try {
  console.log(JSON.stringify(await use()));
} catch (error) {
  console.log(JSON.stringify({ failed: String(error.message), code: error.code ?? null }));
}
process.exit(0);
