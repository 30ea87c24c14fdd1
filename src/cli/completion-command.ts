/** `understudy completion SHELL`: a script by which the shell asks this program what may come next. */
import { completionsOf } from "./arguments.ts";
import type { Shell } from "./orders.ts";
import { say } from "./say.ts";

/** Where the program proposes nothing, the shell goes on with the names of files. */
const scripts: Readonly<Record<Shell, string>> = {
  bash: `_understudy() {
  local IFS=$'\\n'
  COMPREPLY=($(understudy completion propose -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _understudy understudy`,
  zsh: `#compdef understudy
_understudy() {
  local -a proposed
  proposed=("\${(@f)$(understudy completion propose -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $proposed[1] ]]; then compadd -- $proposed; else _files; fi
}
compdef _understudy understudy`,
  fish: `function __understudy_propose
  set -l before (commandline -opc)
  set -l proposed (understudy completion propose -- $before[2..-1] (commandline -ct) 2>/dev/null)
  if set -q proposed[1]; printf '%s\\n' $proposed; else; __fish_complete_path (commandline -ct); end
end
complete -c understudy -f -a '(__understudy_propose)'`,
};

export function showCompletion(shell: Shell): number {
  say(scripts[shell]);
  return 0;
}

/** Prints one proposal a line, as all three shells read it. */
export async function propose(words: readonly string[]): Promise<number> {
  for (const { completion } of await completionsOf(words)) if (completion !== "--") say(completion);
  return 0;
}
