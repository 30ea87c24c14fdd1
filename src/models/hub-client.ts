/**
 * Makes requests to a hub: which commit, which files, and a range of one file's bytes. Each is tried once; callers
 * repeat.
 */
import { z } from "zod";
import type { Clock } from "../core/clock.ts";
import { ModelError } from "../core/errors.ts";
import { withoutNulls } from "../core/present.ts";
import { mebibyte } from "../core/units.ts";
import { type Asked, connectionError, refusalOf } from "./hub-refusals.ts";
import { assertSafePath, type ListedFile } from "./model-files.ts";
import { StallTimer } from "./stall-timer.ts";

export interface HubOptions {
  /** The hub's base address: `https://huggingface.co`, or a mirror with the same routes. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly stallMs: number;
}

export interface RangeRequest {
  readonly repository: string;
  readonly commit: string;
  readonly path: string;
  readonly fromByte: number;
  /** The end of the range, exclusive. */
  readonly toByte: number;
  /** A strong ETag: bytes of another version must not be appended. */
  readonly ifRange: string | null;
  /** The address to which an earlier request was sent on; null asks the hub. */
  readonly address: string | null;
}

export interface RangeAnswer {
  readonly response: Response;
  /** The address from which the bytes came, when the hub sent the request on; it may expire. */
  readonly address: string | null;
}

const commitSchema = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const sizeSchema = z.int().min(0);
const treeSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    oid: z.string(),
    size: sizeSchema.default(0),
    lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: sizeSchema }).optional(),
  }),
);
const gitIdPattern = /^[0-9a-f]{40}$/;
const mostPages = 1_000;
const mostRedirects = 5;
/** A page has a thousand files at the most; the largest repositories have some ten thousand. */
const longestAnswerBytes = 32 * mebibyte;
const mostFiles = 200_000;

export class AddressExpired extends ModelError {
  override readonly name = "ModelError";
}

function checkedEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "")
    throw new ModelError(
      "CONFIGURATION_INVALID",
      "The hub's address in HF_ENDPOINT must be http(s)://host, without a user.",
    );
  return text.replace(/\/+$/, "");
}

function checkedToken(token: string | null): string | null {
  // A header refuses other characters in an error that quotes them, and a token must not be quoted.
  if (token !== null && !/^[\x21-\x7e]+$/.test(token))
    throw new ModelError("CONFIGURATION_INVALID", "The token in HF_TOKEN holds characters that no token has.");
  return token;
}

function parseTree(body: unknown, host: string): readonly ListedFile[] {
  const parsed = treeSchema.safeParse(body);
  if (!parsed.success)
    throw new ModelError("MODEL_NOT_AVAILABLE", `${host} answers with a listing that is not one.`, {
      cause: parsed.error,
    });
  return parsed.data
    .filter(({ type }) => type === "file")
    .map(({ path, oid, size, lfs }) => {
      assertSafePath(path);
      if (lfs !== undefined) return { path, sizeBytes: lfs.size, etag: lfs.oid, algorithm: "sha256" as const };
      if (!gitIdPattern.test(oid))
        throw new ModelError("MODEL_NOT_AVAILABLE", `${host} lists ${path} without a usable hash.`);
      return { path, sizeBytes: size, etag: oid, algorithm: "git-sha1" as const };
    });
}

/** The address to which an answer sends us on. No error repeats it: such addresses are signed. */
function nextAddress(text: string, base: string): string {
  const next = URL.canParse(text, base) ? new URL(text, base) : null;
  if (next === null || !/^https?:$/.test(next.protocol))
    throw new ModelError(
      "MODEL_NOT_AVAILABLE",
      `${new URL(base).host} sends requests on to an address that cannot be used.`,
    );
  return next.href;
}

async function readText({ body }: Response, host: string, onBytes: () => void): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let byteCount = 0;
  for await (const chunk of body ?? []) {
    onBytes();
    byteCount += chunk.length;
    if (byteCount > longestAnswerBytes)
      throw new ModelError("MODEL_NOT_AVAILABLE", `An answer of ${host} is too long.`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

export class HubClient {
  readonly endpoint: string;
  readonly #token: string | null;
  readonly #stallMs: number;
  readonly #clock: Clock;

  constructor({ endpoint, token, stallMs }: HubOptions, clock: Clock) {
    this.endpoint = checkedEndpoint(endpoint);
    this.#token = checkedToken(token);
    this.#stallMs = stallMs;
    this.#clock = clock;
  }

  async resolveCommit(repository: string, revision: string, signal: AbortSignal): Promise<string> {
    const asked = this.#asked(repository, revision, null);
    const { body } = await this.#readJson(
      `${this.endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`,
      asked,
      signal,
    );
    const parsed = commitSchema.safeParse(body);
    if (!parsed.success)
      throw new ModelError("MODEL_NOT_AVAILABLE", `${new URL(this.endpoint).host} names no commit of ${repository}.`, {
        cause: parsed.error,
      });
    return parsed.data.sha;
  }

  /** Lists all files of a commit, over all pages. */
  async listFiles(repository: string, commit: string, signal: AbortSignal): Promise<readonly ListedFile[]> {
    const asked = this.#asked(repository, commit, null);
    const files: ListedFile[] = [];
    let address: string | null = `${this.endpoint}/api/models/${repository}/tree/${commit}?recursive=true&expand=false`;
    for (let page = 0; address !== null; page += 1) {
      if (page === mostPages) throw new ModelError("MODEL_NOT_AVAILABLE", `The listing of ${repository} does not end.`);
      const { body, headers } = await this.#readJson(address, asked, signal);
      files.push(...parseTree(body, new URL(this.endpoint).host));
      if (files.length > mostFiles)
        throw new ModelError("MODEL_NOT_AVAILABLE", `The listing of ${repository} is too long.`);
      const next: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get("link") ?? "")?.[1];
      address = next === undefined ? null : nextAddress(next, address);
    }
    return files;
  }

  /** The caller reads or cancels the body. Statuses other than 200, 206 and 416 are errors. */
  async openRange(range: RangeRequest, signal: AbortSignal): Promise<RangeAnswer> {
    const { repository, commit, path } = range;
    const asked = this.#asked(repository, commit, path);
    const file = path.split("/").map(encodeURIComponent).join("/");
    const headers: Record<string, string> = {
      range: `bytes=${range.fromByte}-${range.toByte - 1}`,
      ...withoutNulls({ "if-range": range.ifRange }),
    };
    const start = range.address ?? `${this.endpoint}/${repository}/resolve/${commit}/${file}`;
    const { response, address } = await this.#follow(start, headers, signal);
    if ([200, 206, 416].includes(response.status))
      return { response, address: address === start && range.address === null ? null : address };
    await response.body?.cancel();
    const isFromStore = range.address !== null || address !== start;
    // Signed addresses expire; the hub signs a new one.
    if (isFromStore && [401, 403, 404, 410].includes(response.status))
      throw new AddressExpired(
        "NETWORK_UNREACHABLE",
        `The signed address of ${path} is not valid (${response.status}).`,
        {
          retryable: true,
        },
      );
    throw refusalOf(response.status, response.headers, asked, this.#clock.nowMs());
  }

  #asked(repository: string, revision: string, path: string | null): Asked {
    return { endpoint: this.endpoint, repository, revision, path, hasToken: this.#token !== null };
  }

  /** Redirects are followed by hand: the token goes to the hub alone, and the last address is worth remembering. */
  async #follow(
    start: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<{ response: Response; address: string }> {
    let address = start;
    for (let hop = 0; hop <= mostRedirects; hop += 1) {
      const { origin, host } = new URL(address);
      const isHub = origin === new URL(this.endpoint).origin;
      const authorization = isHub && this.#token !== null ? { authorization: `Bearer ${this.#token}` } : {};
      const response = await fetch(address, {
        // A packed body would have another length than its range.
        headers: { "accept-encoding": "identity", "user-agent": "understudy", ...headers, ...authorization },
        redirect: "manual",
        signal,
      }).catch((thrown: unknown) => {
        signal.throwIfAborted();
        throw connectionError(thrown, host);
      });
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return { response, address };
      await response.body?.cancel();
      address = nextAddress(location, address);
    }
    throw new ModelError("MODEL_NOT_AVAILABLE", `${new URL(start).host} sends requests in a circle.`);
  }

  async #readJson(address: string, asked: Asked, signal: AbortSignal): Promise<{ body: unknown; headers: Headers }> {
    const { host } = new URL(this.endpoint);
    const stall = new StallTimer(this.#clock, this.#stallMs, `an answer of ${host}`);
    const ended = AbortSignal.any([signal, stall.signal]);
    try {
      const { response } = await this.#follow(address, { accept: "application/json" }, ended);
      stall.noteBytes();
      if (!response.ok) {
        await response.body?.cancel();
        throw refusalOf(response.status, response.headers, asked, this.#clock.nowMs());
      }
      const text = await readText(response, host, () => stall.noteBytes()).catch((thrown: unknown) => {
        ended.throwIfAborted();
        throw connectionError(thrown, host);
      });
      return { body: JSON.parse(text), headers: response.headers };
    } catch (thrown) {
      if (thrown instanceof SyntaxError)
        throw new ModelError("MODEL_NOT_AVAILABLE", `${host} does not answer in JSON.`, { cause: thrown });
      throw thrown;
    } finally {
      stall.stop();
    }
  }
}
