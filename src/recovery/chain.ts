import type { Consent, RenderRequest } from "../core/job.ts";
import type { ModelId } from "../core/words.ts";

/** A worker that could take the job. */
export interface Route {
  readonly workerId: string;
  readonly models: readonly ModelId[];
  /** Connected, not suspended, breaker not open. */
  readonly isUsable: boolean;
}

/** What serves a job, best first. */
export type ChainLink =
  | { readonly kind: "real"; readonly workerId: string; readonly model: ModelId; readonly isAlternative: boolean }
  | { readonly kind: "standIn"; readonly isRealOwed: boolean }
  | { readonly kind: "wait" }
  | { readonly kind: "fail"; readonly code: "NO_REAL_ROUTE" };

export interface ChainQuestion {
  readonly request: Pick<RenderRequest, "model">;
  readonly consent: Pick<Consent, "fallback" | "allow">;
  readonly alternative: ModelId | null;
  /** The worker that carries the lead first. */
  readonly leadWorkerId: string;
  readonly routes: readonly Route[];
}

function lastLink(fallback: Consent["fallback"]): ChainLink {
  if (fallback === "wait") return { kind: "wait" };
  if (fallback === "fail") return { kind: "fail", code: "NO_REAL_ROUTE" };
  return { kind: "standIn", isRealOwed: fallback === "stand_in_then_real" };
}

/**
 * Lead model → alternative model → other worker → what the job wants when nobody can render. The alternative model only
 * with the job's consent; the list always ends in a link that needs no worker.
 */
export function fallbackChain(question: ChainQuestion): readonly ChainLink[] {
  const { request, consent, alternative, leadWorkerId, routes } = question;
  const mayChangeModel = consent.allow.includes("alternative_model") && alternative !== null && alternative !== request.model;
  const linksOf = (route: Route): ChainLink[] => {
    const models = mayChangeModel && alternative !== null ? [request.model, alternative] : [request.model];
    return models
      .filter((model) => route.isUsable && route.models.includes(model))
      .map((model) => ({ kind: "real", workerId: route.workerId, model, isAlternative: model !== request.model }));
  };
  const lead = routes.filter((route) => route.workerId === leadWorkerId);
  const others = routes.filter((route) => route.workerId !== leadWorkerId);
  return [...lead.flatMap(linksOf), ...others.flatMap(linksOf), lastLink(consent.fallback)];
}
