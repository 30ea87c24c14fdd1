/** Node's HTTP server and nothing else, on the port that it is given: what a start costs at the least. */
import { createServer } from "node:http";

createServer((_request, response) => response.end("ok")).listen(Number(process.argv[2]), "127.0.0.1");
