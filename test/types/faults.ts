/** Only `recovery/classify` makes a fault: lines that must not compile, and two that must. */
import type { Fault } from "../../src/core/fault.ts";
import { classify, faultOf } from "../../src/recovery/classify.ts";
import { recognition } from "../../src/recovery/recognition.ts";

export const classified: Fault = classify({ stalledForMs: 1 });
export const measured: Fault = faultOf(recognition("diskFull", 1, "measured"), {});

// @ts-expect-error A fault that somebody writes down, its facts all there, has no class of the tables.
export const written: Fault = {
  faultClass: "stall",
  code: "MODEL_NOT_AVAILABLE",
  attribution: "worker",
  failureType: "model_loading_failure",
  confidence: 0.6,
  decidedBy: "loading gave no sign of activity",
  message: "loading gave no sign of activity within its time.",
  contextPoisoned: false,
  retryable: true,
  operatorAction: null,
  evidence: { phase: "load" },
};

// @ts-expect-error A copy with another code no longer says what its class says.
export const changed: Fault = { ...classified, code: "MODEL_FILE_CORRUPT" };

// @ts-expect-error Nor does a copy whose failure type was swapped on its way.
export const swapped: { readonly fault: Fault } = { fault: { ...classified, failureType: "network_error" } };
