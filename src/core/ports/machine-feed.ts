/** The statecharts as others may see them: what they are, where each actor stands, and each step that it makes. */

/** One state as it is drawn. */
export interface ChartState {
  /** `recovery.choosing.examining` */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly actors: readonly string[];
  readonly isInitial: boolean;
  readonly isFinal: boolean;
  readonly isParallel: boolean;
  readonly children: readonly ChartState[];
}

/** All transitions from one state to another, with a line each. */
export interface ChartEdge {
  readonly from: string;
  readonly to: string;
  readonly labels: readonly string[];
}

/** One machine. */
export interface Chart {
  readonly id: string;
  /** As its file is called: `model-loader`. */
  readonly name: string;
  readonly states: readonly ChartState[];
  readonly edges: readonly ChartEdge[];
  /** Some transitions hold in every state; they leave from this pseudo state. */
  readonly hasAnyState: boolean;
}

/** A pending delay. */
export interface MachineDeadline {
  /** `backoffMs` */
  readonly delay: string;
  /** The state that it ends, below the machine: `choosing.asking`; empty for a delay of no one state. */
  readonly state: string;
  readonly dueAtMs: number;
}

export interface MachineTransition {
  readonly atMs: number;
  readonly from: string | null;
  readonly to: string;
  readonly event: string;
}

/** Where one actor stands now. */
export interface MachineActor {
  /** Path of actor ids below the root: `worker-0/pipeline`. */
  readonly actor: string;
  /** The machine's name. */
  readonly machine: string;
  /** `living.idle`; regions are joined with a plus sign. */
  readonly path: string;
  /** Every active state below the machine: `living`, `living.idle`. */
  readonly active: readonly string[];
  readonly tags: readonly string[];
  readonly sinceMs: number;
  readonly deadlines: readonly MachineDeadline[];
}

export interface MachineActorDetails extends MachineActor {
  /** What it would take now; a condition is a guard that decides when the event comes. */
  readonly takes: readonly { readonly event: string; readonly condition: string | null }[];
  /** Only fields that name and count things. */
  readonly context: Readonly<Record<string, unknown>>;
  /** Newest last, at most 20. */
  readonly recent: readonly MachineTransition[];
}

/** One step, thin enough to be sent for each. */
export interface MachineStep extends MachineActor {
  readonly from: string | null;
  readonly event: string;
  /** It was the actor's last one. */
  readonly isLast: boolean;
}

export interface MachineFeed {
  charts(): readonly Chart[];
  /** Every living actor; parents before their children. */
  actors(): readonly MachineActorDetails[];
}

/** Frames in the form of the Stately Inspector, one object each. */
export interface InspectorFeed {
  /** Sends what lives already, and everything that follows; the returned function ends that. */
  connect(send: (frame: Readonly<Record<string, unknown>>) => void): () => void;
}
