import { describeWorker } from "./describe-worker.ts";
import { diffusersSubject } from "./diffusers-subject.ts";

/** On the processor: there is no card whose memory others could measure, and no profile that offloads to the host. */
describeWorker(diffusersSubject, [
  "clears its cache: what it reports is what others measure on the device",
  "offloads to a leaner profile: less memory on the device, and the profile is the one it says",
  "goes on writing its device's memory while it is idle",
]);
