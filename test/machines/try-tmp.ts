import { explorations } from "./explorations.ts";
import { explore } from "./explore.ts";
const spec = explorations["recovery"]!;
const seen: any[] = [];
try { explore({ ...spec, inputs: spec.inputs, problemsOf: undefined as never, stepWorld: spec.stepWorld!, ["x" as never]: 0, ...( {onState:(k:string)=>seen.push(k)} as object) }); } catch (e) { console.log(String(e)); }
const byField: Record<string, Record<string, number>> = {}; const byPath: Record<string, number> = {};
for (const k of seen) { const [path, ctx, world] = JSON.parse(k); byPath[path]=(byPath[path]??0)+1; for (const [f,v] of Object.entries({...ctx, ...Object.fromEntries(Object.entries(ctx.proof??{}).map(([a,b])=>["proof."+a,b])), world})) { (byField[f] ??= {})[JSON.stringify(v)] = ((byField[f] ??= {})[JSON.stringify(v)] ?? 0) + 1; } }
console.log(byPath); for (const [f,v] of Object.entries(byField)) console.log(f, Object.keys(v).length, Object.entries(v).slice(0,8).map(([a,b])=>a.slice(0,70)+"="+b).join(" | "));
