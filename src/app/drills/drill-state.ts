/** What a drill makes the service believe: that the disk is full, or that nothing can be measured. */
export type BlindSpot = "disk" | "telemetry";

/** The one drill that runs, and what it hides from the service. */
export class DrillState {
  readonly #hidden = new Set<BlindSpot>();
  #current: { readonly name: string; readonly isSecret: boolean } | null = null;

  /** The drill's name, for those who start drills; null when none runs. */
  get current(): string | null {
    return this.#current?.name ?? null;
  }

  /** The drill that the service may know of when it judges what happens; null also while a secret one runs. */
  get running(): string | null {
    return this.#current === null || this.#current.isSecret ? null : this.#current.name;
  }

  begin(name: string, isSecret = false): void {
    this.#current = { name, isSecret };
  }

  end(): void {
    this.#current = null;
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
