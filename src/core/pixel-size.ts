/** Width and height of a picture as people write them: `1280x720`. */

export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

export const sizeText = ({ width, height }: PixelSize): string => `${width}x${height}`;

/** A schema has looked at the text before: of one that is no size nothing can be rendered, and it is 0 pixels wide. */
export function sizeOfText(text: string): PixelSize {
  const [width = 0, height = 0] = text.split("x").map(Number);
  return { width, height };
}
