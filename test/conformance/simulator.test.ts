import { describeWorker } from "./describe-worker.ts";
import { simulatorSubject } from "./simulator-subject.ts";

describeWorker(simulatorSubject);
