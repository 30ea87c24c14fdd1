/**
 * Says which addresses this service calls on behalf of those who submit jobs: public ones, and what the operator has
 * listed.
 */
import { BlockList, isIP } from "node:net";

/**
 * These networks are set aside by IANA's special-purpose registries (RFC 6890 and its successors), or are multicast.
 */
const notPublic4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];
/** Only 2000::/3 is assigned to the public internet; Teredo, documentation and 6to4 lie in it and are refused. */
const public6 = "2000::/3";
const notPublic6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const familyOf = (address: string): "ipv4" | "ipv6" => (isIP(address) === 6 ? "ipv6" : "ipv4");

function networks(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = "", prefix] = text.split("/");
    const family = familyOf(address);
    list.addSubnet(address, prefix === undefined ? (family === "ipv4" ? 32 : 128) : Number(prefix), family);
  }
  return list;
}

/** The lists are made with the first address that is judged. */
function publicNetworks() {
  return { refused4: networks(notPublic4), refused6: networks(notPublic6), accepted6: networks([public6]) };
}
let known: ReturnType<typeof publicNetworks> | undefined;

export function isPublicAddress(address: string): boolean {
  known ??= publicNetworks();
  const { refused4, refused6, accepted6 } = known;
  if (isIP(address) === 4) return !refused4.check(address, "ipv4");
  // An IPv4 address that is written as one of IPv6 is not in 2000::/3.
  return isIP(address) === 6 && accepted6.check(address, "ipv6") && !refused6.check(address, "ipv6");
}

export interface AddressRules {
  /** Whether an address may be called: `host` as the URL names it, `address` as it was looked up. */
  mayCall(host: string, address: string): boolean;
  /** Whether the name itself was listed, wherever it leads. */
  lists(host: string): boolean;
}

const isNetwork = (entry: string): boolean => isIP(entry.split("/")[0] ?? "") !== 0;

/** @param allow names, addresses and networks (`10.1.0.0/16`) that may be called although they are not public */
export function createAddressRules(allow: readonly string[]): AddressRules {
  const names = new Set(allow.filter((entry) => !isNetwork(entry)).map((entry) => entry.toLowerCase()));
  const listed = networks(allow.filter(isNetwork));
  const lists = (host: string): boolean => names.has(host.toLowerCase());
  return {
    lists,
    mayCall: (host, address) => lists(host) || listed.check(address, familyOf(address)) || isPublicAddress(address),
  };
}
