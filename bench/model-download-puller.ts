/** One pull in a process of its own: `node bench/model-download-puller.ts ENDPOINT FOLDER REPOSITORY`. */
import { pullOnce } from "./model-download.ts";

const [endpoint = "", folder = "", repository = ""] = process.argv.slice(2);
await pullOnce(endpoint, folder, repository);
process.exit(0);
