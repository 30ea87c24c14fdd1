/** Writes a command's answer to stdout, a line at a time, so that it can be piped. */

export const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
