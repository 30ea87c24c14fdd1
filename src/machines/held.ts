/**
 * What a state cannot be without: the chart leads there only with it in hand.
 * @throws where the chart let a machine in without it; the supervisor then starts that machine again
 */
export function held<Thing>(thing: Thing | null, what: string): Thing {
  if (thing === null) throw new Error(`${what} is not in hand`);
  return thing;
}
