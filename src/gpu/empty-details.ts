/**
 * The details of a card of which nothing was measured. Each source of cards fills in what it knows, so that the rest
 * stays null and not zero.
 */
import type { Card } from "./probe/probe-protocol.ts";

export const emptyDetails: Card["details"] = {
  busId: null,
  driverVersion: null,
  reservedBytes: null,
  memoryTemperatureCelsius: null,
  thermalMarginCelsius: null,
  throttleMask: null,
  powerWatts: null,
  powerLimitWatts: null,
  uncorrectedEccCount: null,
  isRemapPending: null,
  hasRemapFailed: null,
  recoveryAction: null,
  isMigEnabled: null,
  isComputeExclusive: null,
  parentUuid: null,
  sharesHostMemory: false,
  holders: null,
};
