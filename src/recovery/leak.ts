/** What a worker still holds between two jobs, with its model loaded and its cache cleared of the job. */
export interface Residue {
  readonly atMs: number;
  readonly bytes: number;
}

export interface LeakTrend {
  readonly bytesPerJob: number;
  /** 0..1: the share of the spread that a straight line explains. */
  readonly confidence: number;
  /** Jobs until the residue reaches the limit; null when it does not grow. */
  readonly jobsLeft: number | null;
  /** When that would be at the pace of these jobs; null when it does not grow. */
  readonly limitAtMs: number | null;
}

/** Fewer jobs make any two numbers a trend. */
const leastJobCount = 5;
const keptJobCount = 32;
/** Allocators round and fragment: a slope below this is no leak. */
const noticeableBytesPerJob = 16 * 1024 * 1024;
/** From this share of explained spread on the slope is acted upon. */
export const actedOnConfidence = 0.8;
/** A planned end of the worker costs one cold start; it comes while some jobs still fit. */
const recycleJobsLeft = 3;

export const noteResidue = (residues: readonly Residue[], residue: Residue): readonly Residue[] =>
  [...residues, residue].slice(-keptJobCount);

interface Line {
  readonly slope: number;
  readonly explained: number;
}

/** Fits a line by least squares, over the jobs' order: time between jobs says nothing of a leak. */
function fitLine(values: readonly number[]): Line {
  const count = values.length;
  const meanX = (count - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / count;
  let covariance = 0;
  let spreadX = 0;
  let spreadY = 0;
  for (const [index, value] of values.entries()) {
    covariance += (index - meanX) * (value - meanY);
    spreadX += (index - meanX) ** 2;
    spreadY += (value - meanY) ** 2;
  }
  return { slope: covariance / spreadX, explained: spreadY === 0 ? 0 : covariance ** 2 / (spreadX * spreadY) };
}

/** The trend of the residue against the bytes at which it begins to hurt; null while there are too few jobs. */
export function leakTrend(residues: readonly Residue[], limitBytes: number): LeakTrend | null {
  const first = residues[0];
  const last = residues.at(-1);
  if (first === undefined || last === undefined || residues.length < leastJobCount) return null;
  const { slope, explained } = fitLine(residues.map((residue) => residue.bytes));
  if (slope < noticeableBytesPerJob)
    return { bytesPerJob: Math.max(0, slope), confidence: explained, jobsLeft: null, limitAtMs: null };
  const jobsLeft = Math.max(0, Math.floor((limitBytes - last.bytes) / slope));
  const jobMs = (last.atMs - first.atMs) / (residues.length - 1);
  return { bytesPerJob: slope, confidence: explained, jobsLeft, limitAtMs: last.atMs + jobsLeft * jobMs };
}

/** The worker is ended between two jobs, on purpose, before the leak costs one. */
export const isRecycleDue = (trend: LeakTrend | null): boolean =>
  trend !== null &&
  trend.jobsLeft !== null &&
  trend.jobsLeft <= recycleJobsLeft &&
  trend.confidence >= actedOnConfidence;
