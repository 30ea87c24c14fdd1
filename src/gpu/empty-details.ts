import type { Card } from "./probe/probe-protocol.ts";

/** Nothing of it was measured. */
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
