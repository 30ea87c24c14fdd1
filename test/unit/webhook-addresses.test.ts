import { describe, expect, it } from "vitest";
import { createAddressRules, isPublicAddress } from "../../src/webhooks/address-rules.ts";

describe("an address that a webhook may have", () => {
  it.each([
    "1.1.1.1",
    "93.184.216.34",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
    "2606:2800:220:1::1",
    "2a00:1450::1",
  ])("%s is public", (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "not an address",
  ])("%s is not", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

describe("webhook.allow", () => {
  const rules = createAddressRules(["127.0.0.1", "10.1.0.0/16", "fd00::/8", "Hooks.Internal"]);

  it.each<[string, string, boolean]>([
    ["127.0.0.1", "127.0.0.1", true],
    ["127.0.0.2", "127.0.0.2", false],
    ["ten.example", "10.1.200.3", true],
    ["ten.example", "10.2.0.1", false],
    ["six.example", "fd12::1", true],
    ["hooks.internal", "192.168.7.7", true],
    ["other.internal", "192.168.7.7", false],
    ["public.example", "93.184.216.34", true],
  ])("lets %s at %s be called: %s", (host, address, isAllowed) => {
    expect(rules.mayCall(host, address)).toBe(isAllowed);
  });
});
