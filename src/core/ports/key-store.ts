/** What API keys need of a durable store. It holds digests alone; whoever reads the database learns no key. */
import type { KeyRole } from "../words.ts";
import type { ActorName } from "./job-store.ts";

/** A key that was created here; the secret itself is nowhere. */
export interface StoredKey {
  /** Names the key in rows and answers. */
  readonly id: string;
  readonly role: KeyRole;
  /** What it is for, in its creator's words; empty where nothing was said. */
  readonly label: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
}

export interface NewKey extends Pick<StoredKey, "id" | "role" | "label"> {
  /** SHA-256 of the secret, in hexadecimal. */
  readonly digest: string;
}

export interface KeyStore {
  /** Durable when it resolves; the event row is written in the same transaction. */
  create(key: NewKey, by: ActorName): Promise<StoredKey>;
  /** Null for an unknown id and for a revoked key. */
  find(id: string): Promise<NewKey | null>;
  /** Oldest first, revoked ones included. */
  list(): Promise<readonly StoredKey[]>;
  /** False when there is no such key, or it was revoked already. */
  revoke(id: string, by: ActorName): Promise<boolean>;
  /** A key was made at some time: revoking the last one must not open the service to everybody. */
  hasAny(): Promise<boolean>;
}
