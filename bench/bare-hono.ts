/** One Hono route and nothing else, answering the text that it is given: what the framework costs by itself. */
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";

const body = JSON.parse(process.argv[2] ?? "{}") as Record<string, unknown>;
const app = new Hono();
app.get("/status", (context) => context.json(body));
const server = createAdaptorServer({ fetch: app.fetch });
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" && address !== null ? address.port : 0}\n`);
});
