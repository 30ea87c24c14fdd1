/** What a drill makes the service believe: that the disk is full, or that nothing can be measured. */
export type BlindSpot = "disk" | "telemetry";

/** The one drill that runs, and what it hides from the service. */
export class DrillState {
  readonly #hidden = new Set<BlindSpot>();
  #running: string | null = null;

  /** The drill's name; null when none runs. */
  get running(): string | null {
    return this.#running;
  }

  begin(name: string): void {
    this.#running = name;
  }

  end(): void {
    this.#running = null;
    this.#hidden.clear();
  }

  hide(what: BlindSpot): void {
    this.#hidden.add(what);
  }

  show(what: BlindSpot): void {
    this.#hidden.delete(what);
  }

  hides(what: BlindSpot): boolean {
    return this.#hidden.has(what);
  }
}
