/** The planted bugs of all parts of the product. */
import type { PlantedBug } from "./planted-bug.ts";
import { recoveryBugs } from "./recovery-bugs.ts";
import { servingBugs } from "./serving-bugs.ts";
import { storeBugs } from "./store-bugs.ts";

export const plantedBugs: readonly PlantedBug[] = [...storeBugs, ...recoveryBugs, ...servingBugs];
