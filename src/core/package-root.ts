/** Where the package lies: the folder of package.json, of a clone and of the installed package alike. Ends with a slash. */
export const packageRoot: URL = new URL("../../", import.meta.url);
