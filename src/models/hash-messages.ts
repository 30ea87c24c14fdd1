/** What passes between the service and the thread that hashes model files. */
import type { HashAlgorithm } from "./model-files.ts";

/** What the service tells the thread. */
export type ToHasher =
  | {
      readonly kind: "begin";
      readonly id: number;
      readonly path: string;
      readonly algorithm: HashAlgorithm;
      readonly sizeBytes: number;
    }
  /** Bytes before this offset are written and will not change. */
  | { readonly kind: "advance"; readonly id: number; readonly toByte: number }
  | { readonly kind: "drop"; readonly id: number };

/** What the thread tells the service. */
export type FromHasher =
  | { readonly kind: "progress"; readonly id: number; readonly hashedBytes: number }
  | { readonly kind: "done"; readonly id: number; readonly hash: string }
  | { readonly kind: "failed"; readonly id: number; readonly message: string };
