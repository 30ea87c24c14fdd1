/** A key as its owner holds it: `us_<id>_<secret>`. The id finds its row, the secret proves it. */
const pattern = /^us_([0-9a-f]{12})_([0-9a-f]{64})$/;

export interface KeyText {
  readonly id: string;
  readonly secret: string;
}

/** Null for what was never given out by this program. */
export function parseKeyText(text: string): KeyText | null {
  const [, id, secret] = pattern.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

export const formatKeyText = ({ id, secret }: KeyText): string => `us_${id}_${secret}`;
