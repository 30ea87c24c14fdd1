/** Methods that change nothing (RFC 9110, section 9.2.1), as far as this service takes them. */
export const harmlessMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
