import { explorations } from "/work/main/test/machines/explorations.ts";
import { explore, canReach } from "/work/main/test/machines/explore.ts";
for (const [name, spec] of Object.entries(explorations)) {
  try {
  const t = performance.now();
  const g = explore(spec);
  const all=[...g.states.values()];
  console.log(name, g.states.size, g.edges.length, (performance.now()-t)/1000);
  console.log(" problems", new Set(all.flatMap(s=>(spec.problemsOf?.(s)??[]).map(p=>s.path+": "+p))));
  for (const tag of ["mock","servable"]) { const r=canReach(g, s=>s.tags.has(tag), e=>!e.isOperator); console.log(" ", tag, "unreachable from", new Set(all.filter(s=>!s.isDone&&!r.has(s.key)).map(s=>s.path))); }
  const out=new Set(g.edges.filter(e=>e.from!==e.to).map(e=>e.from));
  console.log("  stuck", new Set(all.filter(s=>!s.isDone&&!out.has(s.key)).map(s=>s.path)), "untimed", new Set(all.filter(s=>!s.isDone&&!s.hasTimedWayOut).map(s=>s.path)));
  console.log(" paths", Object.entries(Object.groupBy(all,s=>s.path)).map(([k,v])=>k+":"+v!.length).join(" "));
  } catch (e) { console.log(name, e) }
}
