/**
 * Which of a repository's files are wanted, and which of its paths may be written here. The list comes from the
 * network, so nothing in it is trusted.
 */
import { ModelError } from "../core/errors.ts";

export interface ListedFile {
  /** The path is relative, with slashes. */
  readonly path: string;
  readonly sizeBytes: number;
  /** The name of its blob: SHA-256 of its bytes, or for small files git's own SHA-1. */
  readonly etag: string;
  readonly algorithm: HashAlgorithm;
}

export type HashAlgorithm = "sha256" | "git-sha1";

/** Weights come as safetensors only: unpickling a file runs whatever code its author put in it. */
const takenEndings = [".safetensors", ".json", ".txt", ".model", ".jinja"];

/**
 * Patterns are those of Python's fnmatch, as huggingface_hub uses it: `*` matches slashes too, a folder means all below
 * it.
 */
function patternOf(text: string): RegExp {
  const whole = text.endsWith("/") ? `${text}*` : text;
  const source = whole
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", "[^]*")
    .replaceAll("?", "[^]");
  return new RegExp(`^${source}$`);
}

export function chooseFiles(listed: readonly ListedFile[], patterns: readonly string[]): readonly ListedFile[] {
  const wanted = patterns.map(patternOf);
  return listed.filter(
    ({ path }) =>
      takenEndings.some((ending) => path.toLowerCase().endsWith(ending)) &&
      wanted.some((pattern) => pattern.test(path)),
  );
}

/** Whether a path may be written here: what becomes a path on this disk must stay below its folder. */
export const isSafePath = (path: string): boolean =>
  path.length <= 1_000 &&
  !path.includes("\\") &&
  [...path].every((letter) => letter >= " ") &&
  path
    .split("/")
    .every((segment) => segment !== "" && segment !== "." && segment !== ".." && Buffer.byteLength(segment) <= 255);

/** Refuses an unsafe path that came from the network. Throws ModelError. */
export function assertSafePath(path: string): void {
  if (!isSafePath(path))
    throw new ModelError(
      "MODEL_NOT_AVAILABLE",
      `The hub lists a file with an unsafe path: ${JSON.stringify(path.slice(0, 200))}.`,
    );
}
