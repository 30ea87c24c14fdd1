/** A binary heap of timers: the earliest first, and of equal ones the one that was armed first. */
export interface HeapTimer {
  readonly atMs: number;
  readonly order: number;
}

const isBefore = (a: HeapTimer, b: HeapTimer): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export function pushTimer<Timer extends HeapTimer>(heap: Timer[], timer: Timer): void {
  let index = heap.push(timer) - 1;
  while (index > 0) {
    const up = (index - 1) >> 1;
    const parent = heap[up] as Timer;
    if (!isBefore(timer, parent)) break;
    heap[index] = parent;
    index = up;
  }
  heap[index] = timer;
}

/** Takes the first timer out; undefined when there is none. */
export function popTimer<Timer extends HeapTimer>(heap: Timer[]): Timer | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let index = 0;
  for (;;) {
    let child = index * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer)) child += 1;
    if (!isBefore(heap[child] as Timer, last)) break;
    heap[index] = heap[child] as Timer;
    index = child;
  }
  heap[index] = last;
  return top;
}
