import type { CommandContext } from "@stricli/core";
import type { Order } from "./orders.ts";

/** What a command of the tree is given while arguments are parsed: it says what is wanted, and does nothing. */
export interface Parsing extends CommandContext {
  readonly want: (order: Order) => void;
}
