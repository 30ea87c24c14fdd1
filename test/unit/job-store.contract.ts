/** The contract tests of job stores in one suite, which any engine must pass. */
import { afterEach, beforeEach, describe } from "vitest";
import { describeAttempts } from "./job-store-attempts.contract.ts";
import { describeEnds } from "./job-store-ends.contract.ts";
import { describeKeeping } from "./job-store-keeping.contract.ts";
import { describeQueue } from "./job-store-queue.contract.ts";
import { describeSuspects } from "./job-store-suspects.contract.ts";
import { describeWebhooks } from "./job-store-webhooks.contract.ts";
import { JobStoreWorld, type OpenJobStore } from "./job-store-world.ts";

/** What every store of jobs must do, whatever engine is behind it. */
export function describeJobStore(engine: string, open: OpenJobStore): void {
  describe(`a store of jobs ${engine}`, () => {
    const world = new JobStoreWorld(open);
    beforeEach(() => world.start());
    afterEach(() => world.end());
    describeQueue(world);
    describeAttempts(world);
    describeEnds(world);
    describeKeeping(world);
    describeSuspects(world);
    describeWebhooks(world);
  });
}
