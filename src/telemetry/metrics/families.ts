/**
 * How metrics are made: one prefix, the shared buckets, and series that vanish with their measurement, because a stale
 * value would look like a healthy one.
 */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** Every name of a metric begins with it. */
const metricPrefix = "understudy_";

/** The buckets of waits and renders reach from a test render to an hour. */
export const renderSeconds = [1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600];
export const stepSeconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
export const answerSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
export const freedBytes = [0, 26, 28, 30, 32, 34, 35, 36, 37].map((power) => (power === 0 ? 0 : 2 ** power));

/** Makes families of one registry: base units, a help for each, and labels that have few values. */
export interface Families {
  counter<Label extends string>(name: string, help: string, labelNames?: readonly Label[]): Counter<Label>;
  gauge<Label extends string>(name: string, help: string, labelNames?: readonly Label[]): Gauge<Label>;
  histogram<Label extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly Label[],
  ): Histogram<Label>;
}

export function createFamilies(registry: Registry): Families {
  const about = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) => ({
    name: `${metricPrefix}${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
  });
  return {
    counter: (name, help, labelNames = []) => new Counter(about(name, help, labelNames)),
    gauge: (name, help, labelNames = []) => new Gauge(about(name, help, labelNames)),
    histogram: (name, help, buckets, labelNames = []) =>
      new Histogram({ ...about(name, help, labelNames), buckets: [...buckets] }),
  };
}

/** Sets one series for each word: 1 for the one that holds, 0 for the others. */
export function setState<Label extends string>(
  gauge: Gauge<Label>,
  words: readonly string[],
  current: string,
  labelsOf: (word: string) => Record<Label, string>,
): void {
  for (const word of words) gauge.set(labelsOf(word), word === current ? 1 : 0);
}

/** A measurement that is not there has no series: nothing is invented for it. */
export function setMeasured<Label extends string>(
  gauge: Gauge<Label>,
  labels: Record<Label, string>,
  value: number | null,
): void {
  if (value === null) gauge.remove(labels);
  else gauge.set(labels, value);
}
