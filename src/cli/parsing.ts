/**
 * The context that every command of the argument tree gets. A command only records what is wanted; the order is carried
 * out after parsing, so that parsing can be tested without effects.
 */
import type { CommandContext } from "@stricli/core";
import type { Order } from "./orders.ts";

/** What a command of the tree is given while arguments are parsed: it says what is wanted, and does nothing. */
export interface Parsing extends CommandContext {
  readonly want: (order: Order) => void;
}
