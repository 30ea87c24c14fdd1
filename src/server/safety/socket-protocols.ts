/**
 * A browser's WebSocket can send no header but its list of protocols. It names `understudy`, which is answered, and beside it
 * `understudy.key.<the key in base64url>`, which is read and never answered; so the key stands in no address.
 */
const socketProtocol = "understudy";
const keyPrefix = `${socketProtocol}.key.`;

/** The key among the protocols; null where there is none. */
export function keyOfProtocols(header: string | undefined): string | null {
  const [offered] = (header ?? "")
    .split(",")
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol.startsWith(keyPrefix));
  return offered === undefined ? null : Buffer.from(offered.slice(keyPrefix.length), "base64url").toString("utf8");
}

/** The protocol that a WebSocket is answered with: never the one that carries a key. */
export function chooseProtocol(offered: ReadonlySet<string>): string | false {
  return [...offered].find((protocol) => !protocol.startsWith(keyPrefix)) ?? false;
}
